"""Cron expressions and time zones, checked where they are written. Imports no scheduler; Dagster runs them.

Five fields (minute, hour, day of month, month, day of week) of numbers, names, ``a-b``, ``*``, ``/step`` and lists, or
one of the words in `MACROS`. What is accepted here, Dagster accepts too; a test holds this.
"""

from __future__ import annotations

import difflib
import re
import zoneinfo

MACROS = ("@hourly", "@daily", "@weekly", "@monthly", "@yearly")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of month", 1, 31, {}),
    ("month", 1, 12, {name: i for i, name in enumerate(_MONTHS, 1)}),
    ("day of week", 0, 7, {name: i for i, name in enumerate(_DAYS)}),
)
_PART = re.compile(r"(?P<first>\*|[0-9]{1,2}|[a-z]{3})(-(?P<last>[0-9]{1,2}|[a-z]{3}))?(/(?P<step>[0-9]{1,2}))?")
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def check_cron(text: str) -> str:
    """Give ``text`` when it is a cron expression that comes round.

    Raises:
        ValueError: It is not; the message names the field.
    """
    cron = " ".join(text.split())
    if cron.startswith("@"):
        if cron not in MACROS:
            raise ValueError(f"{cron!r} is no schedule; known words are {', '.join(MACROS)}")
        return cron
    fields = cron.split(" ")
    if len(fields) != len(_FIELDS):
        raise ValueError(f"{cron!r} has {len(fields)} fields; a cron has five: minute hour day month weekday")
    values = [_values(field, *facts) for field, facts in zip(fields, _FIELDS, strict=True)]
    if fields[4] == "*" and not any(day <= _LONGEST[month - 1] for day in values[2] for month in values[3]):
        raise ValueError(f"{cron!r} never comes: no such month has such a day")
    return cron


def check_timezone(name: str) -> str:
    """Give ``name`` when it is a zone of the IANA database.

    Raises:
        ValueError: It is not; the message proposes what is nearest.
    """
    try:
        return zoneinfo.ZoneInfo(name).key
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a folder
        pass
    near = difflib.get_close_matches(name, zoneinfo.available_timezones(), n=1)
    hint = f"did you mean {near[0]!r}?" if near else "write it as Europe/Berlin, or UTC"
    raise ValueError(f"there is no time zone {name!r}; {hint}")


def _values(text: str, field: str, lowest: int, highest: int, names: dict[str, int]) -> set[int]:
    found: set[int] = set()
    for part in text.lower().split(","):
        match = _PART.fullmatch(part)
        if not match:
            raise ValueError(f"{part!r} cannot stand as {field} of a cron")
        first, last, step = match["first"], match["last"], int(match["step"] or 1)
        if first == "*":
            start, end = lowest, highest
        else:
            start = _number(first, field, lowest, highest, names)
            end = _number(last, field, lowest, highest, names) if last else highest if match["step"] else start
        if end == 0 < start and field == "day of week":
            end = 7  # Sunday ends a week too: fri-sun
        if (first == "*" and last) or end < start or not step:
            raise ValueError(f"{part!r} cannot stand as {field} of a cron")
        found.update(range(start, end + 1, step))
    return found


def _number(text: str, field: str, lowest: int, highest: int, names: dict[str, int]) -> int:
    number = names[text] if text in names else int(text) if text.isdigit() else -1
    if not lowest <= number <= highest:
        raise ValueError(f"{text!r} is no {field}; it goes from {lowest} to {highest}")
    return number
