"""How frames come to a container."""

from __future__ import annotations

import socket
from contextlib import closing

from dativo_dagster.launchers.docker.line import SocketLine


def test_the_folder_for_what_is_temporary_may_be_deep(tmp_path, monkeypatch):
    folder = tmp_path / ("deep" * 30)
    folder.mkdir()
    monkeypatch.chdir(folder)
    with closing(SocketLine(folder)) as line, socket.socket(socket.AF_UNIX) as worker:
        worker.connect("worker.sock")
        worker.sendall(b"here")
        connection = line.connected(60, ())
        assert connection is not None
        with connection:
            assert connection.recv(4) == b"here"
