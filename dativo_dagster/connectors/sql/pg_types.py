"""Types of PostgreSQL: which logical type holds all values of each, and how a column is selected for a contract.

============================== =================== =====================================================================
PostgreSQL                     drafted as          how it is read
============================== =================== =====================================================================
boolean, int2/4/8, float4/8    the same            binary
numeric(p,s), p up to 18       decimal(p,s)        as a whole number of its last digit, which is exact
numeric(p,s), p up to 38       decimal(p,s)        as text, so exact; NaN only fits string and double, double is near
numeric, more digits           string              as text
text, varchar, char, name      string              as it is stored: char(n) keeps its blanks
bytea, uuid                    binary, uuid        binary
date, timestamp, timestamptz   the same            binary; infinities and years beyond 1 to 9999 reach validation as
                                                   text, so that it refuses those rows by name; string holds them all
time                           time                binary; 24:00:00 in the same way
json, jsonb                    json                text
money                          decimal(19,2)       as numeric
oid                            int64               as int8
T[] of the above               list<T>             binary; more than one dimension only as json
enum, interval (ISO 8601),     string              as PostgreSQL writes it
timetz, bit, inet, cidr,
macaddr, xml, ranges, points,
tsvector, xid, reg*, others
composite, hstore, T[][]       json                by to_jsonb
============================== =================== =====================================================================

A domain is what it stands for. A contract may ask for another type wherever validation reads it from the same text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dativo_dagster.config import types as lt
from dativo_dagster.connectors.sql.base import SqlColumn
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from dativo_dagster.config.contract import Field
    from dativo_dagster.state.window import Kind

Types = Mapping[int, Mapping[str, Any]]
BINARY = {
    "bool": "boolean",
    "int2": "int16",
    "int4": "int32",
    "int8": "int64",
    "float4": "float32",
    "float8": "double",
    "text": "string",
    "varchar": "string",
    "bpchar": "string",
    "name": "string",
    "char": "string",
    "bytea": "binary",
    "uuid": "uuid",
    "date": "date",
    "time": "time",
    "timestamp": "timestamp",
    "timestamptz": "timestamptz",
}
"""Types that the driver reads without a cast, and the logical type of each."""
CAST = {"money": ("numeric", "decimal(19,2)"), "oid": ("int8", "int64")}
TEXTS = frozenset({"text", "varchar", "bpchar", "name", "char"})
JSON = frozenset({"json", "jsonb"})
KINDS: dict[str, Kind] = {
    **dict.fromkeys(("int2", "int4", "int8"), "integer"),
    **dict.fromkeys(("text", "varchar"), "text"),
    "numeric": "numeric",
    "date": "date",
    "timestamp": "timestamp",
    "timestamptz": "timestamptz",
}
NAN = -(2**63)
"""The whole number that stands for NaN in a packed numeric; none of 18 digits is that low."""
_PACKED_DIGITS = 18
_STRING, _JSON = lt.Primitive("string"), lt.Primitive("json")
_MODIFIER_HEAD = 4  # a numeric's modifier is ((precision << 16) | scale) + 4, the scale having 11 bits and a sign


def column_of(
    name: str,
    oid: int,
    known: Types,
    *,
    written: str,
    modifier: int = -1,
    dimensions: int = 0,
    nullable: bool = True,
    comment: str = "",
) -> SqlColumn:
    """Make a column of what the catalog says."""
    base, modifier, dimensions = _undomained(oid, known, modifier, dimensions)
    element = _undomained(base["element"], known, modifier, 0)[0] if base["category"] == "A" else None
    facts = {
        "base": _plain(base),
        "element": _plain(element) if element else None,
        "plain_element": bool(element) and known.get(base["element"], {}).get("kind") != "d",
        "composite": base["kind"] == "c",
        "hstore": base["plain"] == "hstore",
        "digits": _digits(modifier) if base["plain"] == "numeric" else None,
        "places": modifier if base["plain"] in {"timestamp", "timestamptz"} and modifier >= 0 else 6,
    }
    logical = _logical(facts, modifier, dimensions)
    return SqlColumn(name=name, type=written, logical=logical, nullable=nullable, comment=comment, facts=facts)


def kind(column: SqlColumn) -> Kind | None:
    """Say what kind of cursor a column can be."""
    return KINDS.get(str(column.facts["base"]))


def expression(quoted: str, column: SqlColumn, field: Field) -> str:
    """Write how a column is selected for a field of a contract.

    Raises:
        ConfigurationError: ``TYPE_NOT_HELD``.
    """
    want = field.type
    if column.facts["element"] and isinstance(want, lt.List):
        return _array(quoted, column, want)
    if isinstance(want, (lt.List, lt.Struct, lt.Map)) or (column.facts["element"] and want not in (_STRING, _JSON)):
        raise _not_held(column, want, "json or string")
    base = str(column.facts["base"])
    if base in TEXTS or (base in JSON and want != _STRING):
        return quoted
    if want in (_STRING, _JSON):
        return f"{quoted}::text" if want == _STRING else f"to_jsonb({quoted})::text"
    return _number(quoted, column, field) or (quoted if base in BINARY else f"{quoted}::text")


def _number(quoted: str, column: SqlColumn, field: Field) -> str | None:
    """Select what is a number with digits after its point, or one that the driver knows by another type."""
    base, digits = str(column.facts["base"]), packed(column, field)
    if base in CAST:
        return f"{quoted}::{CAST[base][0]}"
    if digits:
        return f"CASE WHEN {quoted} = 'NaN' THEN {NAN} ELSE ({quoted} * {10 ** digits[1]})::int8 END"
    if base == "numeric":
        return f"trim_scale({quoted})" if "int" in str(field.type) else quoted
    return None


def packed(column: SqlColumn, field: Field) -> tuple[int, int] | None:
    """Give precision and scale of a numeric that travels as a whole number: a third of the work of its own form."""
    digits: tuple[int, int] | None = column.facts["digits"]
    fits = digits is not None and digits[0] <= _PACKED_DIGITS and isinstance(field.type, lt.Decimal)
    return digits if fits else None


def _array(quoted: str, column: SqlColumn, want: lt.List) -> str:
    """Select an array of one dimension; the driver would flatten one of several in silence, so the server refuses it.

    The text is made from the value, else the planner would try the cast once for all.
    """
    if isinstance(want.element, lt.List):
        raise _not_held(column, want, "json")
    element = str(column.facts["element"])
    cast = "text" if want.element == _STRING and element not in TEXTS else _element_cast(element)
    if cast is None and not column.facts["plain_element"]:
        cast = element
    value = f"{quoted}::{cast}[]" if cast else quoted
    name = column.name.replace("'", "''")
    said = f"(array_ndims({quoted}) || ' dimensions in column {name}, and its contract says a list; say json')"
    return f"CASE WHEN array_ndims({quoted}) > 1 THEN ({value})[{said}::int4 : 1] ELSE {value} END"


def _element_cast(element: str) -> str | None:
    if element in CAST:
        return CAST[element][0]
    return None if element in BINARY or element == "numeric" else "text"


def _not_held(column: SqlColumn, want: lt.LogicalType, instead: str) -> ConfigurationError:
    return ConfigurationError(
        f"column {column.name!r} is {column.type}, which the contract's {want} cannot hold; say {instead} there",
        "TYPE_NOT_HELD",
        {"column": column.name, "type": column.type},
    )


def _undomained(oid: int, known: Types, modifier: int, dimensions: int) -> tuple[Mapping[str, Any], int, int]:
    found = known[oid]
    while found["kind"] == "d":
        modifier = modifier if modifier >= 0 else found["modifier"]
        dimensions = dimensions or found["dimensions"]
        found = known[found["base"]]
    return found, modifier, dimensions


def _plain(found: Mapping[str, Any]) -> str:
    """Name a built-in type; another's name may be the same and mean something else."""
    return str(found["plain"]) if found["schema"] == "pg_catalog" else str(found["name"])


def _logical(facts: Mapping[str, Any], modifier: int, dimensions: int) -> str:
    if facts["element"]:
        if dimensions > 1:
            return "json"
        return f"list<{_simple(str(facts['element']), modifier)}>"
    if facts["composite"] or facts["hstore"]:
        return "json"
    return _simple(str(facts["base"]), modifier)


def _simple(base: str, modifier: int) -> str:
    if base in JSON:
        return "json"
    if base in CAST:
        return CAST[base][1]
    return _decimal(modifier) if base == "numeric" else BINARY.get(base, "string")


def _decimal(modifier: int) -> str:
    digits = _digits(modifier)
    return str(lt.Decimal(*digits)) if digits and digits[0] <= lt.MAX_PRECISION else "string"


def _digits(modifier: int) -> tuple[int, int] | None:
    """Read precision and scale; a scale below 0 or above the precision is brought to where a decimal has it."""
    if modifier < _MODIFIER_HEAD:
        return None
    said = modifier - _MODIFIER_HEAD
    precision, scale = said >> 16, ((said & 0x7FF) ^ 0x400) - 0x400
    return max(precision - min(scale, 0), scale), max(scale, 0)
