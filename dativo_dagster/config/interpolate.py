"""Environment variables in text, by one rule for every file and field.

::

    ${NAME}            the variable; an error when it is not set
    ${NAME:-default}   the default when it is not set or empty; the default may hold variables again
    ${NAME:?message}   an error with this message when it is not set or empty
    $$                 one dollar sign; a dollar sign before anything else is itself

Values only, never keys, and only after YAML was read: a value cannot change the structure of a file. Contracts are
left as they are, since their patterns are full of dollar signs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dativo_dagster.config.document import Location, Map, Mark, Seq

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BARE = re.compile(r"(?<!\$)\$([A-Za-z_][A-Za-z0-9_]*)")


class Unresolved(str):
    """Text that names a variable which is not set yet, left as it was written."""

    __slots__ = ()


class UnsetVariable(ValueError):  # noqa: N818 - says what is the case
    """A variable is not set and has no default."""


@dataclass(frozen=True)
class Filler:
    """Replaces the variables in all text of a tree.

    Args:
        environment: Variables by name.
        wrong: Told the place, the field and what is wrong there.
        may_wait: Says of a field whether an unset variable in it is left for later.
        leave: Says of a field whether it and all below it is left as it is.
    """

    environment: Mapping[str, str]
    wrong: Callable[[Mark, Location, str, str], None]
    may_wait: Callable[[Location], bool] = lambda _: False
    leave: Callable[[Location], bool] = lambda _: False
    used: dict[str, str] = field(default_factory=dict)

    def fill(self, value: Any, mark: Mark, location: tuple[str | int, ...] = ()) -> Any:
        """Give ``value`` with its variables replaced; ``mark`` is where it stands and ``location`` its field."""
        if isinstance(value, str):
            return self.text(value, mark, location) if "$" in value else value
        if not isinstance(value, (Map, Seq)) or self.leave(location):
            return value
        if isinstance(value, Seq):
            items = Seq(value.mark)
            for i, (item, at) in enumerate(zip(value, value.marks, strict=True)):
                items.put(self.fill(item, at, (*location, i)), at)
            return items
        found = Map(value.mark)
        for key, item in value.items():
            found.put(key, self.fill(item, value.marks[key][1], (*location, key)), value.marks[key])
        return found

    def text(self, text: str, mark: Mark, location: tuple[str | int, ...]) -> str:
        """Give one text with its variables replaced, or as it is when it has to wait."""
        try:
            return interpolated(text, self.environment, self.used)
        except UnsetVariable as error:
            if self.may_wait(location):
                return Unresolved(text)
            self.wrong(mark, location, str(error), "UNSET_VARIABLE")
        except ValueError as error:
            self.wrong(mark, location, str(error), "BAD_JOB")
        return Unresolved(text)


def interpolated(text: str, environment: Mapping[str, str], used: dict[str, str] | None = None) -> str:
    """Give ``text`` with its variables replaced.

    Args:
        text: What was written.
        environment: Variables by name.
        used: Filled with what was taken from the environment, name by value.

    Raises:
        UnsetVariable: A variable is not set; the message names it and says what to do.
        ValueError: ``${`` is not followed by a variable and ``}``.
    """
    if "$" not in text:
        return text
    parts, at = [], 0
    while (dollar := text.find("$", at)) >= 0:
        parts.append(text[at:dollar])
        following = text[dollar + 1 : dollar + 2]
        if following == "{":
            end = _closing(text, dollar + 2)
            parts.append(_value(text[dollar + 2 : end], environment, used))
            at = end + 1
        else:
            parts.append("$")
            at = dollar + (2 if following == "$" else 1)
    return "".join([*parts, text[at:]])


def shell_style(text: str) -> str:
    """Write ``$NAME`` as ``${NAME}``, for the fields where the earlier system took both."""
    return _BARE.sub(lambda found: f"${{{found[1]}}}", text)


def _closing(text: str, at: int) -> int:
    depth = 1
    for i in range(at, len(text)):
        depth += {"{": 1, "}": -1}.get(text[i], 0)
        if not depth:
            return i
    raise ValueError("'${' is not closed by '}'; a dollar sign by itself is written '$$'")


def _value(inside: str, environment: Mapping[str, str], used: dict[str, str] | None) -> str:
    match = _NAME.match(inside)
    name, rest = (match[0], inside[match.end() :]) if match else ("", inside)
    if not name or (rest and rest[:2] not in {":-", ":?"}):
        raise ValueError(
            f"'${{{inside}}}' is no variable; write ${{NAME}}, ${{NAME:-default}} or ${{NAME:?message}}, "
            "and '$$' for a dollar sign"
        )
    value = environment.get(name)
    if value or (value is not None and not rest):
        if used is not None:
            used[value] = name
        return value
    if rest.startswith(":-"):
        return interpolated(rest[2:], environment, used)
    if rest[2:]:
        raise UnsetVariable(f"the environment variable {name} is not set: {rest[2:]}")
    raise UnsetVariable(f"the environment variable {name} is not set; set it, or write ${{{name}:-default}}")
