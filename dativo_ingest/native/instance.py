"""One instance of a native plugin: JSON in, JSON or a reading out; and the pool that gives each thread its own."""

from __future__ import annotations

import contextlib
import ctypes
import json
import threading
import weakref
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dativo_ingest.exceptions import DativoError
from dativo_ingest.native import abi
from dativo_ingest.native.errors import Call, taken
from dativo_ingest.native.handle import Handle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MAX_ANSWER_BYTES = 256 * 1024 * 1024
_POISONS = {"PLUGIN_PANIC", "PLUGIN_POISONED"}


class Missing:
    """What a verb gives that the plugin does not implement."""


MISSING = Missing()


@dataclass
class Request:
    """What a verb is asked: its words, and the stream that messages name."""

    verb: str
    words: Mapping[str, Any]
    stream: str | None = None

    @property
    def encoded(self) -> tuple[bytes, int]:
        """Give the words as bytes of JSON, and how many."""
        text = json.dumps(self.words, ensure_ascii=False, default=dict).encode()
        return text, len(text)


class Instance:
    """One configured reader or writer. Released by `close`, and if that is forgotten with the object."""

    def __init__(self, struct: abi.DativoInstance, call: Call) -> None:
        self.handle = Handle(struct, call)
        self.poisoned = False
        self.close: Callable[[], Any] = weakref.finalize(self, self.handle.release)

    def ask(self, request: Request) -> Any:
        """Call a verb that answers in JSON; gives `MISSING` where the plugin has none."""
        out = abi.DativoJson()
        call = self._call(request, ctypes.byref(out))
        return MISSING if call is None else answer(out, call)

    def read(self, request: Request) -> Handle:
        """Start a reading."""
        out = abi.DativoReading()
        call = self._call(request, ctypes.byref(out))
        if call is None:
            raise replace(self.handle.call, verb="read").broken("the plugin reads nothing: it has no `read`")
        filled(out, call)
        return Handle(out, call, self.handle)

    def write(self, request: Request, rows: abi.ArrowArrayStream) -> Any:
        """Write the rows; gives `MISSING` where the plugin has no `write`."""
        out = abi.DativoJson()
        call = self._call(request, ctypes.byref(rows), ctypes.byref(out))
        return MISSING if call is None else answer(out, call)

    def _call(self, request: Request, *arguments: Any) -> Call | None:
        call = replace(self.handle.call, verb=request.verb, stream=request.stream)
        if not self.handle.has(request.verb):
            return None
        error = abi.DativoError()
        status = self.handle(request.verb, *request.encoded, *arguments, ctypes.byref(error))
        return call if checked(status, error, call) == abi.OK else None


def checked(status: int, error: abi.DativoError, call: Call, *also: int) -> int:
    """Give the status of a call that did not fail: OK, NOT_IMPLEMENTED, or one of ``also``.

    Raises:
        DativoError: What the plugin said.
        PluginError: ``PLUGIN_BAD_ANSWER``: a status that has no meaning here.
    """
    said = taken(error)
    if status == abi.ERROR:
        raise call.failed(said)
    if status not in {abi.OK, abi.NOT_IMPLEMENTED, *also}:
        raise call.broken(f"answered with the status {status}, which has no meaning here", "PLUGIN_BAD_ANSWER")
    return status


def filled(struct: Any, call: Call) -> None:
    """Check that a plugin which said OK has filled what it was given."""
    if not struct.release:
        name = type(struct).__name__
        raise call.broken(f"answered OK and left the {name} empty: it has no release", "PLUGIN_BAD_ANSWER")


def answer(out: abi.DativoJson, call: Call) -> Any:
    """Read and release the JSON that a plugin gave.

    Raises:
        PluginError: ``PLUGIN_BAD_ANSWER``: it is none.
    """
    filled(out, call)
    try:
        if out.length > MAX_ANSWER_BYTES or (out.length and not out.data):
            raise call.broken(f"answered with {out.length:,} bytes that are no JSON", "PLUGIN_BAD_ANSWER")
        text = ctypes.string_at(out.data, out.length)
    finally:
        out.release(ctypes.byref(out))
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise call.broken(f"answered with text that is no JSON: {_why(error)}", "PLUGIN_BAD_ANSWER") from None


def _why(error: Exception) -> str:
    """Say what is wrong with a text without a word of it."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at character {error.pos + 1}"
    return "not UTF-8" if isinstance(error, UnicodeDecodeError) else "nested too deep"


class Pool:
    """Instances of one configuration: a call has one to itself, a second at the same time opens another."""

    def __init__(self, make: Callable[[], Instance]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._all: list[Instance] = []
        self._idle: list[Instance] = []
        self._closed = False

    @contextlib.contextmanager
    def instance(self) -> Iterator[Instance]:
        """Lend an instance. The one that was opened first goes first, so that one at a time is always the same one."""
        with self._lock:
            lent = self._idle.pop(0) if self._idle else None
        if lent is None:
            lent = self._open()
        try:
            yield lent
        except DativoError as error:
            lent.poisoned = error.error_code in _POISONS
            raise
        finally:
            self._back(lent)

    def _open(self) -> Instance:
        made = self._make()
        with self._lock:
            if not self._closed:
                self._all.append(made)
                return made
        made.close()
        raise made.handle.call.broken("was opened after its reader or writer was closed")

    def _back(self, lent: Instance) -> None:
        with self._lock:
            keep = not self._closed and not lent.poisoned
            if keep:
                self._idle.append(lent)
                self._idle.sort(key=self._all.index)
            elif lent in self._all:
                self._all.remove(lent)
        if not keep:
            lent.close()

    def cancel(self) -> None:
        """Ask every call that runs to fail soon; any thread may."""
        with self._lock:
            running = tuple(self._all)
        for instance in running:
            instance.handle.cancel()

    def close(self) -> None:
        """Cancel what still runs and release every instance; does nothing the second time."""
        with self._lock:
            self._closed, instances, self._all = True, self._all, []
            self._idle = []
        for instance in instances:
            instance.handle.cancel()
        with contextlib.ExitStack() as stack:  # one that does not let go keeps no other from being released
            for instance in instances:
                stack.callback(instance.close)
