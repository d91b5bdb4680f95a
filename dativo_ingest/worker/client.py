"""The host's side of a worker: a reader and a writer that behave as if the plugin were here.

Knows no place. A place lends out sessions (`Workers`); it starts processes, ends them, and says why one ended.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from dativo_ingest.exceptions import DativoError, PluginError, SandboxError
from dativo_ingest.model import CheckResult, Cursor, DataFile, PluginRef, Stream, Unit, Window
from dativo_ingest.worker.batches import from_payload, to_parts
from dativo_ingest.worker.errors import error_from_json

if TYPE_CHECKING:
    from dativo_ingest.worker.channel import Channel
    from dativo_ingest.worker.wire import Frame

Answer = TypeVar("Answer")

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
        """Send batches as fast as the worker wants them; gives its answer."""
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
        return self._value(frame)

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


class Workers(Protocol):
    """What a place has to offer."""

    def lend(self, doing: Doing) -> AbstractContextManager[Session]:
        """Lend a session on the opened plugin for one verb.

        `Gone` inside of it becomes the error that says why the worker ended; a session that is still busy afterwards
        is cancelled, and its worker ended.
        """
        ...

    def cancel(self) -> None:
        """End whatever runs, soon; nothing is lent afterwards. Any thread may."""
        ...


class _Remote:
    """What readers and writers share."""

    workers: Workers

    def cancel(self) -> None:
        """Make all that runs fail soon, and ask nothing more of the plugin; any thread may."""
        self.workers.cancel()

    def _ask(self, doing: Doing, understand: Callable[[Any], Answer], **arguments: Any) -> Answer:
        with self.workers.lend(doing) as session:
            value = session.call(doing, **arguments)
            with understood():
                return understand(value)


class RemoteReader(_Remote):
    """A reader whose plugin is in a worker. Verbs may run side by side, each in a worker of its own.

    Attributes:
        repeatable: As `protocols.Repeatable` has it.
    """

    def __init__(self, workers: Workers, *, repeatable: bool = False) -> None:
        self.workers, self.repeatable = workers, repeatable
        self.positions: dict[str, int] = {}

    def check(self) -> CheckResult:
        """Try to reach the source."""
        return self._ask(Doing(verb="check"), CheckResult.from_json)

    def discover(self) -> list[Stream]:
        """List what the source has."""
        return self._ask(Doing(verb="discover"), lambda found: [Stream.from_json(stream) for stream in found])

    def split(self, stream: Stream, since: Cursor | None) -> Window:
        """Decide what there is to read since the cursor."""
        asked = {"stream": stream.to_json(), "since": since.to_json() if since else None}
        return self._ask(Doing(verb="split", stream=stream.name), Window.from_json, **asked)

    def read(self, stream: Stream, unit: Unit) -> Iterator[Any]:
        """Yield the record batches of one unit while the plugin makes the next ones."""
        doing = Doing(verb="read", stream=stream.name, unit=unit.id)
        with self.workers.lend(doing) as session:
            for frame in session.read(doing, stream=stream.to_json(), unit=unit.to_json()):
                with understood():
                    self.positions[unit.id] = max(int(frame.header["position"]), 0)
                yield _batch(frame, session.place)

    def position(self, unit: Unit) -> int:
        """Give the bytes that had been read when the last batch left the plugin."""
        return self.positions.get(unit.id, 0)

    def reached(self, window: Window) -> Cursor | None:
        """Give the cursor that holds once the units are committed; asked of the worker that read last."""
        doing = Doing(verb="reached")
        return self._ask(doing, lambda value: Cursor.from_json(value) if value else None, window=window.to_json())


class RemoteWriter(_Remote):
    """A writer whose plugin is in a worker."""

    def __init__(self, workers: Workers, *, commits: bool, stream: str = "") -> None:
        self.workers = workers
        self.commits = commits
        self.stream = stream

    def check(self) -> CheckResult:
        """Try to reach the target."""
        return self._ask(self._doing("check"), CheckResult.from_json)

    def write(self, batches: Iterable[Any], base: str, name: str) -> list[DataFile]:
        """Write the batches; they are taken from ``batches`` as the plugin wants them."""
        doing = Doing(verb="write", stream=self.stream, unit=name)
        with self.workers.lend(doing) as session:
            files = session.write(doing, batches, base=base, name=name)
            with understood():
                return [DataFile.from_json(file) for file in files]

    def commit(self, token: str, files: Sequence[DataFile]) -> Mapping[str, Any]:
        """Make the files visible, in the worker that wrote them."""
        return self._ask(self._doing("commit"), dict, token=token, files=[file.to_json() for file in files])

    def abort(self, files: Sequence[DataFile]) -> None:
        """Remove what `write` left."""
        self._ask(self._doing("abort"), bool, files=[file.to_json() for file in files])

    def _doing(self, verb: str) -> Doing:
        return Doing(verb=verb, stream=self.stream)


@contextlib.contextmanager
def understood() -> Iterator[None]:
    """Take what a worker says for what it should be; one that says anything else may be the plugin that plays it."""
    try:
        yield
    except (AttributeError, LookupError, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise Gone(str(error)) from error


def _batch(frame: Frame, place: Place) -> Any:
    try:
        return from_payload(frame.payload, full=True)
    except ValueError as error:
        raise place.told(PluginError(f"gave a batch that is no valid Arrow: {error}", "PLUGIN_BAD_DATA")) from error


def _call(doing: Doing, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {"op": "call", "verb": doing.verb, "arguments": arguments}


def _outgoing(batches: Iterable[Any]) -> Iterator[tuple[dict[str, Any], Sequence[Any]]]:
    for batch in batches:
        for parts in to_parts(batch):
            yield {"op": "batch"}, parts
    yield {"op": "end"}, ()
