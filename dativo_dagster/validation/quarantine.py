"""Rejected rows as they are kept: the row as it came, what was wrong with it, and where it was. For `enforce`."""

from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from dativo_dagster.validation.convert import is_bytes, is_text
from dativo_dagster.validation.converted import entries, flattened
from dativo_dagster.validation.typemap import is_list

if TYPE_CHECKING:
    from collections.abc import Sequence

_T = pa.types
RECORD_CORRUPT = "record_corrupt"

_BROKEN = pa.struct([("rule", pa.string()), ("column", pa.string()), ("reason", pa.string())])
QUARANTINE_SCHEMA = pa.schema(
    [
        ("record", pa.string()),  # JSON of the row, or the raw text of a record that could not be parsed
        ("rule", pa.string()),  # the first rule that the row breaks, its column and its reason
        ("column", pa.string()),
        ("reason", pa.string()),
        ("violations", pa.list_(pa.field("element", _BROKEN))),  # all of them
        ("source", pa.string()),
        ("row", pa.int64()),  # from 1, in the order that the source was read
        ("line", pa.int64()),
        ("offset", pa.int64()),
        ("run_id", pa.string()),
        ("rejected_at", pa.timestamp("us", "UTC")),
    ]
)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One rule and the rows of a batch that break it. ``rejects`` is False where `warn` keeps such rows."""

    rule: str
    column: str | None
    reason: str
    rows: pa.BooleanArray
    rejects: bool = True


def quarantined(
    batch: pa.RecordBatch,
    bad: pa.BooleanArray,
    problems: Sequence[Problem],
    *,
    source: str,
    rows: pa.Array,
    run_id: str,
) -> pa.RecordBatch:
    """Make the quarantine's rows for the ``bad`` rows of a batch, each of which has at least one problem.

    ``rows`` numbers the rows of the batch.
    """
    broken = _broken(bad, problems)
    first = broken.values.take(broken.offsets[:-1])
    count = len(broken)
    columns = {
        "record": pa.array(records(batch.filter(bad)), pa.string()),
        **{name: first.field(name) for name in ("rule", "column", "reason")},
        "violations": broken,
        "row": rows.filter(bad).cast(pa.int64()),
        "line": pa.nulls(count, pa.int64()),
        "offset": pa.nulls(count, pa.int64()),
    }
    return _finished(columns, source=source, run_id=run_id)


def corrupted(corrupt: pa.StructArray, *, source: str, rows: pa.Array, run_id: str) -> pa.RecordBatch:
    """Make the quarantine's rows for records that a reader could not parse (see `protocols.CORRUPT`)."""
    record, reason, line, offset = (pc.struct_field(corrupt, n) for n in ("record", "reason", "line", "offset"))
    count = len(corrupt)
    rule, column = pa.repeat(pa.scalar(RECORD_CORRUPT), count), pa.nulls(count, pa.string())
    broken = pa.StructArray.from_arrays([rule, column, reason.cast(pa.string())], fields=list(_BROKEN))
    columns = {
        "record": record.cast(pa.string()),
        "rule": rule,
        "column": column,
        "reason": reason.cast(pa.string()),
        "violations": pa.ListArray.from_arrays(pa.arange(0, count + 1).cast(pa.int32()), broken),
        "row": rows.cast(pa.int64()),
        "line": line.cast(pa.int64()),
        "offset": offset.cast(pa.int64()),
    }
    return _finished(columns, source=source, run_id=run_id)


def _finished(columns: dict[str, pa.Array], *, source: str, run_id: str) -> pa.RecordBatch:
    count = len(columns["row"])
    now = pa.scalar(datetime.now(timezone.utc), pa.timestamp("us", "UTC"))
    columns |= {
        "source": pa.repeat(pa.scalar(source), count),
        "run_id": pa.repeat(pa.scalar(run_id), count),
        "rejected_at": pa.repeat(now, count),
    }
    arrays = [columns[f.name].cast(f.type) for f in QUARANTINE_SCHEMA]
    return pa.RecordBatch.from_arrays(arrays, schema=QUARANTINE_SCHEMA)


def _broken(bad: pa.BooleanArray, problems: Sequence[Problem]) -> pa.ListArray:
    """Give the problems of each bad row, in the order of ``problems``."""
    hits = [pc.indices_nonzero(pc.and_(p.rows, bad)) for p in problems]
    table = pa.table(
        {
            "row": pa.concat_arrays(hits),
            "problem": pa.concat_arrays([pa.repeat(pa.scalar(i), len(h)) for i, h in enumerate(hits)]),
        }
    ).sort_by([("row", "ascending"), ("problem", "ascending")])
    texts = [{"rule": p.rule, "column": p.column, "reason": p.reason} for p in problems]
    counts = pc.value_counts(table["row"]).field("counts")
    offsets = pa.concat_arrays([pa.array([0], pa.int64()), pc.cumulative_sum(counts)])
    values = pa.array(texts, _BROKEN).take(table["problem"].combine_chunks())
    return pa.ListArray.from_arrays(offsets.cast(pa.int32()), values)


def records(batch: pa.RecordBatch) -> list[str]:
    """Give each row as JSON: exact numbers as text where JSON has none, moments in ISO 8601, bytes in base64."""
    if not batch.num_columns:
        return ["{}"] * batch.num_rows
    names, columns = batch.schema.names, [json_values(batch.column(i)) for i in range(batch.num_columns)]
    encode = json.JSONEncoder(ensure_ascii=False).encode
    return [encode(dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True)]


def json_values(array: pa.Array) -> list[Any]:
    """Give values as what JSON has; Python's own objects do not hold all of them, such as nanoseconds."""
    kind = array.type
    if _T.is_integer(kind) or _T.is_boolean(kind) or _T.is_null(kind) or is_text(kind):
        return array.to_pylist()  # type: ignore[no-any-return]
    if _T.is_floating(kind):
        return [v if v is None or math.isfinite(v) else str(v) for v in array.to_pylist()]
    if _T.is_decimal(kind) or _T.is_temporal(kind):
        return array.cast(pa.string()).to_pylist()  # type: ignore[no-any-return]
    if is_bytes(kind):
        return [v if v is None else base64.b64encode(v).decode() for v in array.to_pylist()]
    if isinstance(kind, pa.UuidType):
        return [v if v is None else str(v) for v in array.to_pylist()]
    return _nested_values(array)


def _nested_values(array: pa.Array) -> list[Any]:
    kind = array.type
    if _T.is_dictionary(kind):
        return json_values(array.dictionary_decode())
    if isinstance(kind, pa.BaseExtensionType):
        return json_values(array.storage)
    if _T.is_map(kind):
        return json_values(entries(array))
    if _T.is_struct(kind) and kind.num_fields:
        names, rows = [f.name for f in kind], zip(*map(json_values, array.flatten()), strict=True)
        return [dict(zip(names, row, strict=True)) if v else None for v, row in zip(_valid(array), rows, strict=True)]
    if is_list(kind):
        values = iter(json_values(flattened(array)))
        return [None if n is None else list(islice(values, n)) for n in pc.list_value_length(array).to_pylist()]
    return [str(v) if v.is_valid else None for v in array]


def _valid(array: pa.Array) -> list[bool]:
    return array.is_valid().to_pylist()  # type: ignore[no-any-return]
