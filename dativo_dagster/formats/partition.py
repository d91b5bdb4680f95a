"""Partition transforms over Arrow arrays, and batches cut by partition. Tables call it; no Python runs per row.

The transforms are those of the Iceberg table specification, "Partition Transforms", with its bucket hash
(32-bit murmur3) in Appendix B.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

import pyarrow as pa
import pyarrow.compute as pc

from dativo_dagster.formats.murmur3 import hash_binary, hash_int64
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from dativo_dagster.config.job import Partition

INGEST_DATE = "ingest_date"
NULL_PATH = "__HIVE_DEFAULT_PARTITION__"
_GRAMMAR = re.compile(r"(identity|year|month|day|hour|bucket|truncate)(?:\[(\d+)\])?")
_EPOCH = date(1970, 1, 1)
_EXACT = Context(prec=40)  # the usual context rounds to 28 digits, and a decimal has up to 38
_INGEST_FIELD = pa.field(INGEST_DATE, pa.date32())


@dataclass(frozen=True)
class Transform:
    """A transform by its name and, for bucket and truncate, its width."""

    kind: str
    width: int = 0

    @classmethod
    def parse(cls, text: str) -> Transform:
        """Read a transform such as ``day`` or ``bucket[16]``.

        Raises:
            ConfigurationError: ``BAD_TRANSFORM``.
        """
        match = _GRAMMAR.fullmatch(text.strip().lower())
        if match is None or (match[1] in {"bucket", "truncate"}) != (int(match[2] or 0) > 0):
            raise ConfigurationError(
                f"partition transform {text!r} is none of identity, year, month, day, hour, bucket[n], truncate[n]",
                "BAD_TRANSFORM",
                {"transform": text},
            )
        return cls(match[1], int(match[2] or 0))

    def __str__(self) -> str:
        return f"{self.kind}[{self.width}]" if self.width else self.kind

    def accepts(self, kind: pa.DataType) -> bool:
        """Say whether the specification has this transform for a type."""
        return any(test(kind) for test in _SOURCES[self.kind])

    def apply(self, array: pa.Array) -> pa.Array:
        """Transform a column; NULL stays NULL. Times become whole units since 1970-01-01T00:00 (UTC)."""
        plain = array.storage if isinstance(array.type, pa.BaseExtensionType) else array
        if self.kind == "bucket":
            return _bucket(plain, self.width)
        if self.kind == "truncate":
            return _truncate(plain, self.width)
        return _PLAIN[self.kind](plain)

    def text(self, value: Any) -> str | None:
        """Give a partition value as people and paths write it: ``2026-01`` for a month."""
        if value is None:
            return None
        if self.kind in _TEXTS:
            return _TEXTS[self.kind](value)
        return _plain_text(value)


def check(partitioning: Sequence[Partition], schema: pa.Schema) -> None:
    """Refuse partition fields that the schema cannot have.

    Raises:
        ConfigurationError: ``BAD_PARTITION``: no such column, a transform that its type does not have, or a name twice.
    """
    seen: set[str] = set()
    for field in partitioning:
        at = schema.get_field_index(field.column)
        if at < 0:
            why = f"there is no such column; columns are {', '.join(schema.names)}"
        elif not Transform.parse(field.transform).accepts(schema.field(at).type):
            why = f"{field.transform} does not take {schema.field(at).type}"
        elif field.name in seen:
            why = "the same partition field twice"
        else:
            seen.add(field.name)
            continue
        raise ConfigurationError(f"partitioning by {field.column!r}: {why}", "BAD_PARTITION", {"column": field.column})


def virtual(partitioning: Sequence[Partition], columns: Sequence[str]) -> bool:
    """Say whether a table with these columns is partitioned by an ``ingest_date`` that only the run knows."""
    return INGEST_DATE not in columns and any(p.column == INGEST_DATE for p in partitioning)


def dated(batch: pa.RecordBatch, run_date: date) -> pa.RecordBatch:
    """Add the virtual ``ingest_date`` to a batch."""
    return batch.append_column(_INGEST_FIELD, pa.repeat(pa.scalar(run_date, pa.date32()), batch.num_rows))


def dated_schema(schema: pa.Schema) -> pa.Schema:
    """Add the virtual ``ingest_date`` to a schema."""
    return schema.append(_INGEST_FIELD)


def split(batch: pa.RecordBatch, partitioning: Sequence[Partition]) -> Iterator[tuple[tuple[Any, ...], pa.RecordBatch]]:
    """Cut a batch into one part a partition; rows of a partition keep their order.

    Yields:
        The partition's values in the order of ``partitioning``, and its rows.
    """
    if batch.num_rows == 0:
        return
    if not partitioning:
        yield (), batch
        return
    columns = [Transform.parse(p.transform).apply(batch.column(p.column)) for p in partitioning]
    codes = _codes(columns, batch.num_rows)
    order = pc.sort_indices(codes)
    ends = pc.run_end_encode(codes.take(order)).run_ends.to_pylist()
    start = 0
    for end in ends:
        first = order[start].as_py()
        # Each part is a copy: a slice would keep the whole batch in memory for as long as its few rows wait.
        rows = batch if len(ends) == 1 else batch.take(order.slice(start, end - start))
        yield tuple(column[first].as_py() for column in columns), rows
        start = end


def texts(partitioning: Sequence[Partition], values: Sequence[Any]) -> dict[str, str | None]:
    """Give the values of a partition as text, by the names of its fields."""
    return {p.name: Transform.parse(p.transform).text(v) for p, v in zip(partitioning, values, strict=True)}


def folder(partitioning: Sequence[Partition], values: Sequence[Any]) -> str:
    """Give the folder of a partition, ``country=DE/day=2026-01-05/``, as Hive names it; empty without partitioning."""
    return "".join(
        f"{quote_plus(name)}={NULL_PATH if text is None else quote_plus(text)}/"
        for name, text in texts(partitioning, values).items()
    )


def _codes(columns: Sequence[pa.Array], rows: int) -> pa.Array:
    """Number the distinct combinations of values; every step numbers anew, so that the product cannot overflow."""
    codes = pa.repeat(pa.scalar(0, pa.int64()), rows)
    for column in columns:
        encoded = pc.dictionary_encode(column, null_encoding="encode")
        codes = pc.add(pc.multiply(codes, len(encoded.dictionary)), encoded.indices.cast(pa.int64()))
        codes = pc.dictionary_encode(codes).indices.cast(pa.int64())
    return codes


def _year(array: pa.Array) -> pa.Array:
    return pc.subtract(pc.year(array), 1970).cast(pa.int32())


def _month(array: pa.Array) -> pa.Array:
    months = pc.add(pc.multiply(pc.subtract(pc.year(array), 1970), 12), pc.month(array))
    return pc.subtract(months, 1).cast(pa.int32())


def _day(array: pa.Array) -> pa.Array:
    if pa.types.is_date32(array.type):
        return array.cast(pa.int32())
    return pc.floor_temporal(array, unit="day").cast(pa.date32()).cast(pa.int32())


def _hour(array: pa.Array) -> pa.Array:
    seconds = pc.floor_temporal(array, unit="hour").cast(pa.timestamp("s", array.type.tz)).cast(pa.int64())
    return pc.divide(seconds, 3600).cast(pa.int32())


def _bucket(array: pa.Array, buckets: int) -> pa.Array:
    kind = array.type
    if pa.types.is_decimal(kind):
        hashes = hash_binary(_per_distinct(array, lambda v: _int_bytes(_unscaled(v, kind.scale)), pa.large_binary()))
    elif pa.types.is_fixed_size_binary(kind):
        hashes = hash_binary(array.cast(pa.binary()).cast(pa.large_binary()))
    elif any(test(kind) for test in _TEXT):
        hashes = hash_binary(array.cast(pa.large_binary()))
    else:
        hashes = hash_int64(_as_int64(array))
    positive = pc.bit_wise_and(hashes, 0x7FFFFFFF)
    return pc.subtract(positive, pc.multiply(pc.divide(positive, buckets), buckets)).cast(pa.int32())


def _as_int64(array: pa.Array) -> pa.Array:
    """Give whole numbers, days, or microseconds, as the specification hashes them."""
    kind = array.type
    if pa.types.is_timestamp(kind):
        return pc.floor_temporal(array, unit="microsecond").cast(pa.timestamp("us", kind.tz)).cast(pa.int64())
    if pa.types.is_time(kind):
        return array.cast(pa.time64("us")).cast(pa.int64())
    if pa.types.is_date32(kind):
        return array.cast(pa.int32()).cast(pa.int64())
    return array.cast(pa.int64())


def _int_bytes(number: int) -> bytes:
    return number.to_bytes((number + (number < 0)).bit_length() // 8 + 1, "big", signed=True)


def _truncate(array: pa.Array, width: int) -> pa.Array:
    kind = array.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return pc.utf8_slice_codeunits(array, 0, width)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return pc.binary_slice(array, 0, width)
    if pa.types.is_decimal(kind):
        return _per_distinct(array, lambda v: _floor(v, width, kind.scale), kind)
    rest = pc.subtract(array, pc.multiply(pc.divide(array, width), width))
    floor = pc.subtract(array, pc.if_else(pc.less(rest, 0), pc.add(rest, width), rest))
    return floor.cast(kind, safe=False)  # below the least number of a type it wraps, as Iceberg's own transform does


def _floor(number: Decimal, width: int, scale: int) -> Decimal:
    unscaled = _unscaled(number, scale)
    return Decimal(unscaled - unscaled % width).scaleb(-scale, _EXACT)


def _unscaled(number: Decimal, scale: int) -> int:
    return int(number.scaleb(scale, _EXACT))


def _per_distinct(array: pa.Array, function: Callable[[Any], Any], kind: pa.DataType) -> pa.Array:
    encoded = pc.dictionary_encode(array)
    values = pa.array([function(v) for v in encoded.dictionary.to_pylist()], kind)
    return values.take(encoded.indices)


def _plain_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


_PLAIN: dict[str, Callable[[pa.Array], pa.Array]] = {
    "identity": lambda array: array,
    "year": _year,
    "month": _month,
    "day": _day,
    "hour": _hour,
}
_TEXTS: dict[str, Callable[[int], str]] = {
    "year": lambda n: f"{1970 + n:04d}",
    "month": lambda n: f"{1970 + n // 12:04d}-{n % 12 + 1:02d}",
    "day": lambda n: (_EPOCH + timedelta(days=n)).isoformat(),
    "hour": lambda n: (datetime.fromtimestamp(0, timezone.utc) + timedelta(hours=n)).strftime("%Y-%m-%d-%H"),
}
_Tests = tuple[Callable[[pa.DataType], bool], ...]
_WHOLE: _Tests = (pa.types.is_integer, pa.types.is_decimal)
_TEXT: _Tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
_TIMES: _Tests = (pa.types.is_date32, pa.types.is_timestamp)
_UUID: _Tests = (lambda kind: kind == pa.uuid(), pa.types.is_fixed_size_binary)
_SOURCES: dict[str, _Tests] = {
    "identity": (lambda kind: not pa.types.is_nested(kind),),
    "year": _TIMES,
    "month": _TIMES,
    "day": _TIMES,
    "hour": (pa.types.is_timestamp,),
    "bucket": (*_WHOLE, *_TEXT, *_TIMES, *_UUID, pa.types.is_time),
    "truncate": (*_WHOLE, *_TEXT),
}
