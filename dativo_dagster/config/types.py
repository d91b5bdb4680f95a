"""Logical types of contracts, as text and as values. Knows no Arrow; `validation.typemap` does.

Grammar (case-insensitive but for names in a struct, blanks ignored)::

    boolean  int8 int16 int32 int64  uint8 uint16 uint32 uint64  float32 double
    decimal(p,s)  string  binary  uuid  date  json
    time[unit]  timestamp[unit]  timestamptz[unit]          unit: s ms us ns, us when left out
    list<T>  map<K,V>  struct<name: T, "a name with blanks": T, ...>

Names of the earlier system, of ODCS and of SQL are aliases, see `ALIASES`. Two may surprise: ``float`` is double, as
the earlier system always wrote it, and an ``array`` or ``object`` that does not say of what is json.
"""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass
from typing import Literal, cast, get_args

from dativo_ingest.exceptions import ConfigurationError

Unit = Literal["s", "ms", "us", "ns"]
Simple = Literal[
    "boolean", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float32", "double", "string", "binary", "uuid", "date", "json",
]  # fmt: skip

MAX_PRECISION = 38
UNSAID_DECIMAL = (38, 9)  # of a decimal without digits; what does not fit is refused row by row, never rounded
ALIASES: dict[str, str] = {
    "bool": "boolean",
    "tinyint": "int8",
    "smallint": "int16",
    "int": "int32",
    "integer": "int64",
    "bigint": "int64",
    "long": "int64",
    "float": "double",
    "float64": "double",
    "number": "double",
    "real": "float32",
    "numeric": "decimal",
    "text": "string",
    "varchar": "string",
    "bytes": "binary",
    "datetime": "timestamp",
    "object": "json",
    "array": "list",
}


class LogicalType:
    """A type as a contract says it. Equal types are equal values; ``str(t)`` is canonical and parses back to ``t``."""

    __slots__ = ()


@dataclass(frozen=True)
class Primitive(LogicalType):
    """A type without parameters."""

    name: Simple

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Decimal(LogicalType):
    """An exact number of at most ``precision`` digits, ``scale`` of them after the point."""

    precision: int
    scale: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.precision <= MAX_PRECISION:
            raise _wrong(str(self), f"a decimal has 1 to {MAX_PRECISION} digits (decimal256 is not supported)")
        if not 0 <= self.scale <= self.precision:
            raise _wrong(str(self), "the scale lies between 0 and the precision")

    def __str__(self) -> str:
        return f"decimal({self.precision},{self.scale})"


@dataclass(frozen=True)
class Time(LogicalType):
    """A time of day."""

    unit: Unit = "us"

    def __str__(self) -> str:
        return "time" + _unit_text(self.unit)


@dataclass(frozen=True)
class Timestamp(LogicalType):
    """A point in time: an instant when ``zoned`` (kept in UTC), else what a clock on the wall shows."""

    unit: Unit = "us"
    zoned: bool = False

    def __str__(self) -> str:
        return ("timestamptz" if self.zoned else "timestamp") + _unit_text(self.unit)


@dataclass(frozen=True)
class List(LogicalType):
    """Any number of values of one type; values may be NULL."""

    element: LogicalType

    def __str__(self) -> str:
        return f"list<{self.element}>"


@dataclass(frozen=True)
class Map(LogicalType):
    """Keys, never NULL and each at most once, with values that may be NULL."""

    key: LogicalType
    value: LogicalType

    def __str__(self) -> str:
        return f"map<{self.key},{self.value}>"


@dataclass(frozen=True)
class Struct(LogicalType):
    """Named values in order; each may be NULL."""

    fields: tuple[tuple[str, LogicalType], ...]

    def __post_init__(self) -> None:
        names = [name for name, _ in self.fields]
        if not names or len(set(names)) < len(names):
            raise _wrong(str(self), "a struct has at least one field and no name twice")

    def __str__(self) -> str:
        return f"struct<{', '.join(f'{_name_text(name)}: {kind}' for name, kind in self.fields)}>"


def parse_type(text: str) -> LogicalType:
    """Read a type.

    Raises:
        ConfigurationError: ``BAD_TYPE``; the message says what is wrong with ``text`` and what would do.
    """
    parser = _Parser(text)
    found = parser.type()
    parser.end()
    return found


def _wrong(text: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"type {text!r}: {why}", "BAD_TYPE", {"type": text})


def _unit_text(unit: Unit) -> str:
    return "" if unit == "us" else f"[{unit}]"


_PLAIN_NAME = re.compile(r"[^\W\d]\w*")


def _name_text(name: str) -> str:
    return name if _PLAIN_NAME.fullmatch(name) else json.dumps(name, ensure_ascii=False)


_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|\w+|[^\w\s])\s*', re.DOTALL)
_MAX_DEPTH = 32


class _Parser:
    """Recursive descent over the tokens of one text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _TOKEN.findall(text)
        self.at = 0
        self.depth = 0

    def type(self) -> LogicalType:
        written = self.take("a type")
        name = ALIASES.get(written.lower(), written.lower())
        if name == "list" and self.peek() != "<":
            name = "json"
        if name in get_args(Simple):
            if self.peek() == "(":
                raise _wrong(self.text, f"{written} takes no parameter; say lengths with min_length and max_length")
            return Primitive(cast("Simple", name))
        if name not in _PARAMETRIC:
            raise self.unknown(written)
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise _wrong(self.text[:60], f"nested deeper than {_MAX_DEPTH}")
        found = cast("LogicalType", getattr(self, name)())
        self.depth -= 1
        return found

    def decimal(self) -> LogicalType:
        if self.peek() != "(":
            return Decimal(*UNSAID_DECIMAL)
        self.expect("(")
        precision, scale = self.number(), 0
        if self.peek() == ",":
            self.expect(",")
            scale = self.number()
        self.expect(")")
        return Decimal(precision, scale)

    def time(self) -> LogicalType:
        return Time(self.unit())

    def timestamp(self) -> LogicalType:
        return Timestamp(self.unit())

    def timestamptz(self) -> LogicalType:
        return Timestamp(self.unit(), zoned=True)

    def list(self) -> LogicalType:
        self.expect("<")
        element = self.type()
        self.expect(">")
        return List(element)

    def map(self) -> LogicalType:
        self.expect("<")
        key = self.type()
        self.expect(",")
        value = self.type()
        self.expect(">")
        return Map(key, value)

    def struct(self) -> LogicalType:
        self.expect("<")
        fields = [self.field()]
        while self.peek() == ",":
            self.expect(",")
            fields.append(self.field())
        self.expect(">")
        return Struct(tuple(fields))

    def field(self) -> tuple[str, LogicalType]:
        token = self.take("a field name")
        if token.startswith('"'):
            token = json.loads(token, strict=False)
        elif not _PLAIN_NAME.fullmatch(token):
            raise _wrong(self.text, f"{token!r} is no field name; put it in double quotes if it is")
        self.expect(":")
        return token, self.type()

    def unit(self) -> Unit:
        if self.peek() != "[":
            return "us"
        self.expect("[")
        unit = self.take("a unit").lower()
        self.expect("]")
        if unit not in get_args(Unit):
            raise _wrong(self.text, f"{unit!r} is no unit; known are {', '.join(get_args(Unit))}")
        return cast("Unit", unit)

    def number(self) -> int:
        token = self.take("a number")
        if not re.fullmatch(r"[0-9]{1,9}", token):
            raise _wrong(self.text, f"{token!r} is no number of digits")
        return int(token)

    def peek(self) -> str | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def take(self, what: str) -> str:
        token = self.peek()
        if token is None:
            raise _wrong(self.text, f"ends where {what} should be")
        self.at += 1
        return token

    def expect(self, token: str) -> None:
        found = self.take(repr(token))
        if found != token:
            raise _wrong(self.text, f"{token!r} should be where {found!r} is")

    def end(self) -> None:
        if self.peek() is not None:
            raise _wrong(self.text, f"{self.peek()!r} is too much at the end")

    def unknown(self, written: str) -> ConfigurationError:
        near = difflib.get_close_matches(written.lower(), _NAMES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(_CANONICAL)}"
        return _wrong(self.text, f"{written!r} is no type; {hint}")


_PARAMETRIC = ("decimal", "time", "timestamp", "timestamptz", "list", "map", "struct")
_CANONICAL = (*get_args(Simple), *_PARAMETRIC)
_NAMES = (*_CANONICAL, *ALIASES)
