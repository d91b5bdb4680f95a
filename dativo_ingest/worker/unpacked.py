"""How much memory the rows of a batch take once each value stands by itself.

A few bytes can say a billion rows: nulls without a buffer, one run, a short dictionary, views of one text, a union of
one value, buffers that columns share. Whoever works with rows makes them plain sooner or later, so what comes from far
away is bounded.
"""

from __future__ import annotations

import functools
from typing import Any

LARGEST_BYTES = 2 * 1024 * 1024 * 1024
"""What the rows of one batch may take: as much as one column of text can hold in Arrow."""
_LEAST = 8
"""Bytes of a value that has none of its own: what it becomes may be a number."""


def unpacked_bytes(batch: Any) -> int:
    """Give the bytes that the rows of a valid batch take; never too few, rarely too many."""
    return sum(map(_plain, batch.columns)) if batch.num_columns else _LEAST * batch.num_rows


def _plain(array: Any) -> int:
    import pyarrow as pa
    from pyarrow import types

    if isinstance(array, pa.ExtensionArray):
        return _plain(array.storage)
    if types.is_nested(array.type) or types.is_run_end_encoded(array.type):  # pyarrow 25 does not call runs nested
        return _nested(array)
    if types.is_dictionary(array.type):
        return _repeated(array.dictionary, len(array), lambda widths: widths.take(array.indices))
    if _is_view(array.type):
        return _sum(_widths(array))
    empty = types.is_null(array.type) or array.type == pa.binary(0)
    return _LEAST * len(array) if empty else int(array.nbytes)


def _nested(array: Any) -> int:
    from pyarrow import types

    kind, least = array.type, _LEAST * len(array)
    if types.is_run_end_encoded(kind):
        return _repeated(array.values, len(array), lambda widths: _times(widths, array.run_ends))
    if types.is_list_view(kind) or types.is_large_list_view(kind):
        return least + _sum(array.value_lengths()) * _widest(array.values)
    if types.is_union(kind) and kind.mode == "dense":
        return least + sum(_picked(array, at) for at in range(kind.num_fields))
    if types.is_struct(kind) or types.is_union(kind):
        return least + sum(_plain(array.field(at)) for at in range(kind.num_fields))
    return least + _plain(array.values)


def _picked(union: Any, at: int) -> int:
    """Give what the rows of a dense union take that are of one of its kinds; they may all show the same value."""
    import pyarrow.compute as pc

    if not len(union):  # one that was sent has no offsets, and pyarrow would look for them
        return 0
    places = union.offsets.filter(pc.equal(union.type_codes, union.type.type_codes[at]))
    return _repeated(union.field(at), len(places), lambda widths: widths.take(places))


def _repeated(values: Any, rows: int, repeat: Any) -> int:
    """Give what values take, each of which stands for many; they are counted one by one only where it matters."""
    most = rows * _widest(values)
    if most <= LARGEST_BYTES or _width(values) is not None or _LEAST * max(rows, len(values)) > LARGEST_BYTES:
        return most
    return _sum(repeat(_widths(values)))


def _widest(values: Any) -> int:
    """Give the bytes of the largest value."""
    import pyarrow.compute as pc

    if _LEAST * len(values) > LARGEST_BYTES:
        return _LEAST * len(values)
    each = _width(values)
    return (pc.max(_widths(values)).as_py() or 0) if each is None else each + _LEAST


def _width(values: Any) -> int | None:
    """Give the bytes of each value where all have as many; of those that are lists, all that the lists have."""
    import pyarrow as pa
    from pyarrow import types

    if isinstance(values, pa.ExtensionArray):
        return _width(values.storage)
    kind = values.type
    if _is_text(kind) or _is_view(kind) or types.is_struct(kind):
        return None
    if types.is_null(kind):
        return 0
    plain = types.is_primitive(kind) or types.is_decimal(kind) or types.is_fixed_size_binary(kind)
    return kind.bit_width // 8 if plain else _plain(values)


def _widths(values: Any) -> Any:
    """Give the bytes of each value."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import types

    if isinstance(values, pa.ExtensionArray):
        return _widths(values.storage)
    kind, each = values.type, _width(values)
    if each is not None:
        found = pa.repeat(pa.scalar(min(each, LARGEST_BYTES), pa.int64()), len(values))
    elif types.is_struct(kind):
        fields = (_widths(values.field(at)) for at in range(kind.num_fields))
        found = functools.reduce(pc.add, fields, pa.repeat(pa.scalar(0, pa.int64()), len(values)))
    elif _is_view(kind):
        heads = pa.Array.from_buffers(
            pa.int32(), 4 * len(values), [None, values.buffers()[1]], offset=4 * values.offset
        )
        lengths = pc.list_element(pa.FixedSizeListArray.from_arrays(heads, 4), 0)
        found = pc.if_else(values.is_valid(), lengths, 0)
    else:
        found = pc.fill_null(pc.binary_length(values), 0)
    return pc.add(pc.cast(found, pa.int64()), _LEAST)


def _times(widths: Any, ends: Any) -> Any:
    """Give the bytes of each run of values, by where runs end."""
    import pyarrow as pa
    import pyarrow.compute as pc

    ends = pc.cast(ends, pa.int64())
    return pc.multiply_checked(widths, pc.fill_null(pc.pairwise_diff(ends), ends[0]))


def _sum(numbers: Any) -> int:
    import pyarrow.compute as pc

    most = (pc.max(numbers).as_py() or 0) * len(numbers)
    return (pc.sum(numbers).as_py() or 0) if most < 2**63 else most


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    return bool(
        types.is_binary(kind) or types.is_string(kind) or types.is_large_binary(kind) or types.is_large_string(kind)
    )


def _is_view(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_string_view(kind) or types.is_binary_view(kind))
