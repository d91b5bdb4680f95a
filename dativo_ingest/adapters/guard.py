"""What stands between a plugin in Python and everybody else: its own thread, and errors that say where they come from.

A plugin of the earlier system was only ever touched by one thread; one that opens a sqlite database in its constructor
relies on that. So each has a thread of its own, from its constructor to its `close`. It also lets the plugin make the
next page while the host still writes the last.
"""

from __future__ import annotations

import builtins
import contextlib
import contextvars
import logging
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from dativo_ingest.exceptions import DativoError, PluginError, SandboxError
from dativo_ingest.loader import named, own_frame

if TYPE_CHECKING:
    from dativo_ingest.model import PluginRef

T = TypeVar("T")
_Others = Callable[[], "BaseException | None"]
PATIENCE_SECONDS = 10.0
"""How long a plugin that is busy may keep its closing waiting; after that its thread is left to itself."""
LOOK_SECONDS = 0.2
"""How often who waits for a plugin looks whether it was closed meanwhile."""
AHEAD = 1
"""Batches that are made before the last one was taken."""

_PASSING = {"ConnectionError", "TimeoutError", "Timeout", "TransportError", "gaierror"}  # of socket, requests, httpx
_log = logging.getLogger(__name__)


@contextlib.contextmanager
def guarded(ref: PluginRef, verb: str, stream: str = "", others: _Others = lambda: None) -> Iterator[None]:
    """Turn what the plugin raises in ``verb`` into an error of ours that names the plugin's own line.

    Args:
        ref: The plugin.
        verb: What it is asked to do.
        stream: For which stream, where the verb does not say.
        others: Gives the error that came through the plugin and is not its own; it is raised as it is.

    Raises:
        DativoError: What the plugin raised and is an error of ours already: itself, and its message names the plugin.
        PluginError: ``PLUGIN_FAILED``; retryable when a lost connection or a timeout is the cause.
    """
    try:
        yield
    except GeneratorExit:
        raise
    except DativoError as error:
        if error is not others():
            named(error, ref, verb if not stream or " of stream " in verb else f"{verb} of stream {stream!r}")
        raise
    except MemoryError as error:
        message = f"plugin {ref}: {verb} asked for more memory than there is"
        raise SandboxError(message, "PLUGIN_OUT_OF_MEMORY", {"plugin": str(ref)}, retryable=False) from error
    except (Exception, SystemExit) as error:
        frame = own_frame(error, Path(ref.path).parent)
        message = f"plugin {ref}: {verb} failed with {type(error).__name__}: {error}" + (f" ({frame})" if frame else "")
        raise PluginError(
            message,
            "PLUGIN_FAILED",
            {"plugin": str(ref), "verb": verb, "original_error": type(error).__name__, "frame": frame},
            retryable=_passing(error),
        ) from error


def _passing(error: BaseException | None) -> bool:
    """Say whether an error, or one that it was raised from, is a lost connection or a timeout."""
    while error is not None:
        if isinstance(error, (builtins.ConnectionError, TimeoutError)):
            return True
        if any(cls.__name__ in _PASSING for cls in type(error).__mro__):
            return True
        error = error.__cause__ or error.__context__
    return False


class OneThread:
    """Runs all calls of one plugin, one at a time, in a thread of its own."""

    def __init__(self, ref: PluginRef, stream: str = "") -> None:
        self.ref, self.stream = ref, stream
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._ended = False
        self._left = threading.Event()
        self._open: list[threading.Event] = []
        self._thread = threading.Thread(target=self._run, name=f"plugin-{ref.name}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended:
            self._calls.get()()

    def call(self, verb: str, function: Callable[..., T], *arguments: Any) -> T:
        """Run ``function`` in the thread, guarded, with the caller's context variables, and wait for its result.

        Raises:
            PluginError: Whatever went wrong; ``CANCELLED``, the plugin was closed and nobody will answer.
        """
        done: Future[T] = Future()
        context = contextvars.copy_context()

        def work() -> None:
            try:
                with guarded(self.ref, verb, self.stream):
                    done.set_result(context.run(function, *arguments))
            except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
                done.set_exception(error)

        self._calls.put(work)
        while not wait([done], LOOK_SECONDS).done:
            if self._left.is_set() and not done.done():
                raise self._closed(verb)
        return done.result()

    def iterate(self, verb: str, make: Callable[[], Iterator[T]]) -> Iterator[T]:
        """Run a generator in the thread, a little ahead of who takes its items; closed there, too.

        While it is ahead as far as it may be, other calls are run between two of its items.
        """
        found: queue.Queue[Any] = queue.Queue(AHEAD)
        stopped = threading.Event()
        end = object()

        def put(item: Any) -> None:
            while not (stopped.is_set() or _put(found, item)):
                with contextlib.suppress(queue.Empty):
                    self._calls.get_nowait()()

        def work() -> None:
            try:
                with guarded(self.ref, verb, self.stream):
                    context.run(_pump, make, put, stopped)
                put((end, None))
            except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
                put((end, error))
            finally:
                self._open.remove(stopped)

        context = contextvars.copy_context()
        self._open.append(stopped)
        self._calls.put(work)
        try:
            while True:
                try:
                    item = found.get(timeout=LOOK_SECONDS)
                except queue.Empty:
                    if stopped.is_set() or self._left.is_set():
                        # An end that is not the plugin's: never taken for the end of the rows.
                        raise self._closed(verb) from None
                    continue
                if isinstance(item, tuple) and item[0] is end:
                    if item[1] is not None:
                        raise item[1]
                    return
                yield item
        finally:
            stopped.set()

    def close(self, last: Callable[[], None]) -> None:
        """Stop what is read, run ``last`` and end the thread; a plugin that hangs is left behind with a warning."""
        done = threading.Event()

        def work() -> None:
            if self._open:  # a generator of the plugin's is closed before the plugin
                self._calls.put(work)
                return
            try:
                with guarded(self.ref, "close", self.stream):
                    last()
            except DativoError:
                _log.warning("plugin %s failed while it was closed", self.ref, exc_info=True)
            finally:
                self._ended = True
                done.set()

        for stopped in list(self._open):
            stopped.set()
        self._calls.put(work)
        if not done.wait(PATIENCE_SECONDS):
            _log.warning("plugin %s is still busy %s s after it was closed; it is left", self.ref, PATIENCE_SECONDS)
        self._left.set()

    def _closed(self, verb: str) -> PluginError:
        message = f"plugin {self.ref}: it was closed before its {verb} was over"
        return PluginError(message, "CANCELLED", {"plugin": str(self.ref), "verb": verb})


def _pump(make: Callable[[], Iterator[T]], put: Callable[[T], None], stopped: threading.Event) -> None:
    items = make()
    try:
        for item in items:
            put(item)
            if stopped.is_set():
                return
    finally:
        if hasattr(items, "close"):
            items.close()


def _put(into: queue.Queue[Any], item: Any) -> bool:
    """Put an item into a queue, if there is room for it soon."""
    try:
        into.put(item, timeout=0.1)
    except queue.Full:
        return False
    return True
