"""MariaDB from the system's packages. Root runs it as the user ``mysql``; its own certificate allows TLS."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql

from tests.servers.process import free_port, running

_OPTIONS = {
    "bind-address": "127.0.0.1",
    "innodb-flush-log-at-trx-commit": 0,
    "innodb-buffer-pool-size": "64M",
    "server-id": 1,
    "binlog-format": "ROW",
    "default-time-zone": "-03:30",  # a session that forgets to set its own zone shows at once
    "character-set-server": "utf8mb4",
}


@dataclass(frozen=True)
class MariaDbServer:
    """A running server; root has no password. ``authority`` is a file that a client trusts it by."""

    port: int
    authority: Path

    def create_database(self) -> str:
        """Make a database of its own for a test and give its name."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        self.run(f"CREATE DATABASE {name}")
        return name

    def options(self, database: str) -> dict[str, Any]:
        """Give what goes under ``connection`` of a job."""
        return {"host": "127.0.0.1", "port": self.port, "user": "root", "database": database}

    def url(self, database: str) -> str:
        """Give the SQLAlchemy URL of a database."""
        return f"mysql+pymysql://root@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str | None = None) -> pymysql.Connection[Any]:
        """Open a plain connection of an administrator, which commits each statement."""
        return pymysql.connect(
            host="127.0.0.1", port=self.port, user="root", database=database, autocommit=True, connect_timeout=5
        )

    def run(self, *statements: str, database: str | None = None) -> list[tuple[Any, ...]]:
        """Run statements and give the rows of the last."""
        with contextlib.closing(self.connect(database)) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())


@contextlib.contextmanager
def serve() -> Iterator[MariaDbServer]:
    """Run MariaDB on a new data folder, which is removed at the end."""
    user = "mysql" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="dativo-mariadb-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "tmp").mkdir()  # a server that starts removes what others hold in a folder that they share
        if user:
            shutil.chown(folder, user, user)
            shutil.chown(folder / "tmp", user, user)
        server = MariaDbServer(free_port(), folder / "authority.pem")
        _make_certificate(folder, user)
        _make_data(folder, user)
        command = [_binary("mariadbd"), "--no-defaults", *_settings(folder, server.port)]
        ready = server.connect
        with running(command, folder / "log", ready=lambda: ready().close(), stop=signal.SIGKILL, user=user):
            yield server


def _settings(folder: Path, port: int) -> list[str]:
    options = {
        **_OPTIONS,
        "datadir": folder / "data",
        "port": port,
        "socket": folder / "s",
        "pid-file": folder / "pid",
        "tmpdir": folder / "tmp",
        "log-bin": folder / "data" / "binlog",
        "ssl-cert": folder / "server.pem",
        "ssl-key": folder / "server.key",
    }
    return ["--skip-name-resolve", *(f"--{name}={value}" for name, value in options.items())]


def _make_data(folder: Path, user: str | None) -> None:
    command: list[str | Path] = [
        _binary("mariadb-install-db"),
        "--no-defaults",
        f"--datadir={folder / 'data'}",
        f"--tmpdir={folder / 'tmp'}",
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
        "--force",  # no name of this machine is looked up
        *([f"--user={user}"] if user else []),
    ]
    done = subprocess.run(command, check=False, capture_output=True, cwd=folder, text=True)
    if done.returncode:
        msg = f"{command[0]} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        raise RuntimeError(msg)


def _make_certificate(folder: Path, user: str | None) -> None:
    """Make a certificate for localhost that is its own authority."""
    command: list[str | Path] = [
        _binary("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-keyout", folder / "server.key", "-out", folder / "server.pem", "-days", "2", "-subj", "/CN=localhost",
        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    shutil.copy(folder / "server.pem", folder / "authority.pem")
    if user:
        shutil.chown(folder / "server.key", user, user)


def _binary(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if not found:
        msg = f"{name} is not installed: apt-get install mariadb-server"
        raise FileNotFoundError(msg)
    return found
