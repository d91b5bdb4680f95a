"""A reader that does whatever a reader must not do, one fault at a time, chosen by name.

Without a fault it is an honest reader of three units. It shows that the suite sees each fault, and that a place
survives it; for the faults of native code see `rust_plugins/hostile`.
"""

from __future__ import annotations

import dataclasses
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

from dativo_ingest.exceptions import AuthenticationError, ConnectionError  # noqa: A004 - ours
from dativo_ingest.model import CheckResult, Column, Cursor, Stream, Unit, Window

if TYPE_CHECKING:
    import pyarrow as pa

UNITS = ("a", "b", "c")
BATCHES, ROWS = 3, 10
TOTAL = len(UNITS) * BATCHES * ROWS
HUGE_BYTES = 600_000_000
STREAM = Stream(
    name="things",
    columns=(Column(name="id", type="int64", nullable=False), Column(name="name", type="string")),
    primary_key=("id",),
)

_kept: list[Any] = []  # what the leaking faults hold on to
Batches = Iterator[Any]


class HostileReader:
    """A source of three units of thirty rows: ``id`` counts up, ``name`` is its text.

    Args:
        source_config: What a reader is opened with; its keys ``fault``, ``password`` and ``units`` are looked at.
        fault: The same, told directly.
        units: How many units the source has; new ones are new rows.
    """

    def __init__(self, source_config: Any = None, *, fault: str = "", units: int = len(UNITS)) -> None:
        told = source_config if source_config is not None else {}
        self.fault: str = told.get("fault") or fault
        self.password: str | None = told.get("password")
        self.units = int(told.get("units") or units)
        self.planned: set[str] = set()
        self.positions: dict[str, int] = {}
        self.reading: set[str] = set()
        if self.fault and self.fault not in FAULTS:
            raise ValueError(f"no fault is called {self.fault!r}; there are {', '.join(FAULTS)}")

    def check(self) -> CheckResult:
        """Answer whether the source can be reached."""
        answer = CheckResult(name="connection", passed=True, message=f"{self.units} units")
        if self.password == "wrong":  # noqa: S105 - what a test says to be refused
            refused = AuthenticationError("the source refused the password; correct it")
            answer = CheckResult.failed("connection", refused)
        return _CHECK[self.fault](self, answer) if self.fault in _CHECK else answer

    def discover(self) -> Sequence[Stream]:
        """List the one stream."""
        return _DISCOVER[self.fault](STREAM) if self.fault in _DISCOVER else [STREAM]

    def split(self, stream: Stream, since: Cursor | None) -> Window:  # noqa: ARG002 - there is only one
        """Make units of what the cursor has not seen."""
        if self.password == "wrong" and self.fault != "swallows_refusal":  # noqa: S105 - as above
            raise AuthenticationError("the source refused the password; correct it")
        seen = int(since.value["units"]) if since else 0
        names = [f"unit-{i:03}" for i in range(seen, self.units)]
        units = tuple(Unit(id=n, spec={"number": int(n[-3:])}, rows=BATCHES * ROWS) for n in names)
        self.planned |= set(names)
        after = Cursor(value={"units": self.units})
        window = Window(units=units, fingerprint=f"units-{seen}-{self.units}", before=since, after=after)
        return _SPLIT[self.fault](self, window) if self.fault in _SPLIT else window

    def read(self, stream: Stream, unit: Unit) -> Batches:  # noqa: ARG002 - there is only one
        """Yield the batches of a unit."""
        honest = self._honest(unit)
        return _READ[self.fault](self, unit, honest) if self.fault in _READ else honest

    def position(self, unit: Unit) -> int:
        """Give the bytes of a unit that were read."""
        told = self.positions.get(unit.id, 0)
        return _POSITION[self.fault](told) if self.fault in _POSITION else told

    def reached(self, window: Window) -> Cursor | None:
        """Give the cursor after a window."""
        return _REACHED[self.fault](window) if self.fault in _REACHED else window.after

    def close(self) -> None:
        """Let go of the source."""

    def _honest(self, unit: Unit) -> Batches:
        number = int(unit.spec["number"])
        self.positions[unit.id] = 0
        for start in range(number * BATCHES * ROWS, (number + 1) * BATCHES * ROWS, ROWS):
            batch = batch_of(range(start, start + ROWS))
            self.positions[unit.id] += batch.nbytes
            yield batch


def batch_of(ids: Sequence[int]) -> pa.RecordBatch:
    """Make a batch of honest rows."""
    import pyarrow as pa

    schema = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("name", pa.string())])
    return pa.record_batch([pa.array(ids, pa.int64()), pa.array(map(str, ids), pa.string())], schema=schema)


# -- what `check` may do ------------------------------------------------------------------------------------------


def _refused(code: str | None, message: str) -> Callable[[HostileReader, CheckResult], CheckResult]:
    return lambda _, __: CheckResult(name="connection", passed=False, message=message, code=code)


def _told_password(reader: HostileReader, answer: CheckResult) -> CheckResult:
    return dataclasses.replace(answer, message=f"{answer.message}: {reader.password}")


def _raise_foreign(*_: Any) -> Any:
    raise ValueError("not an error of dativo")


def _raise_lower_case(*_: Any) -> Any:
    raise ConnectionError("cannot be reached", "connection failed")


# -- what `discover` and `split` may do ---------------------------------------------------------------------------


def _twice(stream: Stream) -> list[Stream]:
    return [stream, stream]


def _unnamed_column(stream: Stream) -> list[Stream]:
    return [dataclasses.replace(stream, columns=(*stream.columns, Column(name="")))]


def _random_description(stream: Stream) -> list[Stream]:
    return [dataclasses.replace(stream, description=str(random.random()))]  # noqa: S311 - no secret


def _as_dicts(stream: Stream) -> Any:
    return [{"name": stream.name}]


def _object_in_plan(_: HostileReader, window: Window) -> Window:
    return dataclasses.replace(window, units=(Unit(id="x", spec={"opened": object()}), *window.units))


def _unit_twice(_: HostileReader, window: Window) -> Window:
    return dataclasses.replace(window, units=(*window.units, *window.units[:1]))


def _random_fingerprint(_: HostileReader, window: Window) -> Window:
    return dataclasses.replace(window, fingerprint=str(random.random()))  # noqa: S311 - no secret


def _ignore_cursor(reader: HostileReader, window: Window) -> Window:
    return window if window.before is None else dataclasses.replace(reader.split(STREAM, None), before=window.before)


def _skip_new(_: HostileReader, window: Window) -> Window:
    return window if window.before is None else dataclasses.replace(window, units=())


def _lose_unit(_: HostileReader, window: Window) -> Window:
    return dataclasses.replace(window, units=window.units[:-1])


# -- what `read` may do: each gets the honest batches -------------------------------------------------------------


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


def _count_back(told: int) -> int:
    return -told


def _clock_for_cursor(_: Window) -> Any:
    return {"units": time.time()}


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

_CHECK: Mapping[str, Callable[[HostileReader, CheckResult], Any]] = {
    "unreachable": _refused("CONNECTION_FAILED", "the source is switched off"),
    "refuses_without_code": _refused(None, "no"),
    "refuses_without_message": _refused("CONNECTION_FAILED", ""),
    "check_gives_true": lambda _, __: True,
    "check_raises_foreign": _raise_foreign,
    "check_raises_lower_case": _raise_lower_case,
    "tells_password": _told_password,
    "swallows_refusal": lambda _, answer: dataclasses.replace(answer, passed=True),
}
_DISCOVER: Mapping[str, Callable[[Stream], Any]] = {
    "stream_twice": _twice,
    "column_unnamed": _unnamed_column,
    "discovery_random": _random_description,
    "discovery_dicts": _as_dicts,
    "discovery_empty": lambda _: [],
}
_SPLIT: Mapping[str, Callable[[HostileReader, Window], Any]] = {
    "split_raises_foreign": _raise_foreign,
    "plan_not_json": _object_in_plan,
    "unit_twice": _unit_twice,
    "fingerprint_random": _random_fingerprint,
    "cursor_ignored": _ignore_cursor,
    "new_rows_skipped": _skip_new,
    "unit_lost": _lose_unit,
    "no_units": lambda _, window: dataclasses.replace(window, units=()),
}
_READ: Mapping[str, Callable[[HostileReader, Unit, Batches], Batches]] = {
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
_POSITION: Mapping[str, Callable[[int], Any]] = {"position_back": _count_back, "position_text": str}
_REACHED: Mapping[str, Callable[[Window], Any]] = {"cursor_dict": _clock_for_cursor, "no_cursor": lambda _: None}

FAULTS: tuple[str, ...] = (*_CHECK, *_DISCOVER, *_SPLIT, *_READ, *_POSITION, *_REACHED)
"""All faults by name."""
