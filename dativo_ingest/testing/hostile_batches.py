"""What a hostile reader does with its batches: each function gets the honest ones and gives worse."""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dativo_ingest.exceptions import ConnectionError  # noqa: A004 - ours

if TYPE_CHECKING:
    import pyarrow as pa

    from dativo_ingest.model import Unit
    from dativo_ingest.testing.hostile import HostileReader

Batches = Iterator[Any]
ROWS = 10
HUGE_BYTES = 600_000_000

_kept: list[Any] = []  # what the leaking faults hold on to


def batch_of(ids: Sequence[int]) -> pa.RecordBatch:
    """Make a batch of honest rows."""
    import pyarrow as pa

    schema = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("name", pa.string())])
    return pa.record_batch([pa.array(ids, pa.int64()), pa.array(map(str, ids), pa.string())], schema=schema)


def _endless(_: HostileReader, __: Unit, honest: Batches) -> Batches:
    yield from itertools.cycle(list(honest))


def _empty_forever(_: HostileReader, __: Unit, honest: Batches) -> Batches:
    yield from honest
    while True:
        yield batch_of(())


def _hang(_: HostileReader, __: Unit, honest: Batches) -> Batches:
    yield from honest
    time.sleep(3600)


def _rows_for_batches(_: HostileReader, __: Unit, honest: Batches) -> Batches:
    for batch in honest:
        yield batch.to_pylist()


def _broken_offsets(_: HostileReader, __: Unit, honest: Batches) -> Batches:
    import pyarrow as pa

    for batch in honest:
        offsets = pa.array([0, *([2**20] * (batch.num_rows - 1)), 5], pa.int32()).buffers()[1]
        names = pa.Array.from_buffers(pa.string(), batch.num_rows, [None, offsets, pa.py_buffer(b"short")])
        yield pa.record_batch([batch.column(0), names], names=["id", "name"])


def _column_twice(_: HostileReader, __: Unit, honest: Batches) -> Batches:
    import pyarrow as pa

    for batch in honest:
        yield pa.record_batch([*batch.columns, batch.column(0)], names=["id", "name", "id"])


def _huge(_: HostileReader, __: Unit, honest: Batches) -> Batches:
    import pyarrow as pa

    yield from honest
    sparse = pa.py_buffer(memoryview(bytearray(HUGE_BYTES)))
    yield pa.record_batch([pa.Array.from_buffers(pa.int64(), HUGE_BYTES // 8, [None, sparse])], names=["id"])


def _extra_column(_: HostileReader, __: Unit, honest: Batches) -> Batches:
    for batch in honest:
        yield batch.append_column("surprise", batch.column(0))


def _missing_column(_: HostileReader, __: Unit, honest: Batches) -> Batches:
    for batch in honest:
        yield batch.drop_columns(["id"])


def _text_for_numbers(_: HostileReader, __: Unit, honest: Batches) -> Batches:
    import pyarrow as pa

    for batch in honest:
        yield pa.record_batch([pa.array(["n/a"] * batch.num_rows), batch.column(1)], names=["id", "name"])


def _lose_row(_: HostileReader, __: Unit, honest: Batches) -> Batches:
    for batch in honest:
        yield batch.slice(1)


def _random_values(_: HostileReader, __: Unit, honest: Batches) -> Batches:
    import pyarrow as pa

    for batch in honest:
        noise = [str(random.random()) for _ in range(batch.num_rows)]  # noqa: S311 - no secret
        yield pa.record_batch([batch.column(0), pa.array(noise)], names=["id", "name"])


def _know_own_plan_only(reader: HostileReader, unit: Unit, honest: Batches) -> Batches:
    if unit.id in reader.planned:
        yield from honest


def _once_only(reader: HostileReader, unit: Unit, honest: Batches) -> Batches:
    if unit.id not in reader.reading:
        reader.reading.add(unit.id)
        yield from honest


def _slow_end(_: HostileReader, __: Unit, honest: Batches) -> Batches:
    try:
        yield from honest
    finally:
        time.sleep(0.3)


def _same_memory(reader: HostileReader, __: Unit, honest: Batches) -> Batches:
    import pyarrow as pa

    shared = bytearray(8 * ROWS)
    for batch in honest:
        shared[:] = memoryview(batch.column(0).buffers()[1])[: 8 * ROWS]
        ids = pa.Array.from_buffers(pa.int64(), ROWS, [None, pa.py_buffer(shared)])
        yield pa.record_batch([ids, batch.column(1)], names=["id", "name"])
    reader.close()


def _hoard(_: HostileReader, __: Unit, honest: Batches) -> Batches:
    yield from honest
    held = b"\x01" * 100_000_000
    time.sleep(0.1)
    del held


def _leak_memory(_: HostileReader, __: Unit, honest: Batches) -> Batches:
    yield from honest
    _kept.append(b"\x01" * 1_000_000)


def _leak_file(_: HostileReader, __: Unit, honest: Batches) -> Batches:
    _kept.append(Path(os.devnull).open("rb"))  # noqa: SIM115 - the fault
    yield from honest


def _leak_thread(_: HostileReader, __: Unit, honest: Batches) -> Batches:
    threading.Thread(target=_released.wait, daemon=True).start()
    yield from honest


def _leak_process(_: HostileReader, __: Unit, honest: Batches) -> Batches:
    _kept.append(subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE))
    yield from honest


def _one_at_a_time(reader: HostileReader, unit: Unit, honest: Batches) -> Batches:
    reader.reading.add(unit.id)
    for batch in honest:
        time.sleep(0.01)
        if len(reader.reading) == 1:
            yield batch
    reader.reading.discard(unit.id)


def _fail_half_way(error: type[Exception], *words: str) -> Callable[[HostileReader, Unit, Batches], Batches]:
    def read(_: HostileReader, __: Unit, honest: Batches) -> Batches:
        yield next(honest)
        raise error(*words)

    return read


def _flood(_: HostileReader, __: Unit, honest: Batches) -> Batches:
    for _unused in range(10_000):
        print("flood " * 100)  # noqa: T201 - the fault
    yield from honest


def _end_process(end: Callable[[], Any]) -> Callable[[HostileReader, Unit, Batches], Batches]:
    def read(_: HostileReader, __: Unit, honest: Batches) -> Batches:
        yield next(honest)
        end()

    return read


def _segfault() -> None:
    import ctypes

    ctypes.string_at(0)


def release() -> None:
    """Let go of what the leaking faults hold."""
    _released.set()
    for thing in _kept:
        if isinstance(thing, subprocess.Popen):
            thing.communicate(b"\n")
        elif hasattr(thing, "close"):
            thing.close()
    _kept.clear()
    globals()["_released"] = threading.Event()


_released = threading.Event()


READ: Mapping[str, Callable[[HostileReader, Unit, Batches], Batches]] = {
    "endless": _endless,
    "empty_forever": _empty_forever,
    "hangs": _hang,
    "rows_for_batches": _rows_for_batches,
    "broken_offsets": _broken_offsets,
    "column_twice": _column_twice,
    "huge_batch": _huge,
    "column_extra": _extra_column,
    "column_missing": _missing_column,
    "values_wrong": _text_for_numbers,
    "rows_lost": _lose_row,
    "rows_random": _random_values,
    "plan_forgotten": _know_own_plan_only,
    "reads_once": _once_only,
    "slow_end": _slow_end,
    "memory_reused": _same_memory,
    "memory_hoarded": _hoard,
    "memory_leaked": _leak_memory,
    "file_leaked": _leak_file,
    "thread_leaked": _leak_thread,
    "process_leaked": _leak_process,
    "one_at_a_time": _one_at_a_time,
    "read_raises": _fail_half_way(ConnectionError, "the source hung up; try again"),
    "read_raises_foreign": _fail_half_way(KeyError, "row"),
    "stdout_flooded": _flood,
    "aborts": _end_process(os.abort),
    "exits": _end_process(lambda: os._exit(7)),
    "raises_exit": _end_process(lambda: sys.exit(7)),
    "segfaults": _end_process(_segfault),
}
