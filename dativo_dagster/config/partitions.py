"""Partitions of a stream: from what the job says to keys, and from a key to the rows that it stands for.

Knows no Dagster; `orchestration.partitions` makes Dagster's definitions of the same keys, which have the same form:
``2024-01-31`` for a day, a week or a month (its first day), ``2024-01-31-05:00`` for an hour. Where clocks go back and
an hour comes twice, the second has its offset behind it: ``2024-10-27-02:00+0100``.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from dativo_dagster.config.job import Every, Partitions, Slice
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dativo_dagster.config.job import JobStream
    from dativo_dagster.config.streamfile import PartitionsFile

PARTED = frozenset({"postgres", "mysql", "mariadb", "adbc", "sqlalchemy"})
"""Connectors that can read the rows of one partition."""
FORMATS: dict[Every, str] = {"hour": "%Y-%m-%d-%H:%M", "day": "%Y-%m-%d", "week": "%Y-%m-%d", "month": "%Y-%m-%d"}
_EXAMPLE = datetime(2026, 3, 1, tzinfo=timezone.utc)
RANGE = ".."
"""Stands between the first and the last key of several, so that no key may have it."""
_HOUR_SECONDS = 3_600
_LAST_MONTH = 12


def partitions_of(file: PartitionsFile) -> Partitions:
    """Give the partitions that a job asks for.

    Raises:
        ValueError: It says too little, too much, or a time that is none.
    """
    if file.column is None:
        raise ValueError("`column` is missing: the column that tells which part a row is in")
    if (file.every is None) == (file.keys is None):
        raise ValueError("say either `every` and `start`, or `keys`")
    if file.keys is not None:
        return Partitions(column=file.column, keys=_named(file.keys))
    if file.start is None:
        raise ValueError("`start` is missing: where the first part starts, such as 2024-01-01")
    made = Partitions(column=file.column, every=file.every, start=file.start, end=file.end, timezone=file.timezone)
    for text in filter(None, (file.start, file.end)):
        if _floor(_moment(made, text), made.every) != _moment(made, text):
            hint = "; weeks begin on Sunday" if made.every == "week" else ""
            raise ValueError(f"{text!r} is not where the {file.every} begins in {made.timezone}{hint}")
    if file.end is not None and _utc(_moment(made, file.end)) <= _utc(_moment(made, file.start)):
        raise ValueError(f"`end` is {file.end}, which is not after `start`, {file.start}")
    return made


def _named(said: list[str] | dict[str, str | list[str]]) -> dict[str, tuple[str, ...]]:
    """Give the values of each part; no row is in two."""
    pairs = list(said.items()) if isinstance(said, dict) else [(key, key) for key in said]
    keys = {key: (values,) if isinstance(values, str) else tuple(values) for key, values in pairs}
    if not keys or not all(keys.values()):
        raise ValueError("`keys` is empty, or one of them has no values")
    if bad := [key for key in keys if not key.isprintable() or not key.strip() or RANGE in key]:
        raise ValueError(f"{bad[0]!r} cannot name a part: it is blank, or has {RANGE!r} or a control character in it")
    counts = Counter(value for _, values in pairs for value in ([values] if isinstance(values, str) else values))
    if twice := [value for value, count in counts.items() if count > 1]:
        raise ValueError(f"the value {twice[0]!r} is named twice: its rows would be read twice")
    return keys


def first_and_end(partitions: Partitions) -> tuple[str, str | None]:
    """Give the key of a calendar's first part, and the one that would follow its last, None when it goes on."""
    first, end = _moment(partitions, partitions.start), partitions.end
    return _key(first, partitions.every), _key(_moment(partitions, end), partitions.every) if end else None


def keys_of(partitions: Partitions, now: datetime) -> list[str]:
    """List the keys of the parts that have ended by ``now``, the oldest first."""
    if partitions.every is None:
        return list(partitions.keys)
    end = _moment(partitions, partitions.end) if partitions.end else None
    until = min(_utc(now), _utc(end)) if end else _utc(now)
    keys, start = [], _moment(partitions, partitions.start)
    while _utc(after := _next(start, partitions.every)) <= until:
        keys.append(_key(start, partitions.every))
        start = after
    return keys


def slice_of(partitions: Partitions, key: str, now: datetime | None = None) -> Slice:
    """Give the rows that a key stands for.

    Args:
        partitions: The parts.
        key: One of them.
        now: Refuse a part that has not ended by then: rows that come later would be taken for read.

    Raises:
        ConfigurationError: ``UNKNOWN_PARTITION``: there is no such part, or not yet.
    """
    if partitions.every is None:
        if key not in partitions.keys:
            raise _unknown(key, f"the parts are {', '.join(partitions.keys)}")
        return Slice(key=key, column=partitions.column, values=partitions.keys[key])
    lower = _start(partitions, key)
    if lower is None:
        raise _unknown(key, f"write the {partitions.every} as {_EXAMPLE.strftime(FORMATS[partitions.every])}")
    first, end = _moment(partitions, partitions.start), partitions.end
    outside = _utc(lower) < _utc(first) or (end is not None and _utc(lower) >= _utc(_moment(partitions, end)))
    if outside or not _begins(lower, first, partitions.every):
        last = f"{end}, which is not one of them" if end else "now"
        raise _unknown(key, f"each part is one {partitions.every}, and they go from {partitions.start} to {last}")
    upper = _next(lower, partitions.every)
    if now is not None and _utc(upper) > _utc(now):
        raise _unknown(key, f"it ends at {upper.isoformat()}; it can be read after that")
    return Slice(
        key=key,
        column=partitions.column,
        lower=lower.isoformat(),
        upper=upper.isoformat(),
        clocks=partitions.clocks,
    )


def unlike(streams: Sequence[JobStream]) -> tuple[int, str] | None:
    """Give the first stream that is not cut as the one before it is, and what is wrong with that.

    The streams of a job run together, for one key: a stream without partitions would run anew for each.
    """
    for i, (one, other) in enumerate(pairwise(streams), start=1):
        if _calendar(one.partitions) != _calendar(other.partitions):
            return i, (
                f"{other.name!r} is not cut into the same parts as {one.name!r}, and a run is about one part of all "
                "streams; give them the same parts (`column` may differ), or write two jobs"
            )
    return None


def _calendar(partitions: Partitions | None) -> tuple[object, ...]:
    if partitions is None:
        return ()
    parts = tuple(partitions.keys) if partitions.every is None else first_and_end(partitions)
    return (partitions.every, partitions.timezone, *parts)


def _unknown(key: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"there is no partition {key!r}: {why}", "UNKNOWN_PARTITION", {"partition": key})


def _moment(partitions: Partitions, text: str) -> datetime:
    """Read a date or time of a job, of the partitions' own zone unless it says another."""
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise ValueError(f"{text!r} is no date or time; write it as 2024-01-31 or 2024-01-31T05:00") from None
    zone = ZoneInfo(partitions.timezone)
    return found.astimezone(zone) if found.tzinfo else found.replace(tzinfo=zone)


def _utc(moment: datetime) -> datetime:
    """Give a moment by the clock that never jumps: Python compares two of one zone by what the wall says."""
    return moment.astimezone(timezone.utc)


def _key(start: datetime, every: Every | None) -> str:
    text = start.strftime(FORMATS[every or "day"])
    return text + start.strftime("%z") if every == "hour" and start.fold else text


def _start(partitions: Partitions, key: str) -> datetime | None:
    """Give where the part with a key begins; None for a text that is no key, or an hour that the clocks skip."""
    every, zone = partitions.every or "day", ZoneInfo(partitions.timezone)
    for form in (FORMATS[every], FORMATS[every] + "%z"):
        try:
            found = datetime.strptime(key, form)  # noqa: DTZ007 - of the zone that follows
        except ValueError:
            continue
        found = found.astimezone(zone) if found.tzinfo else found.replace(tzinfo=zone)
        there = _utc(found).astimezone(zone) if every == "hour" else found
        return found if _key(there, every) == key else None
    return None


def _begins(lower: datetime, first: datetime, every: Every) -> bool:
    """Say whether a part begins there. Hours are counted, because a zone may shift its clocks by half of one."""
    if every == "hour":
        return (_utc(lower) - _utc(first)).total_seconds() % _HOUR_SECONDS == 0
    return _floor(lower, every) == lower


def _floor(moment: datetime, every: Every | None) -> datetime:
    """Give where the part that a moment is in begins; weeks begin on Sunday, as Dagster's do."""
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if every == "hour":
        return moment.replace(minute=0, second=0, microsecond=0)
    if every == "week":
        return day - timedelta(days=(day.weekday() + 1) % 7)
    return day.replace(day=1) if every == "month" else day


def _next(start: datetime, every: Every) -> datetime:
    """Give where the next part begins: an hour is sixty minutes, a day ends at the next midnight of its zone."""
    if every == "hour":
        return (_utc(start) + timedelta(hours=1)).astimezone(start.tzinfo)
    if every == "month":
        year, month = divmod(start.month, _LAST_MONTH)
        return start.replace(year=start.year + year, month=month + 1)
    return start + timedelta(days=7 if every == "week" else 1)
