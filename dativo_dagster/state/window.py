"""Which rows of a database lie in a window. Pure: `connectors.sql` asks the server, this decides.

A window has a lower end where the last one stopped and an upper end that is frozen when it is planned, so that
windows one after another give each row once. What its ends mean depends on the kind of the cursor:

=================== ============= =====================================================================================
kind                rows          upper end
=================== ============= =====================================================================================
timestamptz         [lo, hi)      the server's clock less `safe_lag`, in the digits that the column keeps
timestamp           [lo, hi)      what a clock in the source's zone shows then; see `wall`
date                [lo, hi)      that day, which is not over yet: its rows wait for the next day
integer             [lo, hi)      the highest value there is, plus one
numeric, text       (lo, hi]      the highest value there is: nothing comes next after such a value, so its rows belong
                                  to this window and a row that comes later must be greater
=================== ============= =====================================================================================

Values are text, at the precision that the source has them: a float or a rounded time never stands in between.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

from dativo_ingest.exceptions import ConfigurationError
from dativo_ingest.model import Cursor, Value

Kind = Literal["timestamptz", "timestamp", "date", "integer", "numeric", "text"]
MOMENTS: frozenset[Kind] = frozenset({"timestamptz", "timestamp", "date"})
HALF_OPEN: frozenset[Kind] = frozenset({*MOMENTS, "integer"})
_QUARTER = timedelta(minutes=15)
_LONGEST_SHIFT = 12  # quarters of an hour that a clock was ever put back by


@dataclass(frozen=True, kw_only=True)
class Span(Value):
    """Rows whose ``column`` lies between two ends; an end that is None is open.

    ``nulls`` are read too when it is True. ``values`` are all that counts, if there are some.
    """

    column: str
    kind: str
    lower: str | None = None
    upper: str | None = None
    after_lower: bool = False
    with_upper: bool = False
    nulls: bool = False
    values: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Name the span by all that it says."""
        return digest(self.dumps())


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How windows over one cursor column are cut: `Incremental`, and what its column is.

    ``zone`` is where the clocks of a timestamp without a zone stand, and whose days a date counts. ``places`` is how
    many digits of a second the column keeps.
    """

    column: str
    kind: Kind
    zone: str = "UTC"
    lookback: float = 0.0
    safe_lag: float = 0.0
    start: str | None = None
    nulls: bool = False
    places: int = 6


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A window: the rows of it, None when there can be none, and the cursor that holds once they are committed.

    ``fingerprint`` tells where the window starts, not where it ends: of two runs that start at one place only one
    commits, whenever each of them looked at the clock.
    """

    span: Span | None
    after: Cursor | None
    fingerprint: str


def plan(rule: Rule, since: Cursor | None, *, now: datetime, highest: str | None = None) -> Planned:
    """Decide on the next window.

    Args:
        rule: How windows are cut.
        since: Where the last one stopped.
        now: The server's clock.
        highest: The highest value of the column, of kinds that are no moments; None when there is none.

    Raises:
        ConfigurationError: ``CURSOR_UNUSABLE``: the cursor is another column's or no value of this kind, or an option
            has no meaning for it.
    """
    _agree(rule)
    reached = position(rule, since)
    start = reached if reached is not None else _start(rule)
    found = upper_end(rule, now=now, highest=highest)
    upper = found if reached is None else _later(rule.kind, reached, found)
    after = None if upper is None else cursor(rule, upper)
    lower = _looking_back(rule, reached) if reached is not None else start
    half_open = rule.kind in HALF_OPEN
    span = Span(
        column=rule.column,
        kind=rule.kind,
        lower=lower,
        upper=upper,
        # the value that `start` names is wanted, the one that the last window ended with is not
        after_lower=not half_open and reached is not None and not rule.lookback,
        with_upper=not half_open,
        nulls=rule.nulls,
    )
    name = digest("\0".join([rule.column, rule.kind, "from" if reached is None else "at", str(start)]))
    return Planned(span=None if _empty(span) else span, after=after, fingerprint=name)


def digest(text: str) -> str:
    """Give a short name of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def upper_end(rule: Rule, *, now: datetime, highest: str | None) -> str | None:
    """Give where a window ends that is planned now; None when a column has no value yet.

    It never ends within the last digit of a column's times: a row that is written later may still get the same time.
    """
    moment = now - timedelta(seconds=rule.safe_lag)
    moment -= timedelta(microseconds=moment.microsecond % 10 ** (6 - rule.places))
    if rule.kind == "timestamptz":
        return _text(moment.astimezone(timezone.utc))
    if rule.kind == "timestamp":
        return _text(wall(moment, rule.zone))
    if rule.kind == "date":
        return wall(moment, rule.zone).date().isoformat()
    if highest is None:
        return None
    return str(int(highest) + 1) if rule.kind == "integer" else highest


def wall(moment: datetime, zone: str) -> datetime:
    """Give the earliest that clocks in ``zone`` show at ``moment`` or ever after.

    It is what they show, but in the hour before they are put back: what is written after that has an earlier time.
    """
    there = ZoneInfo(zone)
    start = moment.astimezone(timezone.utc)
    quarter = start - (start - datetime(2000, 1, 1, tzinfo=timezone.utc)) % _QUARTER
    later = [quarter + n * _QUARTER for n in range(1, _LONGEST_SHIFT + 1)]
    return min(each.astimezone(there).replace(tzinfo=None) for each in [start, *later])


def position(rule: Rule, since: Cursor | None) -> str | None:
    """Read a cursor; one of another kind counts where it says the same without loss.

    Raises:
        ConfigurationError: ``CURSOR_UNUSABLE``.
    """
    if since is None:
        return None
    column, value = since.value.get("column"), since.value.get("value")
    if column != rule.column:
        raise _unusable(f"it counts the column {column!r} and the job {rule.column!r}")
    try:
        return normal(rule.kind, value, rule.zone)
    except ValueError as error:
        raise _unusable(f"column {rule.column!r} is of the kind {rule.kind}: {error}") from None


def cursor(rule: Rule, value: str) -> Cursor:
    """Make the cursor of a place."""
    return Cursor(value={"column": rule.column, "value": value, "type": rule.kind})


def resumed(rule: Rule, highest: Any) -> Cursor:
    """Give the cursor just behind the highest value that a table has: windows never split the rows of one value.

    Raises:
        ConfigurationError: ``CURSOR_UNUSABLE``.
    """
    try:
        value = normal(rule.kind, highest, rule.zone)
    except ValueError as error:
        raise _unusable(f"column {rule.column!r} is of the kind {rule.kind}: {error}") from None
    steps: dict[str, Any] = {"integer": 1, "date": timedelta(days=1), "numeric": 0}
    if rule.kind == "text" or value is None:
        return cursor(rule, str(value))
    step = steps.get(rule.kind, timedelta(microseconds=1))
    return cursor(rule, _text(_READ[rule.kind](value) + step))


def normal(kind: Kind, value: Any, zone: str = "UTC") -> str | None:
    """Bring a value to the text that this kind has: from text, or as Python has it.

    Raises:
        ValueError: It is no value of the kind.
    """
    if value is None:
        return None
    if isinstance(value, (bool, float)):
        raise ValueError(f"{value!r} is of type {type(value).__name__}")  # noqa: TRY004 - one kind of error for all
    if kind == "text":
        return str(value)
    try:
        if kind in MOMENTS:
            return _text(_placed(kind, _moment(value), zone))
        return _text(_READ[kind](str(value)))
    except (ValueError, InvalidOperation):
        raise ValueError(f"{value!r} is no {kind}") from None


def slice_span(column: str, kind: Kind, lower: str, upper: str, zone: str) -> Span:
    """Give the rows of a part in time, whose ends are ISO 8601 with an offset.

    Raises:
        ConfigurationError: ``CURSOR_UNUSABLE``: the column is no moment, or is a date and the part is no whole days.
    """
    if kind not in MOMENTS:
        raise _unusable(f"column {column!r} is of the kind {kind}, and partitions in time need a date or a time")
    ends = [datetime.fromisoformat(end) for end in (lower, upper)]
    if kind == "date":
        if any(end.time() != end.min.time() for end in ends):
            raise _unusable(f"column {column!r} is a date, and an hour of a day cannot be told from another")
        low, high = (end.date().isoformat() for end in ends)
    else:
        low, high = (_text(_placed(kind, end, zone)) for end in ends)
    return Span(column=column, kind=kind, lower=low, upper=high)


def _placed(kind: Kind, moment: datetime, zone: str) -> datetime | date:
    """Bring a moment to what a column of this kind has; one without a zone stands in ``zone``."""
    if kind == "date":
        return moment.date()
    if kind == "timestamp":
        return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) if moment.tzinfo else moment
    return (moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))).astimezone(timezone.utc)


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001 - `_placed` gives it its zone
    return datetime.fromisoformat(str(value).strip().replace("Z", "+00:00"))


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    return value.isoformat() if isinstance(value, date) else format(value, "f" if isinstance(value, Decimal) else "")


def _finite(text: str) -> Decimal:
    value = Decimal(text)
    if not value.is_finite():
        raise ValueError(text)
    return value


_READ: dict[str, Callable[[str], Any]] = {
    "timestamptz": datetime.fromisoformat,
    "timestamp": datetime.fromisoformat,
    "date": date.fromisoformat,
    "integer": int,
    "numeric": _finite,
    "text": str,
}


def _start(rule: Rule) -> str | None:
    try:
        return normal(rule.kind, rule.start, rule.zone)
    except ValueError as error:
        raise _unusable(f"`start`: {error}") from None


def _later(kind: Kind, one: str, other: str | None) -> str:
    """Give the later end: clocks are set back, and rows with the highest value are deleted."""
    read = _READ[kind]
    return one if other is None or read(one) >= read(other) else other


def _looking_back(rule: Rule, start: str) -> str | None:
    if not rule.lookback:
        return start
    value = _READ[rule.kind](start)
    try:
        if rule.kind == "date":
            return _text(value - timedelta(days=-(-rule.lookback // 86_400)))
        if rule.kind in MOMENTS:
            return _text(value - timedelta(seconds=rule.lookback))
    except OverflowError:
        return None
    return _text(value - (int(rule.lookback) if rule.kind == "integer" else Decimal(str(rule.lookback))))


def _empty(span: Span) -> bool:
    """Say whether no row can lie between the ends."""
    if span.nulls:
        return False
    if span.upper is None:
        return True
    if span.lower is None:
        return False
    read = _READ[span.kind]
    low, high = read(span.lower), read(span.upper)
    return bool(low > high or (low == high and (span.after_lower or not span.with_upper)))


def _agree(rule: Rule) -> None:
    """Refuse options that a kind of cursor cannot keep."""
    if rule.kind not in get_args(Kind):
        raise _unusable(f"column {rule.column!r}: {rule.kind} has no order that fits")
    if rule.safe_lag and rule.kind not in MOMENTS:
        raise _unusable(f"`safe_lag` is a time and column {rule.column!r} none; use `lookback` with mode merge")
    if rule.lookback and rule.kind == "text":
        raise _unusable(f"`lookback` is a number and column {rule.column!r} a text")


def _unusable(why: str) -> ConfigurationError:
    return ConfigurationError(
        f"the cursor cannot be used: {why}. Choose another `cursor_field`, or set the state anew with `dativo state`",
        "CURSOR_UNUSABLE",
    )
