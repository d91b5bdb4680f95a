"""A reader and a writer that behave as if the plugin were here; it is in a worker.

Knows no place. A place lends out sessions (`Workers`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from dativo_ingest.exceptions import ConfigurationError, PluginError
from dativo_ingest.model import CheckResult, Cursor, DataFile, Stream, Unit, Window
from dativo_ingest.worker.batches import from_payload
from dativo_ingest.worker.client import Doing, Session, understood

if TYPE_CHECKING:
    from dativo_ingest.worker.client import Place
    from dativo_ingest.worker.wire import Frame

Answer = TypeVar("Answer")
_REACHED = Doing(verb="reached")
_DIFFERING = (
    "a plugin says another cursor in each of the workers that read for it, as each knows only what it read itself; "
    "freeze the cursor in `split` as `after`, make it one unit, or give the job `parallelism: 1`"
)


class Workers(Protocol):
    """What a place has to offer.

    Attributes:
        said: What the worker told of the plugin when it was opened.
        stream: What the plugin was opened for.
    """

    said: Mapping[str, Any]
    stream: str

    def lend(self, doing: Doing) -> AbstractContextManager[Session]:
        """Lend a session on the opened plugin for one verb.

        `Gone` inside of it becomes the error that says why the worker ended; a session that is still busy afterwards
        is cancelled, and its worker ended.
        """
        ...

    def idle(self) -> int:
        """Count the sessions that are opened and that nobody was lent."""
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

    def __init__(self, workers: Workers) -> None:
        self.workers, self.repeatable = workers, workers.said.get("repeatable") is True
        self.positions: dict[str, int] = {}
        self._read: set[Session] = set()

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
            self._read.add(session)
            for frame in session.read(doing, stream=stream.to_json(), unit=unit.to_json()):
                with understood():
                    self.positions[unit.id] = max(int(frame.header["position"]), 0)
                yield _batch(frame, session.place)

    def position(self, unit: Unit) -> int:
        """Give the bytes that had been read when the last batch left the plugin."""
        return self.positions.get(unit.id, 0)

    def reached(self, window: Window) -> Cursor | None:
        """Give the cursor that holds once the units are committed, as every worker says that read some of them.

        Raises:
            ConfigurationError: ``PLACE_UNSUPPORTED``: they say different things, since none knows of all units.
        """
        told = self._told(window) or [self._ask(_REACHED, _cursor, window=window.to_json())]
        if any(cursor != told[0] for cursor in told):
            raise ConfigurationError(_DIFFERING, "PLACE_UNSUPPORTED")
        return told[0]

    def _told(self, window: Window) -> list[Cursor | None]:
        """Ask all workers that read, each while the ones before it are lent still."""
        with self.workers.lend(_REACHED) as session:
            told = self._told(window) if self.workers.idle() else []
            if session in self._read:
                value = session.call(_REACHED, window=window.to_json())
                with understood():
                    told.append(_cursor(value))
            return told


class RemoteWriter(_Remote):
    """A writer whose plugin is in a worker."""

    def __init__(self, workers: Workers, *, commits: bool) -> None:
        self.workers, self.commits = workers, commits

    def check(self) -> CheckResult:
        """Try to reach the target."""
        return self._ask(self._doing("check"), CheckResult.from_json)

    def write(self, batches: Iterable[Any], base: str, name: str) -> list[DataFile]:
        """Write the batches; they are taken from ``batches`` as the plugin wants them."""
        doing = self._doing("write", name)
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

    def _doing(self, verb: str, unit: str = "") -> Doing:
        return Doing(verb=verb, stream=self.workers.stream, unit=unit)


def _batch(frame: Frame, place: Place) -> Any:
    try:
        return from_payload(frame.payload, full=True)
    except ValueError as error:
        raise place.told(PluginError(f"gave a batch that cannot be taken: {error}", "PLUGIN_BAD_DATA")) from error


def _cursor(value: Any) -> Cursor | None:
    return Cursor.from_json(value) if value else None
