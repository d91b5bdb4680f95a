"""What a contract's type asks of Python values on their way to Arrow: text, pairs, how many digits.

The grammar is that of the platform's `config.types`; here it is only taken apart, never judged.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|\w+|[^\w\s])\s*', re.DOTALL)
_CLOSING = {"(": ")", "[": "]"}
_PARTS = {"list": ("element",), "map": ("key", "value")}
_TEXT = {"string", "json"}


@dataclass(frozen=True)
class Want:
    """A type: its first word, and the types in it by name (``element``, ``key``, ``value``, or a struct's fields).

    ``numbers`` are those in parentheses, a decimal's precision and scale.
    """

    word: str = ""
    numbers: tuple[int, ...] = ()
    parts: Mapping[str, Want] = field(default_factory=dict)

    @property
    def text(self) -> bool:
        """Say whether every value becomes text."""
        return self.word in _TEXT

    def part(self, name: str) -> Want:
        """Give the type of a part; one of no type when there is none of that name."""
        return self.parts.get(name, ANY)


ANY = Want()
"""No type: values become what they are."""


@lru_cache(maxsize=4096)
def want(kind: str) -> Want:
    """Take a logical type apart; what is no such type is `ANY`."""
    tokens = _TOKEN.findall(kind)[::-1]
    try:
        found = _type(tokens)
    except (IndexError, ValueError):
        return ANY
    return ANY if tokens else found


def _type(tokens: list[str]) -> Want:
    """Read one type from the end of the reversed tokens."""
    word, parts, inside = tokens.pop().lower(), dict[str, Want](), list[str]()
    if tokens and tokens[-1] in _CLOSING:  # precision, scale, unit
        closing = _CLOSING[tokens.pop()]
        while (token := tokens.pop()) != closing:
            inside.append(token)
    numbers = tuple(int(token) for token in inside if token.isdecimal())
    if not tokens or tokens[-1] != "<":
        return Want(word, numbers)
    names = iter(_PARTS.get(word, ()))
    while tokens.pop() != ">":  # "<" and then "," stand before each part
        name = next(names, "") if word in _PARTS else _field(tokens)
        parts[name] = _type(tokens)
        if tokens[-1] not in {",", ">"}:
            raise ValueError(tokens[-1])
    return Want(word, numbers, parts)


def _field(tokens: list[str]) -> str:
    token, colon = tokens.pop(), tokens.pop()
    if colon != ":":
        raise ValueError(colon)
    return str(json.loads(token, strict=False)) if token.startswith('"') else token
