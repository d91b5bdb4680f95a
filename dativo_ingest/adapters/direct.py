"""A class that fits `protocols.Reader` or `protocols.WriterPlugin` by itself: used as it is, its errors told well."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from dativo_ingest.adapters.guard import guarded
from dativo_ingest.ending import closed_after
from dativo_ingest.exceptions import PluginError

if TYPE_CHECKING:
    from dativo_ingest.config import AssetDefinition, SourceConfig, TargetConfig
    from dativo_ingest.model import CheckResult, Cursor, DataFile, PluginRef, Stream, Unit, Window


class _Guarded:
    """Opens and closes."""

    def __init__(self, ref: PluginRef, plugin: type[Any], *given: Any, stream: str = "") -> None:
        self.ref, self.stream = ref, stream
        with guarded(ref, "open", stream):
            self.plugin: Any = plugin(*given)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        if callable(close := getattr(self.plugin, "close", None)):
            with guarded(self.ref, "close", self.stream):
                close()

    def check(self) -> CheckResult:
        """Ask the plugin."""
        with guarded(self.ref, "check", self.stream):
            result: CheckResult = self.plugin.check()
            return result


class GuardedReader(_Guarded):
    """A reader, called by as many threads as there are units.

    Attributes:
        repeatable: As `protocols.Repeatable` has it.
        rest: As `protocols.Resumable` has it; None where the plugin has no such method.
    """

    def __init__(self, ref: PluginRef, plugin: type[Any], source: SourceConfig, stream: str = "") -> None:
        super().__init__(ref, plugin, source, stream=stream)
        self.repeatable = getattr(self.plugin, "repeatable", False) is True
        self.rest = self._rest if callable(getattr(self.plugin, "rest", None)) else None
        self._between: set[str] = set()

    def discover(self) -> Sequence[Stream]:
        """Ask the plugin."""
        with guarded(self.ref, "discover", self.stream):
            return list(self.plugin.discover())

    def split(self, stream: Stream, since: Cursor | None) -> Window:
        """Ask the plugin."""
        with guarded(self.ref, "split", self.stream):
            window: Window = self.plugin.split(stream, since)
            return window

    def read(self, stream: Stream, unit: Unit) -> Iterator[Any]:
        """Yield the plugin's batches, whatever Arrow objects they are."""
        from dativo_ingest.batches import arrow_batches

        with (
            guarded(self.ref, f"read of stream {stream.name!r}"),
            closed_after(self.plugin.read(stream, unit)) as given,
        ):
            for item in given:
                batches = arrow_batches(item)
                yield from batches if self.rest is None else self._whole(batches, unit)

    def _whole(self, batches: Iterator[Any], unit: Unit) -> Iterator[Any]:
        """Yield the batches of one thing that the plugin gave, and know which is its last."""
        self._between.discard(unit.id)
        ahead = next(batches, None)
        while ahead is not None:
            batch, ahead = ahead, next(batches, None)
            if ahead is None:
                self._between.add(unit.id)
            yield batch

    def _rest(self, unit: Unit) -> Unit | None:
        """Ask the plugin, but not in the middle of what it gave: it does not know how far that was taken."""
        if unit.id not in self._between:
            return None
        with guarded(self.ref, "rest", self.stream):
            rest: Unit | None = self.plugin.rest(unit)
            return rest

    def position(self, unit: Unit) -> int:
        """Ask the plugin."""
        with guarded(self.ref, "position", self.stream):
            return int(self.plugin.position(unit))

    def reached(self, window: Window) -> Cursor | None:
        """Ask the plugin."""
        with guarded(self.ref, "reached", self.stream):
            cursor: Cursor | None = self.plugin.reached(window)
            return cursor


class GuardedWriter(_Guarded):
    """A writer, called by as many threads as there are units."""

    def __init__(
        self, ref: PluginRef, plugin: type[Any], given: tuple[AssetDefinition, TargetConfig, str], stream: str = ""
    ) -> None:
        super().__init__(ref, plugin, *given, stream=stream)
        self.commits = bool(getattr(self.plugin, "commits", True))

    def write(self, batches: Iterable[Any], base: str, name: str) -> list[DataFile]:
        """Ask the plugin; an error of whoever makes the batches comes back as it was.

        Raises:
            PluginError: ``PLUGIN_LOST_ROWS``, it says that it is done and did not take every row.
        """
        rows = _Rows(batches)
        try:
            with guarded(self.ref, "write", self.stream, lambda: rows.failed):
                files = list(self.plugin.write(rows, base, name))
        except Exception as error:
            if rows.failed is None:
                raise
            raise rows.failed from error
        wrong = rows.failed or self._left(rows)
        if wrong is not None:
            with suppress(PluginError):  # what is wrong with the rows matters more
                self.abort(files)
            raise wrong
        return files

    def _left(self, rows: _Rows) -> PluginError | None:
        if not any(batch.num_rows for batch in rows):
            return None
        message = f"plugin {self.ref}: write ended and had not taken all of its rows; nothing of them is committed"
        return PluginError(message, "PLUGIN_LOST_ROWS", {"plugin": str(self.ref)})

    def commit(self, token: str, files: Sequence[DataFile]) -> Mapping[str, Any]:
        """Ask the plugin."""
        with guarded(self.ref, "commit", self.stream):
            return dict(self.plugin.commit(token, files) or {})

    def abort(self, files: Sequence[DataFile]) -> None:
        """Ask the plugin."""
        with guarded(self.ref, "abort", self.stream):
            self.plugin.abort(files)


class _Rows:
    """Batches on their way into a plugin, which may hide what went wrong on our side, or not take them all."""

    def __init__(self, batches: Iterable[Any]) -> None:
        self.failed: BaseException | None = None
        self._source = iter(batches)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return next(self._source)
        except StopIteration:
            raise
        except BaseException as error:
            self.failed = error
            raise
