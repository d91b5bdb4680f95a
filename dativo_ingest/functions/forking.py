"""The process that those of plugins are forked from. It has imported what each of them needs, and sees no request.

So a plugin's process costs a fork instead of an interpreter and its imports. It is like a new one all the same: its
environment, folder, output and connection are its own, and of other plugins' it has nothing, since this process never
had any. There is one thread here when it forks, and one socket, on which the function's process asks. Each message is
JSON in a packet of its own::

    function's process                                             this one
                                                             <-    {}, once everything is imported
    {folder, environ}, and a connection and an output        ->    {pid}, or {error}
    {ended: pid}                                             ->    {status, peak_mb}; {} as long as it runs
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from typing import Any, NoReturn

from dativo_ingest import adapters, loader, native, opening, versions
from dativo_ingest.worker.batches import from_payload, to_parts
from dativo_ingest.worker.serving import serve

NEEDED = (adapters, loader, native, opening, versions)
"""What a worker imports once it knows its plugin; here it is there before that."""
MOST_BYTES = 128 * 1024
"""Of a message, which is mostly an environment; clouds allow a function 32 KB at most."""


def main() -> None:
    """Fork for the function's process, which the argument is the socket to, until it is gone."""
    gc.disable()  # else a collection writes to pages that would be shared
    control = socket.socket(fileno=int(sys.argv.pop()))
    with contextlib.suppress(Exception):  # whatever it is, the plugin that needs it is told, in its own process
        _import_arrow()
    gc.freeze()
    connection = _serve(control)
    gc.enable()
    if connection is not None:
        serve(connection)
        _leave()


def _import_arrow() -> None:
    """Import all that rows need: with its first batch pyarrow also imports pandas, where that is there."""
    import pyarrow as pa

    for parts in to_parts(pa.record_batch({"a": [0]})):
        from_payload(b"".join(parts))


def _serve(control: socket.socket) -> socket.socket | None:
    """Answer until the function's process is gone; in a process that was forked, give its connection."""
    control.send(b"{}")
    while True:
        message, passed, _, _ = socket.recv_fds(control, MOST_BYTES, 2, socket.MSG_CMSG_CLOEXEC)
        if not message:
            return None
        asked = json.loads(message)
        answer = _ended(asked["ended"]) if "ended" in asked else _fork()
        if answer.get("pid") == 0:
            control.close()
            return _become(asked, *passed)
        for descriptor in passed:
            os.close(descriptor)
        control.send(json.dumps(answer).encode())


def _fork() -> dict[str, Any]:
    try:
        pid = os.fork()
    except OSError as error:
        return {"error": str(error)}
    with contextlib.suppress(OSError):  # both sides do it, so that its group is there whoever is first
        os.setpgid(pid, pid)
    return {"pid": pid}


def _become(asked: Mapping[str, Any], connection: int, output: int) -> socket.socket:
    """Make a forked process what one would be that was started for the plugin."""
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.close(output)
    os.environ.clear()
    os.environ.update(asked["environ"])
    os.chdir(asked["folder"])
    if numbers := sys.modules.get("numpy.random"):
        numbers.seed()  # Python does so with its own
    return socket.socket(fileno=connection)


def _leave() -> NoReturn:
    """End as Python does, but take nothing apart: that would first copy every page that is shared."""
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - as `multiprocessing` ends what it forked
    atexit._run_exitfuncs()  # noqa: SLF001
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # a plugin may have closed it
            stream.flush()
    ctypes.CDLL(None).fflush(None)  # what libraries printed
    os._exit(0)


def _ended(pid: int) -> dict[str, int]:
    """Say how a process ended, and end what it started and left."""
    if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        return {}
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    _, status, used = os.wait4(pid, 0)
    return {"status": os.waitstatus_to_exitcode(status), "peak_mb": used.ru_maxrss // 1024}
