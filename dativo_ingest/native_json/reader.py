"""A reader behind the older JSON ABI, and when its NULL is the end and when an error.

That ABI says NULL for both. NULL is an error when

- the library says so itself, by ``dativo_last_error``;
- nothing came before it: an empty answer is ``[]``, and ``allow_empty`` of the source allows NULL as well;
- the library printed on stderr in this call and in none before (where the process is the plugin's alone);
- a file that the job names cannot be read while another one can.

What remains is believed.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from dativo_ingest.model import CheckResult, Cursor, Stream, Unit, Window
from dativo_ingest.native.errors import Call
from dativo_ingest.native_json.batches import Parser, parsed
from dativo_ingest.statefile import PrivateState

if TYPE_CHECKING:
    import pyarrow as pa

    from dativo_ingest.native.limits import Limits
    from dativo_ingest.native_json import Made, Maker

_EMPTY: Mapping[str, Any] = {
    "connection": {},
    "credentials": {},
    "objects": [],
    "files": [],
    "incremental": {},
    "engine": {},
}


def reader_words(config: Mapping[str, Any]) -> dict[str, Any]:
    """Give the configuration that the older ABI has: these keys, never null."""
    source = config.get("source") or {}
    return {"type": source.get("type") or "custom"} | {k: source.get(k) or empty for k, empty in _EMPTY.items()}


class JsonReader:
    """A source in a library of the older ABI."""

    def __init__(self, make: Maker, extract: Any, limits: Limits, config: Mapping[str, Any]) -> None:
        source = config.get("source") or {}
        self._state = PrivateState(source["incremental"]) if source.get("incremental") else None
        options = (source.get("engine") or {}).get("options") or {}
        self._make, self._extract, self._limits = make, extract, limits
        self._files = tuple(_local(source.get("files") or ()))
        self._allow_empty = True in (source.get("allow_empty"), options.get("allow_empty"))

    def check(self) -> CheckResult:
        """Make a reader, which is all that the ABI has."""
        with self._made(self._call("check")):
            message = "the library took its configuration; its ABI has no check of the source"
        return CheckResult(name="plugin", passed=True, message=message)

    def discover(self) -> list[Stream]:
        """Give nothing: the ABI has no words for it."""
        return []

    def split(self, stream: Stream, since: Cursor | None) -> Window:  # noqa: ARG002 - of the protocol
        """Give one unit, which each run reads anew."""
        spec = self._state.since(since.value if since else None) if self._state is not None else {}
        return Window(
            units=(Unit(id="all", spec=spec),),
            fingerprint=uuid.uuid4().hex,
            before=since,
            after=since,
            whole=self._state is None,
        )

    def read(self, stream: Stream, unit: Unit) -> Iterator[pa.RecordBatch]:
        """Yield a batch for each that the library gives."""
        if self._state is not None:
            self._state.put(unit.spec)
        with self._made(self._call("read", stream.name)) as made:
            parser = Parser(stream, made.call)
            yield from self._limits.hold(parsed(self._texts(made), parser), made.call)

    def position(self, unit: Unit) -> int:  # noqa: ARG002 - of the protocol
        """Give 0: the ABI has no words for it."""
        return 0

    def reached(self, window: Window) -> Cursor | None:
        """Give the state that the library left in its file; what was planned when it keeps none."""
        left = self._state.left() if self._state is not None else None
        return window.after if left is None else Cursor(value=left)

    def close(self) -> None:
        """Let go of the state."""
        if self._state is not None:
            self._state.close()

    def _made(self, call: Call) -> AbstractContextManager[Made]:
        return self._make.made(call, **({"incremental": self._state.config} if self._state is not None else {}))

    def _call(self, verb: str, stream: str | None = None) -> Call:
        return Call(self._make.library.path, verb, stream)

    def _texts(self, made: Made) -> Iterator[bytes]:
        """Yield the library's answers up to its end.

        Raises:
            PluginError: ``PLUGIN_READ_FAILED``: NULL that is not the end; ``ENDLESS_READER``.
        """
        before, repeats, talks = b"", 0, False
        while (text := made.ask(self._extract)) is not None:
            if text.strip() == b"[]":
                return
            repeats = repeats + 1 if text == before else 0
            if repeats > self._limits.max_repeats:
                raise self._limits.over("max_repeats", made.call)
            talks = talks or bool(made.said.text)
            before = text
            yield text
        self._end(made, talks=talks, first=not before)

    def _end(self, made: Made, *, talks: bool, first: bool) -> None:
        if error := made.last_error():
            raise error
        if made.library.says_errors:
            return
        reasons = (
            (first and not self._allow_empty, "answered NULL before any row; say `allow_empty: true` if that is fine"),
            (bool(made.said.text) and not talks, "answered NULL and printed something it did not before"),
            (bool(gone := self._unreadable()), f"answered NULL, and there is no reading {', '.join(gone)}"),
        )
        for wrong, message in reasons:
            if wrong:
                raise made.call.broken(f"extract_batch {message}; {made.said.why}", "PLUGIN_READ_FAILED")

    def _unreadable(self) -> list[str]:
        """Give the files of the job that cannot be read, unless that is all of them: then they are no paths."""
        gone = [path for path in self._files if not os.access(path, os.R_OK)]
        return gone if len(gone) < len(self._files) else []


def _local(files: Any) -> Iterator[str]:
    for file in files:
        path = file.get("path") or file.get("file") if isinstance(file, Mapping) else file
        if isinstance(path, str) and "://" not in path and not set(path) & set("*?["):
            yield path
