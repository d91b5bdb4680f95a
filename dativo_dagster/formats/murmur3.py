"""The 32-bit murmur3 hash (x86 variant, seed 0) of whole Arrow arrays, as Iceberg buckets need it.

Written from the algorithm's public-domain description by its author, A. Appleby. `formats.partition` calls it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from typing import TypeAlias

    Words: TypeAlias = Any  # an array of uint32; numpy types the sum of two of them as Any

_C1, _C2, _ADD = np.uint32(0xCC9E2D51), np.uint32(0x1B873593), np.uint32(0xE6546B64)
_BLOCK = 4


def hash_int64(array: pa.Array) -> pa.Array:
    """Hash 64-bit integers by their eight little-endian bytes. NULL stays NULL."""
    values = array.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64).view(np.uint64)
    state = np.zeros(len(values), np.uint32)
    state = _mix(state, (values & np.uint64(0xFFFFFFFF)).astype(np.uint32))
    state = _mix(state, (values >> np.uint64(32)).astype(np.uint32))
    return _result(_finish(state, np.uint32(8)), array)


def hash_binary(array: pa.Array) -> pa.Array:
    """Hash the byte strings of a large_binary array. NULL stays NULL.

    Works through the strings four bytes at a time, all rows at once; rows drop out where they end.
    """
    filled = array.fill_null(b"")
    offsets = np.frombuffer(filled.buffers()[1], np.int64)[filled.offset : filled.offset + len(filled) + 1]
    data = np.frombuffer(filled.buffers()[2] or b"", np.uint8)
    starts, lengths = offsets[:-1], np.diff(offsets)
    state = np.zeros(len(filled), np.uint32)
    rows = np.flatnonzero(lengths >= _BLOCK)
    block = 0
    while len(rows):
        state[rows] = _mix(state[rows], _word(data, starts[rows] + block * _BLOCK, _BLOCK))
        block += 1
        rows = rows[lengths[rows] >= (block + 1) * _BLOCK]
    for left in range(1, _BLOCK):
        rows = np.flatnonzero(lengths % _BLOCK == left)
        if len(rows):
            state[rows] ^= _scramble(_word(data, starts[rows] + lengths[rows] - left, left))
    return _result(_finish(state, lengths.astype(np.uint32)), array)


def _word(data: Any, at: Any, size: int) -> Words:
    word = np.zeros(len(at), np.uint32)
    for i in range(size):
        word |= data[at + i].astype(np.uint32) << np.uint32(8 * i)
    return word


def _rotate(word: Words, bits: int) -> Words:
    return (word << np.uint32(bits)) | (word >> np.uint32(32 - bits))


def _scramble(word: Words) -> Words:
    return _rotate(word * _C1, 15) * _C2


def _mix(state: Words, word: Words) -> Words:
    return _rotate(state ^ _scramble(word), 13) * np.uint32(5) + _ADD


def _finish(state: Words, length: Any) -> Words:
    state = state ^ length
    state = (state ^ (state >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    state = (state ^ (state >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return state ^ (state >> np.uint32(16))


def _result(hashes: Words, array: pa.Array) -> pa.Array:
    missing = array.is_null().to_numpy(zero_copy_only=False)
    return pa.array(hashes.view(np.int32), mask=missing)
