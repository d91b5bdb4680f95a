"""Arrow data for tests: tables and batches of any logical types, with awkward values."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dativo_ingest.exceptions import ConfigurationError
from dativo_ingest.model import Column, Stream
from dativo_ingest.testing.awkward import array

if TYPE_CHECKING:
    import pyarrow as pa

_SIMPLE = (
    "boolean", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float32", "double", "string", "binary", "uuid", "date", "json",
)  # fmt: skip
EVERY_TYPE: Mapping[str, str] = {
    **{f"a_{word}": word for word in (*_SIMPLE, "time", "timestamp", "timestamptz")},
    "a_decimal": "decimal(38,9)",
    "a_list": "list<string>",
    "a_map": "map<string,int64>",
    "a_struct": "struct<x: int64, y: string>",
}
"""A column of every logical type, by name."""

Columns = Stream | Mapping[str, str] | None
FIELD_ID = b"PARQUET:field_id"
_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|\w+|[^\w\s])\s*', re.DOTALL)


def arrow_schema(columns: Columns = None, *, field_ids: bool = False) -> pa.Schema:
    """Give the Arrow schema of columns; ``field_ids`` numbers them, as batches for a table's files are."""
    import pyarrow as pa

    fields = [_field(c, i if field_ids else None) for i, c in enumerate(_columns(columns), start=1)]
    return pa.schema(fields)


def arrow_table(columns: Columns = None, *, rows: int = 100, field_ids: bool = False) -> pa.Table:
    """Make a table of awkward values; equal arguments give equal tables.

    Args:
        columns: A stream, or types by column name such as ``{"id": "int64"}``; one column of every type when left out.
        rows: How many.
        field_ids: Whether the fields carry ``PARQUET:field_id``.

    Raises:
        ConfigurationError: ``BAD_TYPE``, a type is none of dativo.
    """
    import pyarrow as pa

    schema = arrow_schema(columns, field_ids=field_ids)
    return pa.Table.from_arrays([array(f.type, rows, nullable=f.nullable) for f in schema], schema=schema)


def batches(
    columns: Columns = None, *, rows: int = 100, batch_rows: int = 25, field_ids: bool = False
) -> list[pa.RecordBatch]:
    """Make record batches of awkward values; one batch without a row when ``rows`` is 0. Arguments as `arrow_table`."""
    table = arrow_table(columns, rows=rows, field_ids=field_ids)
    import pyarrow as pa

    return table.to_batches(max_chunksize=batch_rows) or [pa.RecordBatch.from_pylist([], schema=table.schema)]


def arrow_type(text: str) -> pa.DataType:
    """Give the Arrow type of a logical type, such as ``decimal(12,2)`` or ``list<string>``.

    Raises:
        ConfigurationError: ``BAD_TYPE``, there is no such type.
    """
    tokens = _TOKEN.findall(text)
    try:
        found = _parsed(tokens)
    except (IndexError, TypeError, ValueError) as error:
        raise ConfigurationError(f"type {text!r} is none of dativo; see docs/jobs.md", "BAD_TYPE") from error
    if tokens:
        raise ConfigurationError(f"type {text!r}: {tokens[0]!r} is too much at the end", "BAD_TYPE")
    return found


def _columns(columns: Columns) -> Sequence[Column]:
    if isinstance(columns, Stream):
        return columns.columns
    return [Column(name=name, type=kind) for name, kind in (EVERY_TYPE if columns is None else columns).items()]


def _field(column: Column, number: int | None) -> pa.Field:
    import pyarrow as pa

    metadata = {} if number is None else {FIELD_ID: str(number).encode()}
    if column.type == "json":
        metadata[b"dativo.type"] = b"json"
    return pa.field(column.name, arrow_type(column.type), column.nullable, metadata or None)


def _parsed(tokens: list[str]) -> Any:
    """Take the tokens of one type from the front."""
    import pyarrow as pa

    word = tokens.pop(0)
    if word == "decimal":
        return pa.decimal128(*map(int, _inside(tokens, "()")))
    if word in {"time", "timestamp", "timestamptz"}:
        unit = _inside(tokens, "[]")[0] if tokens[:1] == ["["] else "us"
        if word == "time":
            return pa.time32(unit) if unit in {"s", "ms"} else pa.time64(unit)
        return pa.timestamp(unit, "UTC" if word == "timestamptz" else None)
    if word in {"list", "map", "struct"}:
        return _nested(word, tokens)
    names = {"boolean": "bool_", "double": "float64", "date": "date32", "json": "string"}
    if word not in _SIMPLE:
        raise ValueError(word)
    return getattr(pa, names.get(word, word))()


def _nested(word: str, tokens: list[str]) -> Any:
    import pyarrow as pa

    _expect(tokens, "<")
    fields: list[tuple[str, Any]] = []
    while True:
        name = ""
        if word == "struct":
            name = tokens.pop(0)
            name = json.loads(name) if name.startswith('"') else name
            _expect(tokens, ":")
        fields.append((name, _parsed(tokens)))
        if tokens[:1] != [","]:
            break
        tokens.pop(0)
    _expect(tokens, ">")
    kinds = [kind for _, kind in fields]
    if word == "list":
        (element,) = kinds
        return pa.list_(pa.field("element", element))
    if word == "map":
        key, value = kinds
        return pa.map_(pa.field("key", key, nullable=False), pa.field("value", value))
    return pa.struct([pa.field(name, kind) for name, kind in fields])


def _inside(tokens: list[str], brackets: str) -> list[str]:
    _expect(tokens, brackets[0])
    found = []
    while tokens[0] != brackets[1]:
        word = tokens.pop(0)
        if word != ",":
            found.append(word)
    tokens.pop(0)
    return found


def _expect(tokens: list[str], sign: str) -> None:
    if tokens.pop(0) != sign:
        raise ValueError(sign)
