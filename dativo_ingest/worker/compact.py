"""Views of text and bytes whose column keeps no more than it shows: a slice keeps all that the whole column has."""

from __future__ import annotations

from typing import Any

from dativo_ingest.worker.unpacked import LARGEST_BYTES, unpacked_bytes


def compacted(batch: Any) -> Any:
    """Give a batch whose views, also those in lists, maps and structs, keep only what they show, where that is less."""
    import pyarrow as pa

    columns = [_compact(column) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema) if columns else batch


def _compact(column: Any) -> Any:
    import pyarrow as pa

    if isinstance(column, pa.ExtensionArray):
        return pa.ExtensionArray.from_storage(column.type, _compact(column.storage))
    plain = _without_views(column.type)
    if plain == column.type:
        return column
    cut = pa.concat_arrays([column])  # what a list has behind the slice would be cast, too
    shown = unpacked_bytes(pa.record_batch([cut], ["shown"]))
    if shown >= min(cut.nbytes, LARGEST_BYTES):
        return column  # many views show the same bytes, or it is more than one column of views is cast from
    return cut.cast(plain).cast(column.type)


def _without_views(kind: Any) -> Any:
    """Give the type with plain text and bytes in the place of views."""
    import pyarrow as pa
    from pyarrow import types

    if types.is_struct(kind):
        return pa.struct([_of(field) for field in kind])
    if types.is_list(kind) or types.is_large_list(kind):
        return (pa.list_ if types.is_list(kind) else pa.large_list)(_of(kind.value_field))
    if types.is_fixed_size_list(kind):
        return pa.list_(_of(kind.value_field), kind.list_size)
    if types.is_map(kind):
        return pa.map_(_of(kind.key_field), _of(kind.item_field), kind.keys_sorted)
    if types.is_string_view(kind):
        return pa.large_string()
    return pa.large_binary() if types.is_binary_view(kind) else kind


def _of(field: Any) -> Any:
    return field.with_type(_without_views(field.type))
