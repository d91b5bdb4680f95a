"""A JSON array of objects as a record batch, value by value: exact whatever is in it. See `native_json_batches`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from dativo_ingest.native_errors import Call


def rows_batch(text: bytes, columns: Mapping[str, str], call: Call) -> pa.RecordBatch:
    """Give the rows of a text."""
    import pyarrow as pa

    return pa.RecordBatch.from_pylist(json.loads(text))
