"""A program that starts instances of functions by forking: the framework is imported once, and not by each of them.

Each line of its input is a request in JSON, and each line of its output the answer. An instance gets the folder, the
environment and the output that it would have as a program of its own; of ours it has nothing.
"""

from __future__ import annotations

import ctypes
import json
import os
import runpy
import signal
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from typing import Any

_PR_SET_PDEATHSIG = 1


def start(folder: str, log: str, environment: dict[str, str], arguments: list[str]) -> int:
    """Start an instance; gives its process."""
    process = os.fork()
    if process == 0:
        try:
            _run(folder, log, environment, arguments)
        except BaseException:  # noqa: BLE001 - nothing of the instance goes on as its parent
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(1)
    return process


def ended(process: int) -> bool:
    """Say whether an instance has ended; it can still be stopped."""
    return os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def stop(process: int) -> None:
    """End an instance, with all that it started."""
    os.killpg(process, signal.SIGKILL)
    os.waitpid(process, 0)


def _run(folder: str, log: str, environment: dict[str, str], arguments: list[str]) -> None:
    os.setsid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    out, nothing = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), os.open(os.devnull, os.O_RDONLY)
    for theirs, ours in ((nothing, 0), (out, 1), (out, 2)):
        os.dup2(theirs, ours)
    os.closerange(3, 64)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.path[0] = folder
    sys.argv[1:] = arguments

    runpy.run_module("functions_framework", run_name="__main__")


def _answer(asked: dict[str, Any]) -> Any:
    verbs: dict[str, Callable[..., Any]] = {"start": start, "ended": ended, "stop": stop}
    return verbs[asked.pop("verb")](**asked)


if __name__ == "__main__":
    for module in ("functions_framework._cli", "functions_framework._http.gunicorn", "gunicorn.workers.gthread"):
        import_module(module)
    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line))), flush=True)
