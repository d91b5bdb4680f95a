"""`python -m dativo_ingest.worker`: takes the connection that its arguments name, and serves the host there."""

from __future__ import annotations

import argparse
import os
import socket
from typing import TYPE_CHECKING

from dativo_ingest.worker.serving import serve

if TYPE_CHECKING:
    from dativo_ingest.worker.channel import Connection


def main(arguments: list[str] | None = None) -> None:
    """Serve one host and end."""
    serve(_connection(arguments))


def _connection(arguments: list[str] | None) -> Connection:
    parser = argparse.ArgumentParser(prog="python -m dativo_ingest.worker", description="Serve one host and end.")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--fd", type=int, help="number of an inherited socket")
    where.add_argument("--connect", help="path of a unix socket")
    where.add_argument("--stdio", action="store_true", help="standard input and output")
    options = parser.parse_args(arguments)
    if options.stdio:
        from dativo_ingest.worker.stdio import Stdio

        return Stdio()
    if options.fd is not None:
        os.set_inheritable(options.fd, False)  # noqa: FBT003 - positional only
        return socket.socket(fileno=options.fd)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(options.connect)
    return connection


if __name__ == "__main__":
    main()
