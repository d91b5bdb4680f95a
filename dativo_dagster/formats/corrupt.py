"""Records that a format could not parse, in the shape in which readers hand them on (`dativo_ingest.protocols`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from dativo_ingest.protocols import CORRUPT

CORRUPT_TYPE = pa.struct(
    [("record", pa.string()), ("reason", pa.string()), ("line", pa.int64()), ("offset", pa.int64())],
)


@dataclass(frozen=True, kw_only=True)
class Corrupt:
    """One record as it stood in the file, why it is none, its line (from 1) and its byte offset in UTF-8 text."""

    record: str
    reason: str
    line: int
    offset: int


def corrupt_batch(records: Sequence[Corrupt], columns: Sequence[tuple[str, pa.DataType]]) -> pa.RecordBatch:
    """Make a batch of these records: the ordinary columns are NULL in it."""
    struct = pa.StructArray.from_arrays(
        [
            pa.array([r.record for r in records], pa.string()),
            pa.array([r.reason for r in records], pa.string()),
            pa.array([r.line for r in records], pa.int64()),
            pa.array([r.offset for r in records], pa.int64()),
        ],
        fields=list(CORRUPT_TYPE),
    )
    empty = [pa.nulls(len(records), kind) for _, kind in columns]
    return pa.RecordBatch.from_arrays([*empty, struct], names=[*(name for name, _ in columns), CORRUPT])
