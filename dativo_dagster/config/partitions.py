"""Partitions of a stream: from what the job says to keys, and from a key to the rows that it stands for.

Knows no Dagster; `orchestration.partitions` makes Dagster's definitions of the same keys, which have the same form:
``2024-01-31`` for a day, a week or a month (its first day), ``2024-01-31-05:00`` for an hour.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from dativo_dagster.config.job import Every, Partitions, Slice
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from dativo_dagster.config.jobfile import PartitionsFile

PARTED = frozenset({"postgres", "mysql", "mariadb", "adbc", "sqlalchemy"})
"""Connectors that can read the rows of one partition."""
FORMATS: dict[Every, str] = {"hour": "%Y-%m-%d-%H:%M", "day": "%Y-%m-%d", "week": "%Y-%m-%d", "month": "%Y-%m-%d"}
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
        named = file.keys if isinstance(file.keys, dict) else {key: key for key in file.keys}
        keys = {key: (values,) if isinstance(values, str) else tuple(values) for key, values in named.items()}
        if not keys or not all(keys.values()):
            raise ValueError("`keys` is empty, or one of them has no values")
        return Partitions(column=file.column, keys=keys)
    if file.start is None:
        raise ValueError("`start` is missing: where the first part starts, such as 2024-01-01")
    made = Partitions(column=file.column, every=file.every, start=file.start, end=file.end, timezone=file.timezone)
    for text in filter(None, (file.start, file.end)):
        if _floor(_moment(made, text), made.every) != _moment(made, text):
            raise ValueError(f"{text!r} is not where a {file.every} begins")
    return made


def keys_of(partitions: Partitions, now: datetime) -> list[str]:
    """List the keys of the parts that have ended by ``now``, the oldest first."""
    if partitions.every is None:
        return list(partitions.keys)
    until = min(now, _moment(partitions, partitions.end)) if partitions.end else now
    keys, start = [], _moment(partitions, partitions.start)
    while (after := _next(start, partitions.every)) <= until:
        keys.append(start.strftime(FORMATS[partitions.every]))
        start = after
    return keys


def slice_of(partitions: Partitions, key: str) -> Slice:
    """Give the rows that a key stands for.

    Raises:
        ConfigurationError: ``UNKNOWN_PARTITION``: there is no such part.
    """
    if partitions.every is None:
        if key not in partitions.keys:
            raise _unknown(key, f"the parts are {', '.join(partitions.keys)}")
        return Slice(key=key, column=partitions.column, values=partitions.keys[key])
    try:
        wall = datetime.strptime(key, FORMATS[partitions.every])  # noqa: DTZ007 - of the zone that follows
        lower = wall.replace(tzinfo=ZoneInfo(partitions.timezone))
    except ValueError:
        raise _unknown(key, f"the key of a {partitions.every} has the form {FORMATS[partitions.every]}") from None
    first = _moment(partitions, partitions.start)
    last = _moment(partitions, partitions.end) if partitions.end else None
    if lower < first or (last is not None and lower >= last) or _floor(lower, partitions.every) != lower:
        raise _unknown(
            key, f"parts are a {partitions.every} long, from {partitions.start} to {partitions.end or 'now'}"
        )
    return Slice(
        key=key,
        column=partitions.column,
        lower=lower.isoformat(),
        upper=_next(lower, partitions.every).isoformat(),
    )


def _unknown(key: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"there is no partition {key!r}: {why}", "UNKNOWN_PARTITION", {"partition": key})


def _moment(partitions: Partitions, text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise ValueError(f"{text!r} is no date or time; write it as 2024-01-31 or 2024-01-31T05:00") from None
    return found if found.tzinfo else found.replace(tzinfo=ZoneInfo(partitions.timezone))


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
        return (start.astimezone(timezone.utc) + timedelta(hours=1)).astimezone(start.tzinfo)
    if every == "month":
        year, month = divmod(start.month, _LAST_MONTH)
        return start.replace(year=start.year + year, month=month + 1)
    return start + timedelta(days=7 if every == "week" else 1)
