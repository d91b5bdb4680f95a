"""Logical types, and values and texts of them, for properties that hold for every type."""

import base64
import datetime as dt
import decimal
import json
import string

import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import strategies as st

from dativo_dagster.config import types as lt
from dativo_dagster.validation.convert import convert

UNITS = ("s", "ms", "us", "ns")
FLAT = [
    *(lt.Primitive(name) for name in lt.Simple.__args__),
    lt.Decimal(5, 2),
    lt.Decimal(38, 0),
    lt.Decimal(38, 38),
    *(lt.Time(unit) for unit in UNITS),
    *(lt.Timestamp(unit, zoned=zoned) for unit in UNITS for zoned in (False, True)),
]
DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}

names = st.text(min_size=1, max_size=8) | st.text(string.ascii_letters + "_", min_size=1, max_size=8)
decimals = st.integers(1, 38).flatmap(lambda p: st.builds(lt.Decimal, st.just(p), st.integers(0, p)))
flat_types = st.sampled_from(FLAT) | decimals


def _composed(inner):
    fields = st.lists(st.tuples(names, inner), min_size=1, max_size=3, unique_by=lambda f: f[0])
    return (
        st.builds(lt.List, inner)
        | st.builds(lt.Map, st.sampled_from([lt.Primitive("string"), lt.Primitive("int64")]), inner)
        | st.builds(lt.Struct, fields.map(tuple))
    )


types = st.recursive(flat_types, _composed, max_leaves=5)

_integers = {
    f"{sign}int{bits}": st.integers(*((0, 2**bits - 1) if sign else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)))
    for bits in (8, 16, 32, 64)
    for sign in ("", "u")
}
_json = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda i: st.lists(i, max_size=2))
_texts = {
    **{name: values.map(str) for name, values in _integers.items()},
    "boolean": st.sampled_from(["true", "FALSE", "1", "0", "Yes", "no", "ON", "off"]),
    "float32": st.floats(width=32).map(repr),
    "double": st.floats().map(repr),
    "string": st.text(st.characters(exclude_categories=["Cs"])),
    "binary": st.binary().map(lambda b: base64.b64encode(b).decode()),
    "uuid": st.uuids().map(str),
    "date": st.dates().map(str),
    "json": _json.map(json.dumps),
}


def texts(kind):
    """Texts that say a value of a flat type."""
    if isinstance(kind, lt.Primitive):
        return _texts[kind.name]
    if isinstance(kind, lt.Decimal):
        top = 10**kind.precision - 1
        return st.integers(-top, top).map(lambda i: format(decimal.Decimal(i).scaleb(-kind.scale, _WIDE), "f"))
    if isinstance(kind, lt.Time):
        return st.builds(_fraction, st.times().map(lambda t: t.strftime("%H:%M:%S")), st.just(kind.unit), _nanos)
    between = st.datetimes(*_NANOSECONDS) if kind.unit == "ns" else st.datetimes()
    moments = st.builds(
        _fraction, between.map(lambda t: t.replace(microsecond=0).isoformat()), st.just(kind.unit), _nanos
    )
    return moments.map(lambda t: t + "Z") if kind.zoned else moments


_NANOSECONDS = [dt.datetime.fromisoformat(f"{year}-01-01") for year in (1678, 2261)]
_WIDE = decimal.Context(prec=60)
_nanos = st.integers(0, 10**9 - 1)


def _fraction(moment, unit, nanos):
    digits = DIGITS[unit]
    return moment if not digits else f"{moment}.{nanos:09}"[: len(moment) + 1 + digits]


_sizes = st.integers(0, 8)


def arrays(kind, size=_sizes):
    """Arrow arrays of a logical type, with NULLs."""
    if isinstance(kind, lt.List):
        return _lists(kind, size)
    if isinstance(kind, lt.Map):
        return _maps(kind, size)
    if isinstance(kind, lt.Struct):
        return _structs(kind, size)
    said = size.flatmap(lambda n: st.lists(st.none() | texts(kind), min_size=n, max_size=n))
    return said.map(lambda values: convert(pa.array(values, pa.string()), kind).values)


@st.composite
def _lists(draw, kind, size):
    lengths = draw(size.flatmap(lambda n: st.lists(st.integers(0, 2), min_size=n, max_size=n)))
    values = draw(arrays(kind.element, st.just(sum(lengths))))
    offsets = [sum(lengths[:i]) for i in range(len(lengths) + 1)]
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values, type=_arrow(kind))


@st.composite
def _maps(draw, kind, size):
    rows = draw(size)
    present = pa.array(draw(st.lists(st.booleans(), min_size=rows, max_size=rows)), pa.bool_())
    keys = convert(pa.array([str(i) for i in range(rows)], pa.string()), kind.key).values
    values = draw(arrays(kind.value, st.just(rows)))
    offsets = pa.array(range(rows + 1), pa.int32())
    return pa.MapArray.from_arrays(offsets, keys, values, type=_arrow(kind), mask=pc.invert(present))


@st.composite
def _structs(draw, kind, size):
    rows = draw(size)
    missing = pa.array(draw(st.lists(st.booleans(), min_size=rows, max_size=rows)), pa.bool_())
    children = [draw(arrays(inner, st.just(rows))) for _, inner in kind.fields]
    return pa.StructArray.from_arrays(children, fields=list(_arrow(kind)), mask=missing)


def _arrow(kind):
    from dativo_dagster.validation.typemap import arrow_type

    return arrow_type(kind)
