"""Dates, times of day and timestamps from text, and clocks of a zone as instants. For `text` and `convert`.

Arrow's kernel reads what machines write. What it refuses is brought to its form where it means the same: blanks,
``UTC``, zeros at the end of a fraction. Patterns then leave only what can fail on the calendar, such as 29 February.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from dativo_dagster.config import types as lt
from dativo_dagster.validation.converted import Converted, attempt, lost, only
from dativo_dagster.validation.typemap import arrow_type

_DAY = (
    r"[0-9]{4}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)"
    r"|(?:0[13578]|1[02])-31|02-29)"
)
_NANOSECOND_YEARS = r"^\s*(?:167[89]|16[89][0-9]|1[7-9][0-9]{2}|2[01][0-9]{2}|22[0-5][0-9]|226[01])-"
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{%s})?)?"
_HOUR = r"(?:[01][0-9]|2[0-3])"  # Arrow's kernel reads a day with an hour alone, so all of us do
_OFFSET = r"(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)"
_MIDNIGHT = rf"^({_DAY})(?:[T ]00:00(?::00(?:\.0*)?)?)?$"
_DIGITS = {"s": "0", "ms": "1,3", "us": "1,6", "ns": "1,9"}
_BEFORE_YEAR_1 = -719162  # days from the epoch to 0001-01-01; nothing in Python shows an earlier date


def date(text: pa.Array, target: pa.DataType) -> Converted:
    """Read days; a midnight is a day too."""
    try:
        values = _from_year_1(text.cast(target))
    except pa.ArrowInvalid:
        trimmed = pc.utf8_trim_whitespace(text)
        days = pc.replace_substring_regex(only(trimmed, pc.match_substring_regex(trimmed, _MIDNIGHT)), _MIDNIGHT, r"\1")
        values = _from_year_1(attempt(days, lambda a: a.cast(target), target).values)
    return Converted(values, lost(text, values))


def time(text: pa.Array, kind: lt.Time) -> Converted:
    """Read times of day, as the times of one day since Arrow reads no others."""
    clocks = _without_zeros(pc.utf8_trim_whitespace(text))
    clocks = only(clocks, pc.match_substring_regex(clocks, f"^{_CLOCK % _DIGITS[kind.unit]}$"))
    moments = pc.binary_join_element_wise(pa.scalar("1970-01-01T", clocks.type), clocks, pa.scalar("", clocks.type))
    values = moments.cast(pa.timestamp(kind.unit)).cast(arrow_type(kind))
    return Converted(values, lost(text, values))


def timestamp(text: pa.Array, kind: lt.Timestamp, zone: str | None) -> Converted:
    """Read moments. With a ``zone`` clocks are instants as it has them, and instants are what its clocks show."""
    found = _moments(text, kind)
    if zone is None or found.bad is None:
        return found
    others = _moments(only(text, found.bad), lt.Timestamp(kind.unit, zoned=not kind.zoned)).values
    values = pc.coalesce(found.values, placed(others, zone).values if kind.zoned else shown(others, zone))
    return Converted(values, lost(text, values))


def shown(instants: pa.Array, zone: str) -> pa.Array:
    """Give what clocks in ``zone`` show at some instants."""
    return pc.local_timestamp(instants.cast(pa.timestamp(instants.type.unit, zone)))


def placed(clocks: pa.Array, zone: str) -> Converted:
    """Make instants of what clocks in ``zone`` showed; an hour that was there twice or never is bad."""
    first, last = (
        pc.assume_timezone(clocks, zone, ambiguous=end, nonexistent=end).cast(pa.timestamp(clocks.type.unit, "UTC"))
        for end in ("earliest", "latest")
    )
    values = only(first, pc.equal(first, last))
    return Converted(values, lost(clocks, values))


def _moments(text: pa.Array, kind: lt.Timestamp) -> Converted:
    target, said = arrow_type(kind), text
    if kind.unit == "ns":  # before 1678 and after 2261 older Arrow wraps around in silence
        said = only(text, pc.match_substring_regex(text, _NANOSECOND_YEARS))
    try:
        values = _from_year_1(said.cast(target))
    except pa.ArrowInvalid:
        iso = _without_zeros(_iso(said))
        clock = f"(?:{_CLOCK % _DIGITS[kind.unit]}|{_HOUR})"
        shape = rf"{_DAY}[T ]{clock}{_OFFSET}" if kind.zoned else rf"{_DAY}(?:[T ]{clock})?"
        iso = only(iso, pc.match_substring_regex(iso, f"^{shape}$"))
        values = _from_year_1(attempt(iso, lambda a: a.cast(target), target).values)
    return Converted(values, lost(text, values))


def _from_year_1(values: pa.Array) -> pa.Array:
    """Refuse the year 0, which ISO 8601 has and nearly nobody else."""
    start = pa.scalar(_BEFORE_YEAR_1, pa.int32()).cast(pa.date32())
    try:
        first = start.cast(values.type)
    except pa.ArrowInvalid:
        return values  # nanoseconds begin in 1677
    return only(values, pc.greater_equal(values, first)) if pc.less(pc.min(values), first).as_py() else values


def _iso(text: pa.Array) -> pa.Array:
    """Bring the writings of a moment that Arrow does not know to the one that it does."""
    text = pc.utf8_trim_whitespace(text)
    text = pc.replace_substring_regex(text, r" ?(UTC|Z|z)$", "Z")
    return pc.replace_substring_regex(text, r" ([+-][0-9]{2}(:?[0-9]{2})?)$", r"\1")


def _without_zeros(text: pa.Array) -> pa.Array:
    """Drop zeros that end a fraction of a second, so that nine digits fit a coarser unit where they say no more."""
    text = pc.replace_substring_regex(text, r"\.([0-9]*[1-9])?0+(Z|[+-][0-9:]+)?$", r".\1\2")
    return pc.replace_substring_regex(text, r"\.(Z|[+-][0-9:]+)?$", r"\1")
