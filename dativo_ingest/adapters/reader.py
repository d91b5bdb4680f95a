"""`plugins.BaseReader` as `protocols.Reader`: one unit, read from the beginning or from the plugin's own state.

The state that was committed last is put into a private file before the plugin is made, and what it left there becomes
the cursor, which is committed together with the rows; see `statefile`.
"""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from dativo_ingest.adapters.discovery import check_result, streams
from dativo_ingest.adapters.guard import OneThread
from dativo_ingest.batches import batches_of
from dativo_ingest.model import CheckResult, Cursor, PluginRef, Stream, Unit, Window
from dativo_ingest.statefile import PrivateState
from dativo_ingest.validator import IncrementalStateManager

if TYPE_CHECKING:
    from dativo_ingest.config import SourceConfig
    from dativo_ingest.plugins import BaseReader

A = TypeVar("A", bound="ReaderAdapter")
TAGS = "source_tags"
"""Key of the unit with the classes that the plugin gives its columns."""
UNIT = "all"


class ReaderAdapter:
    """A `BaseReader`, alive from `__enter__` to `__exit__`, in a thread of its own.

    An incremental one is made anew whenever its state is put in place: it may look at it in its constructor.
    """

    def __init__(
        self, ref: PluginRef, plugin: Callable[[SourceConfig], BaseReader], source: SourceConfig, stream: str = ""
    ) -> None:
        self.ref = ref
        self._plugin = plugin
        self._source = source
        self._made: list[BaseReader] = []
        self._state: PrivateState | None = None
        if source.incremental:
            self._state = PrivateState(source.incremental)
            source.incremental = self._state.config
        self._thread = OneThread(ref, stream)

    def __enter__(self: A) -> A:
        try:
            if self._state is None:
                self._thread.call("open", self._reader)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.close(self._close)
        if self._state is not None:
            self._state.close()

    def check(self) -> CheckResult:
        """Ask the plugin's `check_connection`."""
        result = self._thread.call("check", lambda: self._reader().check_connection())
        return check_result(self.ref, result, "connection")

    def discover(self) -> Sequence[Stream]:
        """Ask the plugin's `discover`."""
        return streams(self.ref, self._thread.call("discover", lambda: self._reader().discover()))

    def split(self, stream: Stream, since: Cursor | None) -> Window:
        """Give one unit; its fingerprint is new each time, as nobody can tell whether the source has anything new."""
        spec = self._state.since(since.value if since else None) if self._state is not None else {}
        rows = self._thread.call(f"estimate of stream {stream.name!r}", self._estimate, spec)
        if tags := self._thread.call("extract_metadata", self._tags):
            spec[TAGS] = tags
        return Window(
            units=(Unit(id=UNIT, spec=spec, rows=rows),),
            fingerprint=uuid.uuid4().hex,
            before=since,
            after=since,
            whole=self._state is None,  # without a state it cannot know what is new
        )

    def read(self, stream: Stream, unit: Unit) -> Iterator[Any]:
        """Yield what `extract` gives as record batches; it runs at most a batch ahead."""
        verb = f"read of stream {stream.name!r}"
        return self._thread.iterate(verb, lambda: batches_of(self._extract(unit), stream, f"plugin {self.ref}"))

    def position(self, unit: Unit) -> int:  # noqa: ARG002 - of the protocol
        """Give 0: rows have no bytes."""
        return 0

    def reached(self, window: Window) -> Cursor | None:
        """Give the state that the plugin left; ``window.after`` when it keeps none."""
        left = self._state.left() if self._state is not None else None
        return window.after if left is None else Cursor(value=left)

    def _reader(self) -> BaseReader:
        if not self._made:
            self._made.append(self._plugin(self._source))
        return self._made[-1]

    def _estimate(self, spec: Mapping[str, Any]) -> int | None:
        self._put_state(spec)
        rows = self._reader().get_total_records_estimate()
        return None if rows is None else int(rows)

    def _tags(self) -> dict[str, str]:
        """Ask the plugin how its columns are classified, by either of the names that such a method has."""
        reader: Any = self._reader()
        if hasattr(reader, "extract_metadata"):
            said = reader.extract_metadata() or {}
            tags = said.get("tags") or said.get("source_tags") or {}
        else:
            tags = reader.get_source_tags() if hasattr(reader, "get_source_tags") else {}
        return {str(column): str(tag) for column, tag in (tags or {}).items()}

    def _extract(self, unit: Unit) -> Any:
        self._put_state(unit.spec)
        extract = self._reader().extract
        if not _takes(extract, "state_manager"):
            return extract()
        return extract(state_manager=IncrementalStateManager() if self._state is not None else None)

    def _put_state(self, spec: Mapping[str, Any]) -> None:
        if self._state is None:
            return
        self._close()
        self._state.put(spec)

    def _close(self) -> None:
        while self._made:
            self._made.pop().close()


def _takes(function: Callable[..., Any], name: str) -> bool:
    parameters = inspect.signature(function).parameters.values()
    return any(p.name == name or p.kind is p.VAR_KEYWORD for p in parameters)
