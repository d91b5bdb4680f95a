"""Types of MySQL and MariaDB: which logical type holds all values of each, and how a column is selected for a contract.

============================== =================== =====================================================================
MySQL, MariaDB                 drafted as          how it is read
============================== =================== =====================================================================
tinyint(1), bit(1)             boolean             as a number; what is neither 0 nor 1 only fits an integer
tinyint ... bigint             int8 ... int64      as a number; mediumint is int32, year int16
the same, unsigned             uint8 ... uint64    as a number
decimal(p,s), p up to 38       decimal(p,s)        as text, so exact
decimal, more digits           string              as text
float                          float32             as the double that it is, since its own text has six digits only
double                         double              as text, which the server writes so that it comes back the same
bit(n)                         uint64              as a number
char, varchar, text, enum, set string              as text in UTF-8, whatever its character set
uuid, inet4, inet6             uuid, string        as text
json                           json                as text
binary, varbinary, blob        binary              bytes; binary(n) with its zero bytes at the end
date                           date                as text; zero dates: see the option `zero_dates`
datetime                       timestamp           what the clock showed
timestamp                      timestamptz         in UTC
time                           time                as text; negative ones and those beyond a day only fit string
geometry and its kin           binary              WKB by ST_AsBinary, without the SRID; string is WKT
============================== =================== =====================================================================

A contract may ask for another type wherever validation reads it from the same text without loss.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from dativo_dagster.config import types as lt
from dativo_dagster.connectors.sql.base import SqlColumn
from dativo_ingest.exceptions import ConfigurationError, ValidationError

if TYPE_CHECKING:
    import pyarrow as pa

    from dativo_dagster.config.contract import Field
    from dativo_dagster.state.window import Kind

_INTEGERS = {"tinyint": 8, "smallint": 16, "mediumint": 32, "int": 32, "bigint": 64}
_TEXTS = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"})
_BYTES = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
_GEOMETRY = frozenset(
    {
        "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
        "geometrycollection", "geomcollection",
    }
)  # fmt: skip
_DATES = frozenset({"date", "datetime", "timestamp"})
_SAME = {
    "float": "float32",
    "double": "double",
    "bit": "uint64",
    "year": "int16",
    "date": "date",
    "datetime": "timestamp",
    "timestamp": "timestamptz",
    "time": "time",
    "json": "json",
    "uuid": "uuid",
}
_KINDS: dict[str, Kind] = {
    **dict.fromkeys((*_INTEGERS, "year"), "integer"),
    **dict.fromkeys(("char", "varchar"), "text"),
    "decimal": "numeric",
    "date": "date",
    "datetime": "timestamp",
    "timestamp": "timestamptz",
}
_BINARY_CHARSET, _UNSIGNED, _ENUM, _SET = 63, 32, 256, 2048
_BY_CODE = {
    0: "decimal", 246: "decimal", 1: "tinyint", 2: "smallint", 3: "int", 8: "bigint", 9: "mediumint", 4: "float",
    5: "double", 6: "varchar", 7: "timestamp", 10: "date", 14: "date", 11: "time", 12: "datetime", 13: "year",
    16: "bit", 245: "json", 255: "geometry",
}  # fmt: skip
_TIMESTAMP, _JSON = 7, 245
_MICROSECONDS = 6  # digits of a second; more says that a result's are not known
_BYTE_CODES = frozenset({16, 249, 250, 251, 252, 253, 254, 255})


def column_of(name: str, data: str, written: str, **more: Any) -> SqlColumn:
    """Make a column of what the catalog says: its type alone, and as a table's definition has it."""
    digits = _digits(written)
    facts: dict[str, Any] = {"data": data, "digits": digits}
    if data in {"datetime", "timestamp"}:
        facts["places"] = digits[0] if digits else 0
    return SqlColumn(name=name, type=written, logical=_logical(data, written), facts=facts, **more)


def column_of_result(field: Any) -> SqlColumn:
    """Make a column of what a result says of it; lengths of text it does not say."""
    code, flags = field.type_code, field.flags
    data = _BY_CODE.get(code) or _text_type(field)
    written = data
    if data == "decimal":
        written = f"decimal({field.length - (field.scale > 0) - (not flags & _UNSIGNED)},{field.scale})"
    elif data in {"datetime", "timestamp"} and 0 < field.scale <= _MICROSECONDS:
        written = f"{data}({field.scale})"
    elif data in _INTEGERS or data == "bit":
        written = f"{data}({field.length})" + " unsigned" * bool(flags & _UNSIGNED)
    return column_of(field.name, data, written, nullable=not flags & 1)


def kind(column: SqlColumn) -> Kind | None:
    """Say what kind of cursor a column can be."""
    return _KINDS.get(column.facts["data"])


def expression(name: str, column: SqlColumn, field: Field, *, zero_dates: str) -> str:
    """Write how the column ``name``, which is quoted, is selected for a field of the contract.

    Raises:
        ConfigurationError: ``TYPE_NOT_HELD``.
    """
    data, wanted = column.facts["data"], str(field.type)
    if (wanted == "binary") != (data in _BYTES | _GEOMETRY) and "binary" in {wanted, column.logical}:
        if data in _GEOMETRY and wanted == "string":
            return f"ST_AsText({name})"
        if wanted != "uuid":
            raise _not_held(column, wanted)
    if data in _GEOMETRY:
        return f"ST_AsBinary({name})"
    if data in _DATES and zero_dates == "null" and wanted != "string":
        name = f"CASE WHEN MONTH({name}) = 0 OR DAYOFMONTH({name}) = 0 THEN NULL ELSE {name} END"
    if data == "bit":
        return f"{name} + 0"
    if wanted == "string" and data not in _TEXTS:
        return f"CAST({name} AS CHAR)"
    if data == "float" and not wanted.startswith("decimal"):
        return f"{name} + 0e0"
    return f"CAST({name} AS CHAR)" if data in {"uuid", "inet6", "inet4"} else name


def is_bytes(field: Any) -> bool:
    """Say whether a result's column has bytes that are no text."""
    return field.type_code in _BYTE_CODES and field.charsetnr == _BINARY_CHARSET


def texts(name: str, array: pa.Array) -> pa.Array:
    """Make text of a column that the server sends as such.

    Raises:
        ValidationError: ``BAD_VALUE``: it is no UTF-8, which only a damaged table can have.
    """
    import pyarrow as pa

    try:
        return array.cast(pa.string())
    except pa.ArrowInvalid as error:
        raise ValidationError(f"column {name!r} has text that is not UTF-8", "BAD_VALUE", {"column": name}) from error


def typed(column: SqlColumn, field: Field, array: pa.Array) -> pa.Array:
    """Give a column of text as what it is at the source, where text alone would be read too kindly.

    A whole number as text would fit a double that rounds it, and a moment as text lacks its zone. What cannot be
    read, such as a zero date, goes on as text: validation refuses those rows and keeps the others.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from dativo_dagster.validation.typemap import arrow_type

    wanted = str(field.type)
    if not pa.types.is_string(array.type) or wanted in {"string", "boolean", "json"}:
        return array
    if column.logical == "timestamptz":
        return pc.binary_join_element_wise(array, pa.scalar("Z"), pa.scalar(""))
    kind = lt.parse_type("int8" if column.logical == "boolean" else column.logical)
    if not isinstance(kind, lt.Decimal) and "int" not in str(kind):
        return array
    try:
        return array.cast(arrow_type(kind))
    except pa.ArrowInvalid:
        return array


def _logical(data: str, written: str) -> str:
    digits = _digits(written)
    if data in {"tinyint", "bit"} and digits == (1,):
        return "boolean"
    if data in _INTEGERS:
        return f"{'u' if 'unsigned' in written else ''}int{_INTEGERS[data]}"
    if data == "decimal":
        precision, scale = (*digits, 0, 0)[:2] if digits else (10, 0)
        return f"decimal({precision},{scale})" if precision <= lt.MAX_PRECISION else "string"
    if data in _BYTES | _GEOMETRY:
        return "binary"
    return _SAME.get(data, "string")


def _digits(written: str) -> tuple[int, ...]:
    found = re.match(r"\w+\(([0-9, ]+)\)", written)
    return tuple(int(n) for n in found.group(1).split(",")) if found else ()


def _text_type(field: Any) -> str:
    if field.flags & _ENUM:
        return "enum"
    if field.flags & _SET:
        return "set"
    return "varbinary" if is_bytes(field) else "varchar"


def _not_held(column: SqlColumn, wanted: str) -> ConfigurationError:
    return ConfigurationError(
        f"column {column.name!r} is {column.type} at the source, and {wanted} cannot hold it; say {column.logical} in "
        "the contract, or convert it in a `query`",
        "TYPE_NOT_HELD",
        {"column": column.name, "type": column.type, "wanted": wanted},
    )
