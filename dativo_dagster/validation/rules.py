"""One vector check a rule: an array in, a mask of the rows that break the rule out. Made by `validation.compile`.

A check first asks what a whole column can answer at once, such as its least and greatest value, and looks at single
rows only when that answer is no. NULL breaks no rule but ``required``.
"""

from __future__ import annotations

import decimal
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from dativo_dagster.config import types as lt
from dativo_dagster.validation.converted import entries, integer_range
from dativo_dagster.validation.text import parse
from dativo_dagster.validation.typemap import arrow_type
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from dativo_dagster.config.contract import Field, Rule

Check = Callable[[pa.Array], "pa.BooleanArray | None"]
"""Gives the rows that break a rule; None when there are none."""

_T = pa.types
_NO_RANGE = ("boolean", "binary", "uuid", "json")


def make_check(rule: Rule, column: Field) -> Check:
    """Make the check of a rule about one column.

    Raises:
        ConfigurationError: ``BAD_RULE``, the rule does not fit the type of the column.
    """
    return _MAKERS[rule.kind](rule, column)


def plain(values: pa.Array) -> pa.Array:
    """Give the storage of an extension array, for kernels that know none."""
    return values.storage if isinstance(values.type, pa.BaseExtensionType) else values


def _bad(rule: Rule, column: Field, why: str) -> ConfigurationError:
    message = f"rule {rule.kind!r} of column {column.name!r} ({column.type}): {why}"
    return ConfigurationError(message, "BAD_RULE", {"column": column.name, "rule": rule.kind})


def _required(_: Rule, __: Field) -> Check:
    return lambda values: values.is_null() if values.null_count else None


def _enum(rule: Rule, column: Field) -> Check:
    said = [v for v in rule.parameters["values"] if v is not None]
    allowed = plain(pa.concat_arrays([pa.array([], arrow_type(column.type)), *(_value(rule, column, v) for v in said)]))

    def check(values: pa.Array) -> pa.BooleanArray | None:
        found = pc.is_in(plain(values), value_set=allowed)
        if found.true_count + values.null_count == len(values):
            return None
        return pc.and_(pc.invert(found), values.is_valid())

    return check


def _range(rule: Rule, column: Field) -> Check:
    target = arrow_type(column.type)
    if _T.is_nested(target) or str(column.type) in _NO_RANGE:
        raise _bad(rule, column, "this type has no order; take the rule away")
    bounds = [(compare, _bound(rule, column, name, value)) for name, value in rule.parameters.items()
              for compare in [_COMPARE[name]]]  # fmt: skip
    floating = _T.is_floating(target)

    def check(values: pa.Array) -> pa.BooleanArray | None:
        ends = pc.min_max(values)
        if all(compare(ends["min"], bound).as_py() is not False and compare(ends["max"], bound).as_py() is not False
               for compare, bound in bounds) and not (floating and pc.any(pc.is_nan(values)).as_py()):  # fmt: skip
            return None
        broken = pc.invert(_all([compare(values, bound) for compare, bound in bounds]))
        return pc.fill_null(broken, fill_value=False)

    return check


def _length(rule: Rule, column: Field) -> Check:
    measure = _measure(rule, column)
    low, high = rule.parameters.get("minimum"), rule.parameters.get("maximum")

    def check(values: pa.Array) -> pa.BooleanArray | None:
        lengths = measure(values)
        ends = pc.min_max(lengths)
        shortest, longest = ends["min"].as_py(), ends["max"].as_py()
        if shortest is None or ((low is None or low <= shortest) and (high is None or longest <= high)):
            return None
        inside = [pc.greater_equal(lengths, low)] if low is not None else []
        inside += [pc.less_equal(lengths, high)] if high is not None else []
        return pc.fill_null(pc.invert(_all(inside)), fill_value=False)

    return check


def _pattern(rule: Rule, column: Field) -> Check:
    regex = rule.parameters["regex"]
    if column.type != lt.Primitive("string"):
        raise _bad(rule, column, "only a string has a pattern")
    try:
        pc.match_substring_regex(pa.array([""]), regex)
    except pa.ArrowInvalid as error:
        raise _bad(rule, column, f"RE2 cannot run {regex!r} ({error}); it has no lookaround and no \\1") from error

    def check(values: pa.Array) -> pa.BooleanArray | None:
        found = pc.match_substring_regex(values, regex)
        if found.true_count + found.null_count == len(found):
            return None
        return pc.fill_null(pc.invert(found), fill_value=False)

    return check


def _measure(rule: Rule, column: Field) -> Callable[[pa.Array], pa.Array]:
    kind = column.type
    if kind == lt.Primitive("string"):
        return pc.utf8_length  # type: ignore[no-any-return]
    if kind == lt.Primitive("binary"):
        return pc.binary_length  # type: ignore[no-any-return]
    if isinstance(kind, lt.List):
        return pc.list_value_length  # type: ignore[no-any-return]
    if isinstance(kind, lt.Map):
        return lambda values: pc.list_value_length(entries(values))
    raise _bad(rule, column, "only strings, binaries, lists and maps have a length")


def _value(rule: Rule, column: Field, value: Any) -> pa.Array:
    """Give one value of a rule as an array of the column's type."""
    if isinstance(value, bool) and column.type != lt.Primitive("boolean"):
        raise _bad(rule, column, f"{str(value).lower()} is a boolean; put it in quotes if it is text")
    text = pa.array([str(value)])
    if column.type == lt.Primitive("string"):
        return text
    found = parse(text, column.type, column.timezone or "UTC")
    if found.bad is not None:
        raise _bad(rule, column, f"{value!r} is not a value of this type")
    return found.values


def _bound(rule: Rule, column: Field, name: str, value: Any) -> pa.Scalar:
    target = arrow_type(column.type)
    if isinstance(value, bool) or not (_T.is_integer(target) or _T.is_decimal(target) or _T.is_floating(target)):
        return _value(rule, column, value)[0]
    try:
        number = decimal.Decimal(str(value))
    except decimal.InvalidOperation:
        raise _bad(rule, column, f"{name} {value!r} is not a number") from None
    if _T.is_floating(target):
        return pa.scalar(float(number))
    if _T.is_decimal(target):
        return pa.scalar(number)
    low, high = integer_range(target)
    whole = _ROUND[name](number)
    if not low <= whole <= high:
        raise _bad(rule, column, f"{name} {value!r} lies outside of the type")
    return pa.scalar(whole, target)


def _all(masks: list[pa.BooleanArray]) -> pa.BooleanArray:
    first, *rest = masks
    for mask in rest:
        first = pc.and_(first, mask)
    return first


_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "minimum": pc.greater_equal,
    "maximum": pc.less_equal,
    "exclusive_minimum": pc.greater,
    "exclusive_maximum": pc.less,
}
_ROUND: dict[str, Callable[[decimal.Decimal], int]] = {
    "minimum": math.ceil,
    "maximum": math.floor,
    "exclusive_minimum": math.floor,
    "exclusive_maximum": math.ceil,
}
_MAKERS: dict[str, Callable[[Rule, Field], Check]] = {
    "required": _required,
    "enum": _enum,
    "range": _range,
    "length": _length,
    "pattern": _pattern,
}
