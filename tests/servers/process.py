"""What all servers share: free ports, a process that cannot outlive its test session, waiting until it answers."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

_CHOICE = random.SystemRandom()  # pytest-randomly seeds the ordinary one alike in every worker
_GRPC_OFFSET = 10_000
_PROMISED: deque[socket.socket] = deque()
_MOST_PROMISED = 64
_LOG_TAIL_BYTES = 4_000


def free_port() -> int:
    """Find a port P on loopback such that P and P+10000 are free (SeaweedFS opens both).

    Both lie below the ports that the kernel gives to clients, so nothing takes them in the meantime by chance; and
    no other call gives one that was given, here or in another process, long before its server listens.
    """
    for _ in range(1_000):
        port = _CHOICE.randrange(12_000, 22_000)
        if _is_free(port) and _is_free(port + _GRPC_OFFSET) and _promise(port):
            return port
    msg = "no free pair of ports on loopback"
    raise RuntimeError(msg)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _promise(port: int) -> bool:
    """Take a name that the kernel gives to one process of the machine; False where somebody has it.

    It is kept until so many others were given that the server listens by then.
    """
    promise = socket.socket(socket.AF_UNIX)
    try:
        promise.bind(f"\0dativo-test-port-{port}")
    except OSError:
        promise.close()
        return False
    _PROMISED.append(promise)
    while len(_PROMISED) > _MOST_PROMISED:
        _PROMISED.popleft().close()
    return True


@contextlib.contextmanager
def running(
    command: Sequence[str | Path],
    log: Path,
    *,
    ready: Callable[[], object],
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 60,
    stop: signal.Signals = signal.SIGKILL,
    user: str | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends; enter the block when ``ready`` neither raises nor gives False.

    Its process group gets ``stop`` at the end, and also when this process dies without coming that far
    (``setpriv --pdeathsig``, part of every Debian). Only root can name another ``user`` for it.
    """
    guard = ["setpriv", "--pdeathsig", stop.name.removeprefix("SIG")]
    if user:
        guard += [f"--reuid={user}", f"--regid={user}", "--init-groups"]
    with log.open("ab") as out:
        process = subprocess.Popen(
            [*guard, *command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            start_new_session=True,
        )
    try:
        _wait(process, ready, log, timeout)
        yield process
    finally:
        _end(process, stop)


def _wait(process: subprocess.Popen[bytes], ready: Callable[[], object], log: Path, timeout: float) -> None:
    end = time.monotonic() + timeout
    while True:
        try:
            if ready() is not False:
                return
            reason = "not ready yet"
        except Exception as error:  # noqa: BLE001 - whatever a client raises before its server answers; told below
            reason = repr(error)
        if process.poll() is not None or time.monotonic() > end:
            state = f"ended with {process.returncode}" if process.poll() is not None else f"not up after {timeout} s"
            msg = f"{process.args!r} {state}: {reason}\n{_tail(log)}"
            raise RuntimeError(msg)
        time.sleep(0.05)


def _tail(log: Path) -> str:
    return log.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace")


def _end(process: subprocess.Popen[bytes], stop: signal.Signals) -> None:
    for sign in (stop, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)
            return
