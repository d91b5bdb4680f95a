"""Record batches as the JSON that a writer of the older ABI takes. Called by `native_json_writer`.

Moments are ISO 8601, days are midnights, as that ABI has them. Decimals and UUIDs are text with every digit. What JSON
cannot say without loss is refused: bytes, durations, NaN and infinity, and fractions below a microsecond.
"""

from __future__ import annotations

import datetime as dt
import decimal
import json
import uuid
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    import pyarrow as pa

    from dativo_ingest.native.errors import Call


def records(batches: Iterable[Any], most: int, call: Call) -> Iterator[tuple[str, int]]:
    """Yield lists of at most ``most`` records, each as JSON and with its length.

    Raises:
        ConfigurationError: ``TYPE_UNSUPPORTED``: a value that JSON does not have.
    """
    import pyarrow as pa

    for item in batches:
        batch = item if isinstance(item, pa.RecordBatch) else pa.record_batch(item)
        for start in range(0, batch.num_rows, most):
            piece = batch.slice(start, most)
            try:
                text = json.dumps(_rows(piece), default=_plain, allow_nan=False, ensure_ascii=False)
            except (ValueError, TypeError, KeyError) as error:
                message = f"{call}: the older plugin ABI has JSON for rows, which cannot say {_what(error)}"
                raise ConfigurationError(message, "TYPE_UNSUPPORTED", call.details) from None
            yield text, piece.num_rows


def _rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _in_micros(batch).to_pylist(maps_as_pydicts="strict")
    return found


def _what(error: Exception) -> str:
    """Say what was refused; the words of json and pyarrow have the value in them."""
    import pyarrow as pa

    if isinstance(error, TypeError):
        return str(error)
    if isinstance(error, KeyError):
        return "a map that has a key twice"
    return "a fraction of a microsecond" if isinstance(error, pa.ArrowInvalid) else "NaN and infinity"


def _in_micros(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Bring moments with nanoseconds, which Python has not, to microseconds; none may be lost."""
    import pyarrow as pa

    def micros(kind: pa.DataType) -> pa.DataType:
        if pa.types.is_timestamp(kind) and kind.unit == "ns":
            return pa.timestamp("us", kind.tz)
        return pa.time64("us") if pa.types.is_time64(kind) and kind.unit == "ns" else kind

    types = [micros(field.type) for field in batch.schema]
    if types == batch.schema.types:
        return batch
    arrays = [column.cast(kind) for column, kind in zip(batch.columns, types, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def _plain(value: Any) -> str:
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if isinstance(value, dt.date):
        return dt.datetime(value.year, value.month, value.day).isoformat()  # noqa: DTZ001 - a day has no zone
    if isinstance(value, (dt.time, decimal.Decimal, uuid.UUID)):
        return str(value)
    message = f"a value of {type(value).__name__}"
    raise TypeError(message)
