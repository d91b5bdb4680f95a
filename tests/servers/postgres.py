"""PostgreSQL from the system's packages, for SQL catalogs. Root runs it as the user ``postgres``, as it insists."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg2

from tests.servers.process import free_port, running

SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
fsync = off
synchronous_commit = off
full_page_writes = off
max_connections = 200
"""


@dataclass(frozen=True)
class PostgresServer:
    """A running server that trusts everybody on loopback."""

    port: int

    def url(self, database: str = "postgres") -> str:
        """Give the SQLAlchemy URL of a database."""
        return f"postgresql+psycopg2://postgres@127.0.0.1:{self.port}/{database}"

    def create_database(self) -> str:
        """Make a database of its own for a test and give its URL."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        with contextlib.closing(self.connect()) as connection:
            connection.autocommit = True
            connection.cursor().execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def connect(self, database: str = "postgres") -> psycopg2.extensions.connection:
        """Open a plain connection, to the maintenance database when no other is named."""
        return psycopg2.connect(host="127.0.0.1", port=self.port, user="postgres", dbname=database, connect_timeout=5)


@contextlib.contextmanager
def serve(prepare: Callable[[Path], None] = lambda data: None, primary: int | None = None) -> Iterator[PostgresServer]:
    """Run PostgreSQL on a new data folder, which is removed at the end.

    Args:
        prepare: Changes the settings in the data folder before the server starts.
        primary: The port of a server that this one is a replica of.
    """
    server = PostgresServer(free_port())
    user = "postgres" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="dativo-postgres-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        _make_cluster(folder / "data", server.port, user, primary)
        prepare(folder / "data")
        if user:
            for file in (folder / "data").iterdir():
                shutil.chown(file, user, user)
        command = [_binary("postgres"), "-D", str(folder / "data")]
        ready = server.connect
        with running(command, folder / "log", ready=lambda: ready().close(), stop=signal.SIGQUIT, user=user):
            yield server


def _make_cluster(data: Path, port: int, user: str | None, primary: int | None) -> None:
    data.mkdir()
    data.parent.chmod(0o755)
    if user:
        shutil.chown(data, user, user)
    if primary is None:
        options = ["-U", "postgres", "-A", "trust", "--no-sync", "--locale=C.UTF-8", "-E", "UTF8"]
    else:
        options = ["-U", "postgres", "-h", "127.0.0.1", "-p", str(primary), "-R", "--no-sync", "--checkpoint=fast"]
    data.chmod(0o700)
    subprocess.run(
        [_binary("initdb" if primary is None else "pg_basebackup"), "-D", data, *options],
        check=True,
        capture_output=True,
        user=user,
        group=user,
        cwd=data.parent,
    )
    with (data / "postgresql.conf").open("a") as config:
        config.write(f"{SETTINGS}port = {port}\n")


def _binary(name: str) -> str:
    """Find a program of the newest version; Debian does not put these on the path."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda p: int(p.parts[-3]))
    found = str(versions[-1]) if versions else shutil.which(name)
    if not found:
        msg = f"{name} is not installed: apt-get install postgresql"
        raise FileNotFoundError(msg)
    return found
