"""A JSON array of objects as rows, and those as record batches: exact whatever is in it. See `native_json_batches`."""

from __future__ import annotations

import decimal
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dativo_ingest.batches import rows_batch

if TYPE_CHECKING:
    import pyarrow as pa

    from dativo_ingest.exceptions import PluginError
    from dativo_ingest.model import Stream
    from dativo_ingest.native.errors import Call


def batch_of(text: bytes, stream: Stream, call: Call) -> pa.RecordBatch:
    """Give the rows of a text.

    Raises:
        PluginError: ``PLUGIN_BAD_DATA``: the text is no array of objects, or not JSON as its standard has it.
    """
    rows = _rows(text, float, call)
    if exact := [c.name for c in stream.columns if "decimal" in c.type]:
        for row, digits in zip(rows, _rows(text, decimal.Decimal, call), strict=True):
            row.update((name, digits[name]) for name in exact if name in row)
    return rows_batch(rows, stream)


def _rows(text: bytes, fraction: Callable[[str], Any], call: Call) -> list[dict[str, Any]]:
    try:
        rows = json.loads(text.decode(), object_pairs_hook=_once, parse_constant=_refused, parse_float=fraction)
    except json.JSONDecodeError as error:
        raise _bad(call, f"is no JSON: {error.msg} at character {error.pos + 1:,} of {len(text):,}") from None
    except UnicodeDecodeError as error:
        raise _bad(call, f"is not UTF-8 at byte {error.start + 1:,}") from None
    except RecursionError:
        raise _bad(call, "is nested too deep") from None
    except ArithmeticError:
        raise _bad(call, "has a number beyond all reason") from None
    except ValueError as error:
        raise _bad(call, str(error)) from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _bad(call, "is no array of objects")
    return rows


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        message = "has an object with a name twice"
        raise ValueError(message)
    return row


def _refused(name: str) -> Any:
    message = f"has {name}, which is not JSON"
    raise ValueError(message)


def _bad(call: Call, what: str) -> PluginError:
    return call.broken(f"a text that the library gave {what}", "PLUGIN_BAD_DATA")
