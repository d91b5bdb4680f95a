"""JSON arrays of objects as record batches: by pyarrow where that is exact, else row by row. Called by the reader.

pyarrow reads objects and no arrays, so a text becomes the one field of one object: ``{"rows": [...]}``. Columns of
the stream are read as what they are. What pyarrow refuses, or would read otherwise than `json` does, takes the way of
a Python reader's rows (`dativo_ingest.batches`), and so does every text of a stream with a column that it cannot read.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from dativo_ingest.batches.wanted import Want, want
from dativo_ingest.ending import let_go
from dativo_ingest.native_json.rows import batch_of

if TYPE_CHECKING:
    import pyarrow as pa

    from dativo_ingest.model import Stream
    from dativo_ingest.native.errors import Call

THREADS = 2
_TRIES = 3  # texts that pyarrow may refuse one after the other before it is asked no more
_EXACT = 2.0**53  # below it a double is never a rounded integer
_NUMBERS_FOR_TEXT = re.compile(r"Column\(/rows/\[\]/(.*)\) changed from string to number in row")
_PLAIN = {"boolean": "bool_", "double": "float64"}
_INTEGER = re.compile(r"u?int(8|16|32|64)")
_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")


def parsed(texts: Iterable[bytes], parser: Parser) -> Iterator[pa.RecordBatch]:
    """Yield a batch for each text, in order; the next texts are fetched while threads parse these."""
    running: deque[Future[pa.RecordBatch]] = deque()
    pool = ThreadPoolExecutor(THREADS, "dativo-json")
    try:
        for text in texts:
            running.append(pool.submit(parser.parse, text))
            if len(running) > THREADS:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        let_go(pool, running)


class Parser:
    """Parses the texts of one reading; called from several threads."""

    def __init__(self, stream: Stream, call: Call) -> None:
        self.stream = stream
        self.call = call
        self.types = {c.name: _column_type(c.type) for c in stream.columns}
        self.refused = 0 if None not in self.types.values() else _TRIES
        self.numbers: set[str] = set()  # columns of text in which the library gives numbers

    def parse(self, text: bytes) -> pa.RecordBatch:
        """Give the rows of one text.

        Raises:
            PluginError: ``PLUGIN_BAD_DATA``: it is no array of objects.
        """
        batch = self._fast(text) if self.refused < _TRIES else None
        self.refused = self.refused + 1 if batch is None else 0
        return batch_of(text, self.stream, self.call) if batch is None else batch

    def _fast(self, text: bytes) -> pa.RecordBatch | None:
        """Parse with pyarrow; None when it refuses, or may have read something else than is written."""
        import pyarrow as pa

        types = {name: kind for name, kind in self.types.items() if name not in self.numbers}
        try:
            rows = _rows(text, types)
        except pa.ArrowInvalid as error:
            name = _NUMBERS_FOR_TEXT.search(str(error))
            if name is None or name[1] not in types:
                return None
            self.numbers = {*self.numbers, name[1]}
            return self._fast(text)
        if rows is None:
            return None
        moments = {f.name: pa.string() for f in rows.type if f.name not in types and pa.types.is_temporal(f.type)}
        if moments:
            self.types = {**self.types, **moments}
            return self._fast(text)
        return self._exact(rows, types)

    def _exact(self, rows: pa.StructArray, types: dict[str, Any]) -> pa.RecordBatch | None:
        """Give the columns when each is what the rows would give."""
        import pyarrow as pa

        arrays = {field.name: array for field, array in zip(rows.type, rows.flatten(), strict=True)}
        for name, array in arrays.items():
            if name in self.numbers and (pa.types.is_integer(array.type) or pa.types.is_null(array.type)):
                arrays[name] = array.cast(pa.string())
            elif name in self.numbers and not pa.types.is_string(array.type):
                return None
            if not _holds(array) or (pa.types.is_nested(array.type) and name not in types):
                return None
        return pa.RecordBatch.from_pydict(arrays)


def _rows(text: bytes, types: dict[str, Any]) -> pa.StructArray | None:
    """Give the elements of an array of objects; None when it is none."""
    import pyarrow as pa
    import pyarrow.json as pa_json

    if not _is_utf8(text):
        return None
    data = b'{"rows":' + text + b"}"
    table = pa_json.read_json(
        pa.py_buffer(data),
        read_options=pa_json.ReadOptions(use_threads=False, block_size=len(data) + 1),
        parse_options=pa_json.ParseOptions(
            explicit_schema=pa.schema({"rows": pa.list_(pa.struct(types))}), newlines_in_values=b"\n" in text
        ),
    )
    if table.column_names != ["rows"] or table.num_rows != 1 or table["rows"].null_count:
        return None  # the text closed our object and began another
    rows = table["rows"].chunk(0).values
    return None if rows.null_count or not len(rows) else rows


def _is_utf8(text: bytes) -> bool:
    """Say what pyarrow does not look at."""
    try:
        return text.isascii() or text.decode() is not None
    except UnicodeDecodeError:
        return False


def _holds(array: pa.Array) -> bool:
    """Say whether a column has only values that rows would give, too; pyarrow rounds, and makes infinity of 1e400."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = array.type
    if pa.types.is_floating(kind):
        return pc.all(pc.less(pc.abs(array), _EXACT)).as_py() is not False
    if pa.types.is_decimal(kind):
        ends = pc.min_max(array).as_py()
        return ends["max"] is None or max(abs(ends["min"]), abs(ends["max"])) < 10 ** (kind.precision - kind.scale)
    if pa.types.is_list(kind):
        return _holds(array.flatten())
    return all(_holds(part) for part in array.flatten()) if pa.types.is_struct(kind) else True


def _column_type(kind: str) -> Any:
    """Give the type as which pyarrow reads a column exactly, text where validation does; None where neither can."""
    import pyarrow as pa

    digits = _DECIMAL.fullmatch(kind)
    return pa.decimal128(int(digits[1]), int(digits[2])) if digits else _type(want(kind))


def _type(kind: Want) -> Any:
    import pyarrow as pa

    if kind.word in {"", "json", "float32", "map", "decimal"}:
        return None
    if kind.parts:
        parts = {name: _type(part) for name, part in kind.parts.items()}
        if None in parts.values():
            return None
        return pa.list_(parts["element"]) if kind.word == "list" else pa.struct(parts)
    plain = kind.word in _PLAIN or _INTEGER.fullmatch(kind.word)
    return getattr(pa, _PLAIN.get(kind.word, kind.word))() if plain else pa.string()
