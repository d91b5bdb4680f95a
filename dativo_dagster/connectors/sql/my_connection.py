"""One session at MySQL or MariaDB. PyMySQL opens it, signs in and asks; `my_wire` reads the rows."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from dativo_ingest.exceptions import ConnectionError  # noqa: A004 - ours, on purpose

if TYPE_CHECKING:
    import ssl

    import pyarrow as pa

    from dativo_dagster.connectors.sql.config import SqlConfig, Tls
    from dativo_dagster.connectors.sql.my_snapshot import Snapshot

DEFAULT_PORT = 3306
_PATIENCE_SECONDS = 86_400  # the server's with a reader that is busy with the rows it has, and with one that waits
_KEEPALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 8}
_SESSION = {
    "time_zone": "'+00:00'",
    "net_write_timeout": str(_PATIENCE_SECONDS),
    "wait_timeout": str(_PATIENCE_SECONDS),
    "sql_select_limit": "18446744073709551615",
    "group_concat_max_len": "1073741824",
    "sql_mode": "REPLACE(@@sql_mode, 'PAD_CHAR_TO_FULL_LENGTH', '')",
}
"""What gives all rows, each value the same whatever the server is set to, and lets a slow reader live."""
_SNAPSHOT = ("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", "START TRANSACTION WITH CONSISTENT SNAPSHOT")


class MyConnection:
    """A session that only reads, and is in no transaction until it is told to be."""

    def __init__(self, config: SqlConfig) -> None:
        self._config = config
        self._link = _linked(config)
        self._running = self._ended = False
        self._held: Snapshot | None = None
        self._lent: tuple[Snapshot, MyConnection] | None = None
        try:
            self.run("SET SESSION TRANSACTION READ ONLY")
            self.run("SET " + ", ".join(f"SESSION {name} = {value}" for name, value in _settings(self, config).items()))
        except BaseException:
            self.close()
            raise

    @property
    def is_mariadb(self) -> bool:
        """Say which of the two servers this is."""
        return "mariadb" in self._link.get_server_info().lower()

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Run a small query and give its rows."""
        with closing(self._link.cursor()) as cursor:
            cursor.execute(sql, parameters or None)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def run(self, sql: str) -> None:
        """Run a statement that gives no rows."""
        self._link.query(sql)

    def fields(self, sql: str) -> Sequence[Any]:
        """Give the definitions of a query's columns as PyMySQL has them; the query should have no rows."""
        self._link.query(sql)
        fields: Sequence[Any] = self._link._result.fields  # noqa: SLF001 - PyMySQL's own description lacks the flags
        return fields

    def snapshot(self) -> None:
        """Start a transaction that sees the database as it is now."""
        for statement in _SNAPSHOT:
            self.run(statement)

    def position(self) -> tuple[str, ...] | None:
        """Give the place in the binary log up to which the transaction sees; None when the server cannot tell."""
        found = self.rows("SHOW STATUS LIKE 'binlog\\_snapshot\\_%'")
        said = {row["Variable_name"].lower(): row["Value"] for row in found}
        place = said.get("binlog_snapshot_file", ""), said.get("binlog_snapshot_position", "")
        return place if all(place) else None

    def hold(self, snapshot: Snapshot) -> None:
        """Keep a state of the database as long as this session is open."""
        self._held = snapshot

    def borrow(self, snapshot: Snapshot) -> None:
        """Read by a session that sees ``snapshot``, until this one is closed."""
        self._lent = snapshot, snapshot.take()
        self.leave()
        self._link = self._lent[1]._link  # noqa: SLF001 - of the same class

    def batches(self, sql: str) -> Iterator[pa.RecordBatch]:
        """Stream a query, each column as text, or as bytes where the server has bytes."""
        from pymysql.err import MySQLError, raise_mysql_exception

        from dativo_dagster.connectors.sql.my_wire import ServerSaidError, blocks

        self._running = True  # the server may take long before it sends a first word
        try:
            yield from self._answers(sql, blocks)
            self._running = False
        except ServerSaidError as said:
            self._running = False
            raise_mysql_exception(said.packet)
        except MySQLError:
            self._running = False
            raise
        finally:
            if self._running:  # the rest is not wanted: end it there too
                self.cancel()
                self._link._force_close()  # noqa: SLF001 - closing politely would read the rest

    def _answers(self, sql: str, blocks: Any) -> Iterator[pa.RecordBatch]:
        """Ask, and make batches of what comes by PyMySQL's socket."""
        if self._ended:
            self._running = False
            raise ConnectionError("the run was cancelled", "CANCELLED", retryable=False)
        self._link.query(sql, unbuffered=True)
        result = self._link._result  # noqa: SLF001 - PyMySQL's own cursor would read the rows one by one
        result.unbuffered_active = False  # else it reads all of the rows when it lets go of them
        for arrays in blocks(self._link._rfile.read1, len(result.fields)):  # noqa: SLF001
            yield _batch(result.fields, arrays)

    def cancel(self) -> None:
        """End the query that runs, by a session of its own since this one is busy; none is begun any more."""
        self._ended = True
        if self._running:
            # It may have ended, and its server too.
            with suppress(Exception), closing(_dial(self._config, self._link.host)) as other:
                other.query(f"KILL QUERY {self._link.thread_id()}")

    @property
    def is_open(self) -> bool:
        """Say whether the session is fit for another query."""
        return bool(self._link.open)

    def close(self) -> None:
        """Leave; a session that was lent goes back, and a state that is held is let go of."""
        if self._lent is not None:
            (snapshot, session), self._lent = self._lent, None
            snapshot.give_back(session)
            return
        if self._held is not None:
            self._held.close()
        self.leave()

    def leave(self) -> None:
        """End the session: the server ends its transaction and its query."""
        with suppress(Exception):  # it is closed already
            self._link.close()


def _linked(config: SqlConfig) -> Any:
    """Connect to the first host that answers, and to a replica if only that will do."""
    from dativo_dagster.connectors.sql.my_errors import translate

    hosts = _hosts(config)
    for place, host in enumerate(hosts):
        try:
            link = _dial(config, host)
        except Exception as error:
            # Another host helps where this one is away, not where it refuses us.
            if place == len(hosts) - 1 or not translate(error, host).retryable:
                raise
            continue
        if not config.read_replica or _is_replica(link):
            return link
        link.close()
    raise ConnectionError("`read_replica` takes only a server that is one, and no host is", "NO_REPLICA")


def _hosts(config: SqlConfig) -> list[str]:
    return [h.strip() for h in str(config.address().get("host") or "localhost").split(",")]


def _dial(config: SqlConfig, host: str) -> Any:
    import pymysql

    known = config.address()
    options = {**(known.get("options") or {}), **config.options}
    link = pymysql.connect(
        host=host,
        port=int(known.get("port") or DEFAULT_PORT),
        user=known.get("user"),
        password=known.get("password") or "",
        database=known.get("database"),
        unix_socket=options.get("unix_socket"),
        charset="utf8mb4",
        connect_timeout=max(1, round(config.connect_timeout)),
        autocommit=True,
        program_name="dativo",
        max_allowed_packet=1 << 30,
        **_protection(config.tls),
    )
    line = link._sock  # noqa: SLF001 - a line that broke without a word is found out in minutes, not never
    with suppress(OSError):  # not a network's
        line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE.items():
            if hasattr(socket, name):
                line.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return link


def _protection(tls: Tls) -> dict[str, Any]:
    """Give what PyMySQL is told about TLS. Told nothing it takes TLS where the server has it."""
    if tls.mode == "disable":
        return {"ssl_disabled": True}
    if tls.mode == "prefer" and not (tls.ca or tls.certificate):
        return {}
    return {"ssl": _context(tls)}


def _context(tls: Tls) -> ssl.SSLContext:
    import ssl

    context = ssl.create_default_context(cafile=tls.ca)
    context.check_hostname = tls.mode == "verify-full"
    if tls.mode in {"require", "prefer"} and not tls.ca:
        context.verify_mode = ssl.CERT_NONE
    # MySQL's own certificates lack what this flag, on since Python 3.13, asks for.
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    if tls.certificate:
        context.load_cert_chain(tls.certificate, tls.key)
    return context


def _is_replica(link: Any) -> bool:
    with closing(link.cursor()) as cursor:
        cursor.execute("SELECT @@global.read_only")
        return bool(int(cursor.fetchone()[0]))


def _settings(connection: MyConnection, config: SqlConfig) -> dict[str, str]:
    if config.statement_timeout is None:
        return _SESSION
    if connection.is_mariadb:
        return {**_SESSION, "max_statement_time": f"{config.statement_timeout:.6f}"}
    return {**_SESSION, "max_execution_time": str(max(1, round(config.statement_timeout * 1000)))}


def _batch(fields: Sequence[Any], arrays: Sequence[pa.Array]) -> pa.RecordBatch:
    import pyarrow as pa

    from dativo_dagster.connectors.sql.my_types import is_bytes, texts

    columns = [array if is_bytes(f) else texts(f.name, array) for f, array in zip(fields, arrays, strict=True)]
    return pa.RecordBatch.from_arrays(columns, names=[f.name for f in fields])
