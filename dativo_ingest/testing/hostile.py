"""A reader that does whatever a reader must not do, one fault at a time, chosen by name.

Without a fault it is an honest reader of three units. It shows that the suite sees each fault, and that a place
survives it; for the faults of native code see `rust_plugins/hostile`.
"""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dativo_ingest.exceptions import AuthenticationError, ConnectionError  # noqa: A004 - ours
from dativo_ingest.model import CheckResult, Column, Cursor, Stream, Unit, Window
from dativo_ingest.testing.hostile_batches import READ, ROWS, Batches, batch_of

UNITS = ("a", "b", "c")
BATCHES = 3
TOTAL = len(UNITS) * BATCHES * ROWS
STREAM = Stream(
    name="things",
    columns=(Column(name="id", type="int64", nullable=False), Column(name="name", type="string")),
    primary_key=("id",),
)


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
        return READ[self.fault](self, unit, honest) if self.fault in READ else honest

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


def _count_back(told: int) -> int:
    return -told


def _clock_for_cursor(_: Window) -> Any:
    return {"units": time.time()}


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
_POSITION: Mapping[str, Callable[[int], Any]] = {"position_back": _count_back, "position_text": str}
_REACHED: Mapping[str, Callable[[Window], Any]] = {"cursor_dict": _clock_for_cursor, "no_cursor": lambda _: None}

FAULTS: tuple[str, ...] = (*_CHECK, *_DISCOVER, *_SPLIT, *READ, *_POSITION, *_REACHED)
"""All faults by name."""
