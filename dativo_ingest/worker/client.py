"""The host's side of a worker: a session, in which it is asked for one verb after the other.

Knows no place, which starts processes, ends them, and says why one ended. `worker.remote` has the readers and writers
that behave as if the plugin were here.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from dativo_ingest.exceptions import DativoError, PluginError, SandboxError
from dativo_ingest.worker.batches import to_parts
from dativo_ingest.worker.errors import error_from_json

if TYPE_CHECKING:
    from dativo_ingest.model import PluginRef
    from dativo_ingest.worker.channel import Channel
    from dativo_ingest.worker.wire import Frame

CANCEL_SECONDS = 0.3
"""How long a plugin has to notice that nobody reads on before its process is ended."""


class Gone(Exception):  # noqa: N818 - a signal to the place, which knows why; never seen by anybody else
    """The worker ended, or garbled what it says, while something was wanted of it."""


@dataclass(frozen=True, kw_only=True)
class Doing:
    """What a worker is asked to do, for logs and errors."""

    verb: str
    stream: str = ""
    unit: str = ""

    def __str__(self) -> str:
        """Say it as in "read of stream 'orders'"."""
        return self.verb + (f" of stream {self.stream!r}" if self.stream else "")


IDLE = Doing(verb="open")


class Place(Protocol):
    """What a session tells the place that its worker runs in."""

    def hear(self, line: Mapping[str, Any]) -> None:
        """Take a record that the worker logged."""
        ...

    def told(self, error: DativoError) -> DativoError:
        """Give the error that the plugin raised as the host is to raise it."""
        ...


class Session:
    """A conversation with one worker. Used by one thread at a time.

    Attributes:
        doing: What was asked last.
        busy: Whether an answer is still to come.
        asked: When it was asked, on the monotonic clock.
        waiting: Since when the host waits for a frame; None while it does something else.
    """

    def __init__(self, channel: Channel, place: Place) -> None:
        self.channel = channel
        self.place = place
        self.doing = IDLE
        self.busy = False
        self.asked = 0.0
        self.waiting: float | None = None

    def open(self, role: str, plugin: PluginRef, config: Mapping[str, Any], **settings: Any) -> Any:
        """Open the plugin; gives what the worker says of it."""
        said = self._ask(IDLE, {"op": "open", "role": role, "plugin": plugin.to_json(), "config": config, **settings})
        with understood():
            return {**said, "commits": bool(said["commits"])}

    def call(self, doing: Doing, **arguments: Any) -> Any:
        """Ask one question and wait for its answer."""
        return self._ask(doing, _call(doing, arguments))

    def read(self, doing: Doing, **arguments: Any) -> Generator[Frame, None, Any]:
        """Yield the frames of a read as they come; gives the worker's answer."""
        self._begin(doing, _call(doing, arguments))
        while (frame := self._next()).op == "batch":
            yield frame
        return self._value(frame)

    def write(self, doing: Doing, batches: Iterable[Any], **arguments: Any) -> Any:
        """Send batches as fast as the worker wants them; gives its answer.

        Raises:
            PluginError: ``PLUGIN_LOST_ROWS``, it says that it is done and did not want every batch.
        """
        self._begin(doing, _call(doing, arguments))
        outgoing = _outgoing(batches)
        try:
            while (frame := self._next()).op == "more":
                with understood():
                    wanted = int(frame.header["batches"])
                for item in itertools.islice(outgoing, max(wanted, 0)):
                    self._send(*item)
        except Gone:
            raise
        except Exception:
            self._give_up()
            raise
        value = self._value(frame)
        if any(header["op"] == "batch" for header, _ in itertools.islice(outgoing, 1)):
            message = "write ended and had not taken all of its rows; nothing of them is committed"
            raise self.place.told(PluginError(message, "PLUGIN_LOST_ROWS"))
        return value

    def _give_up(self) -> None:
        """Tell a writer that its rows will not come, and let it clean up before the reason is raised."""
        with contextlib.suppress(Gone):
            self._send({"op": "cancel"})
            while self.busy:
                self.busy = self._next().op not in {"result", "error"}

    def cancel(self) -> None:
        """End what runs; the session stays busy when the plugin does not follow in time."""
        if not self.busy or self.channel.broken:
            return
        deadline = time.monotonic() + CANCEL_SECONDS
        try:
            self._send({"op": "cancel"})
            while self.busy and (left := deadline - time.monotonic()) > 0:
                self.channel.connection.settimeout(left)
                self.busy = self._frame().op not in {"result", "error"}
            self.channel.connection.settimeout(None)
        except Gone:
            self.busy = True

    def close(self) -> None:
        """Ask the worker to close the plugin and to end; a worker that is gone need not be asked."""
        try:
            self.channel.send({"op": "close"})
        except OSError:
            self.channel.broken = True

    def _ask(self, doing: Doing, header: Mapping[str, Any]) -> Any:
        self._begin(doing, header)
        return self._value(self._next())

    def _begin(self, doing: Doing, header: Mapping[str, Any]) -> None:
        self.doing, self.asked, self.busy = doing, time.monotonic(), True
        self._send(header)

    def _value(self, frame: Frame) -> Any:
        self.busy = False
        if frame.op == "error":
            raise self.place.told(error_from_json(frame.header.get("error")))
        return frame.header.get("value")

    def _next(self) -> Frame:
        """Wait for the next frame that is no log."""
        while (frame := self._frame()).op == "log":
            pass
        return frame

    def _frame(self) -> Frame:
        """Wait for the next frame, and hear it where it is a log."""
        self.waiting = time.monotonic()
        try:
            frame = self.channel.receive()
        except (OSError, SandboxError) as error:
            raise Gone(str(error)) from error
        finally:
            self.waiting = None
        if frame is None:
            raise Gone
        if frame.op == "log":
            with understood():
                self.place.hear(frame.header)
        return frame

    def _send(self, header: Mapping[str, Any], parts: Sequence[Any] = ()) -> None:
        try:
            self.channel.send(header, parts)
        except OSError as error:
            raise Gone(str(error)) from error


@contextlib.contextmanager
def understood() -> Iterator[None]:
    """Take what a worker says for what it should be; one that says anything else may be the plugin that plays it."""
    try:
        yield
    except (AttributeError, LookupError, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise Gone(str(error)) from error


def _call(doing: Doing, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {"op": "call", "verb": doing.verb, "arguments": arguments}


def _outgoing(batches: Iterable[Any]) -> Iterator[tuple[dict[str, Any], Sequence[Any]]]:
    for batch in batches:
        for parts in to_parts(batch):
            yield {"op": "batch"}, parts
    yield {"op": "end"}, ()
