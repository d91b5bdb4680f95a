"""What a plugin yields as record batches, and record batches as rows. The place in the SDK that knows pyarrow.

Arrow passes as it is. Rows become batches of about `pypieces.ROWS`, whatever the size of the pages; a row that is no
dict, or that has a value of no type, is a corrupt record, as of a file that cannot be parsed.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from dativo_ingest.batches.columns import column
from dativo_ingest.batches.pages import MOST, Pages, shown, slices
from dativo_ingest.batches.pieces import ROWS, Pieces
from dativo_ingest.batches.wanted import ANY, Want, want
from dativo_ingest.exceptions import PluginError
from dativo_ingest.protocols import CORRUPT

if TYPE_CHECKING:
    import pyarrow as pa

    from dativo_ingest.model import Stream

SECONDS = 2.0
"""Rows do not wait longer than this for a batch to be full."""
MOST_ROWS = 2 * ROWS
"""A record batch of a plugin's that has more is handed on in parts, without a copy."""


def batches_of(given: Any, stream: Stream, who: str) -> Iterator[pa.RecordBatch]:
    """Yield what `BaseReader.extract` gave, Arrow or pages of rows, as record batches.

    Args:
        given: An Arrow object, or an iterable of Arrow objects and pages.
        stream: Its columns say which values become text.
        who: What messages call the plugin.

    Raises:
        PluginError: ``PLUGIN_BAD_BATCH``, it is something else; ``PLUGIN_BAD_ROW``.
    """
    if is_arrow(given):
        yield from arrow_batches(given)
        return
    if not isinstance(given, Iterable) or isinstance(given, (str, bytes, Mapping)):
        raise _bad_batch(who, given)
    rows = _Rows(stream)
    try:
        for page in given:
            if is_arrow(page):
                yield from rows.rest()
                yield from arrow_batches(page)
            else:
                for part in _parts(page, who):
                    yield from rows.add(part)
        yield from rows.rest()
    finally:
        if hasattr(given, "close"):
            given.close()


class _Rows:
    """Rows on their way to batches."""

    def __init__(self, stream: Stream) -> None:
        self.wants = _wants(stream)
        self.pages, self.pieces = Pages(), Pieces()
        self.since: float | None = None

    def add(self, page: Sequence[Any]) -> Iterator[pa.RecordBatch]:
        """Add a page; yields what is large enough, and all there is when it has waited long enough."""
        self.pages.add(page)
        if self.pages.full:
            yield from self._piece()
        now = time.monotonic()
        self.since = self.since or now
        if now - self.since >= SECONDS:
            yield from self.rest()

    def rest(self) -> Iterator[pa.RecordBatch]:
        """Yield all there is."""
        if self.pages.rows:
            yield from self._piece()
        yield from self.pieces.rest()
        self.since = None

    def _piece(self) -> Iterator[pa.RecordBatch]:
        pages, self.pages = self.pages, Pages()
        yield from self.pieces.add(_batch(pages, self.wants))


def rows_batch(rows: Sequence[Any], stream: Stream) -> pa.RecordBatch:
    """Give rows as one record batch."""
    pages = Pages()
    pages.add(rows)
    return _batch(pages, _wants(stream))


def is_arrow(given: Any) -> bool:
    """Say whether something is Arrow data, of whatever library."""
    return hasattr(given, "__arrow_c_stream__") or hasattr(given, "__arrow_c_array__")


def arrow_batches(given: Any) -> Iterator[pa.RecordBatch]:
    """Yield Arrow data, of whatever library, as record batches; nothing is copied.

    Raises:
        PluginError: ``PLUGIN_BAD_BATCH``, it has no columns or is broken.
    """
    for batch in _imported(given):
        with _readable(given):
            batch.validate()
        for start in range(0, batch.num_rows, MOST_ROWS):
            yield batch if batch.num_rows <= MOST_ROWS else batch.slice(start, MOST_ROWS)


def _imported(given: Any) -> Iterable[pa.RecordBatch]:
    import pyarrow as pa

    if isinstance(given, pa.RecordBatch):
        return [given]
    if isinstance(given, pa.RecordBatchReader):  # by itself it raises what its Python raised
        return given  # type: ignore[no-any-return]
    with _readable(given):
        stream = hasattr(given, "__arrow_c_stream__")
        return pa.RecordBatchReader.from_stream(given) if stream else [pa.record_batch(given)]


@contextmanager
def _readable(given: Any) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError) as error:
        message = f"an object of type {type(given).__name__} cannot be read as a table of Arrow: {error}"
        raise PluginError(message, "PLUGIN_BAD_BATCH", {"type": type(given).__name__}) from error


def _parts(page: Any, who: str) -> Iterator[Sequence[Any]]:
    if isinstance(page, (list, tuple)):
        if page:
            yield from slices(page)
        return
    if not isinstance(page, Iterable) or isinstance(page, (str, bytes, Mapping)):
        raise _bad_batch(who, page)
    rows = iter(page)
    while part := list(islice(rows, MOST)):
        yield part


def _bad_batch(who: str, given: Any) -> PluginError:
    message = (
        f"{who}: extract gave an object of type {type(given).__name__} where a page of rows should be; yield lists of "
        "dicts, or Arrow objects"
    )
    return PluginError(message, "PLUGIN_BAD_BATCH", {"type": type(given).__name__})


def _wants(stream: Stream) -> Mapping[str, Want]:
    return {c.name: want(c.type) for c in stream.columns}


def _batch(pages: Pages, wants: Mapping[str, Want]) -> pa.RecordBatch:
    """Give the collected rows; a bad value takes its whole row among the corrupt ones."""
    import pyarrow as pa

    bad: dict[int, str] = {}
    arrays = {}
    for name, values in pages.columns.items():
        inner: dict[int, str] = {}
        arrays[name] = column(values, wants.get(name, ANY), inner)
        bad.update((row, f"column {name!r}: {reason}") for row, reason in inner.items() if row not in bad)
    bad.update((row, f"a row is a dict, this is of type {kind}") for row, (kind, _) in pages.corrupt.items())
    if not bad:
        return pa.RecordBatch.from_pydict(arrays) if arrays else _empty(pages.rows)
    return _with_corrupt(pages, arrays, bad)


def _with_corrupt(pages: Pages, arrays: dict[str, Any], bad: Mapping[int, str]) -> pa.RecordBatch:
    import pyarrow as pa

    records: list[dict[str, Any] | None] = [None] * pages.rows
    for row, reason in bad.items():
        there = {name: values[row] for name, values in pages.columns.items()}
        text = pages.corrupt[row][1] if row in pages.corrupt else shown(there)
        records[row] = {"record": text, "reason": reason, "line": None, "offset": None}
    kind = pa.struct([("record", pa.string()), ("reason", pa.string()), ("line", pa.int64()), ("offset", pa.int64())])
    good = pa.array([row if row not in bad else None for row in range(pages.rows)], pa.int64())
    found = {name: array.take(good) for name, array in arrays.items()}
    return pa.RecordBatch.from_pydict({**found, CORRUPT: pa.array(records, kind)})


def _empty(rows: int) -> pa.RecordBatch:
    """Give rows without any column: dicts without keys."""
    import pyarrow as pa

    return pa.RecordBatch.from_struct_array(pa.array([{}] * rows, pa.struct([])))
