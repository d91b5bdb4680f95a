import datetime as dt
import decimal
import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dativo_dagster.config.types import Decimal, parse_type
from dativo_dagster.validation.convert import convert
from dativo_dagster.validation.quarantine import json_values, records
from dativo_dagster.validation.typemap import arrow_type
from tests.fakes.types import arrays, decimals, types

D = decimal.Decimal
_int64 = st.integers(-(2**63), 2**63 - 1)
_numbers = {
    "int64": st.lists(st.none() | _int64),
    "uint64": st.lists(st.none() | st.integers(0, 2**64 - 1)),
    "double": st.lists(st.none() | st.floats() | _int64.map(float)),
    "float32": st.lists(st.none() | st.floats(width=32)),
}
_integer_names = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


def to(kind, values, source=None, zone=None):
    """The values as Python has them, and "bad" where a row is."""
    array = values if isinstance(values, pa.Array) else pa.array(values, source)
    found = convert(array, parse_type(kind), zone)
    assert found.values.type.equals(arrow_type(parse_type(kind)), check_metadata=True)
    bad = found.bad.to_pylist() if found.bad is not None else [False] * len(array)
    return ["bad" if b else v for b, v in zip(bad, found.values.to_pylist(), strict=True)]


@given(types.flatmap(lambda kind: st.tuples(st.just(kind), arrays(kind))))
def test_a_column_of_the_right_type_is_passed_on_untouched(case):
    kind, array = case
    found = convert(array, kind)
    assert found.bad is None
    assert records(pa.record_batch({"a": found.values})) == records(pa.record_batch({"a": array}))


def test_passing_on_copies_nothing():
    array = pa.array([1, 2, 3])
    assert convert(array, parse_type("int64")).values is array


@given(
    st.sampled_from(list(_numbers)).flatmap(lambda n: st.tuples(st.just(n), _numbers[n])),
    st.sampled_from(_integer_names),
)
def test_a_number_becomes_the_same_integer_or_is_bad(case, target):
    source, values = case
    array = pa.array(values, arrow_type(parse_type(source)))
    low, high = (int(x) for x in _range(target))
    for before, after in zip(array.to_pylist(), to(target, array), strict=True):
        whole = before is not None and math.isfinite(before) and before == int(before) and low <= before <= high
        assert after == (None if before is None else int(before) if whole else "bad")


@given(st.sampled_from(["int64", "uint64", "double"]).flatmap(lambda n: st.tuples(st.just(n), _numbers[n])))
def test_a_number_becomes_the_same_float_or_is_bad(case):
    source, values = case
    array = pa.array(values, arrow_type(parse_type(source)))
    for target in ("float32", "double"):
        for before, after in zip(array.to_pylist(), to(target, array), strict=True):
            if after == "bad":
                exact = pa.scalar(float(before), pa.float64()).cast(arrow_type(parse_type(target))).as_py()
                assert int(exact) != before if math.isfinite(exact) and source != "double" else exact != before
            elif before is not None and not math.isnan(before):
                assert int(after) == int(before) if math.isfinite(before) else after == before


@given(st.lists(st.none() | st.floats()), decimals)
def test_a_float_becomes_the_decimal_that_it_is_written_as_or_is_bad(values, kind):
    for before, after in zip(values, to(str(kind), values, pa.float64()), strict=True):
        if before is None:
            assert after is None
            continue
        written = D(repr(before))
        assert after == (written if _fits(written, kind) else "bad")


@given(decimals, decimals, st.data())
def test_a_decimal_keeps_all_its_digits_or_is_bad(source, target, data):
    top = 10**source.precision - 1
    small = st.integers(-min(top, 9999), min(top, 9999))
    with decimal.localcontext(decimal.Context(prec=80)):
        values = [D(i).scaleb(-source.scale) for i in data.draw(st.lists(st.integers(-top, top) | small, max_size=5))]
    found = to(str(target), values, arrow_type(source))
    for before, after in zip(values, found, strict=True):
        assert after == (before if _fits(before, target) else "bad")


@given(st.lists(st.none() | _int64), decimals)
def test_an_integer_becomes_the_same_decimal_or_is_bad(values, kind):
    for before, after in zip(values, to(str(kind), values, pa.int64()), strict=True):
        assert after == (before if before is None or _fits(D(before), kind) else "bad")


def test_a_decimal_beyond_128_bits_does_not_wrap_around():
    # Arrow 26 casts these to 0.97... and 0.86... without an error.
    assert to("decimal(37,37)", [D(35)], pa.decimal128(2, 0)) == ["bad"]
    assert to("decimal(28,28)", [9_223_372_032_724_560_860], pa.int64()) == ["bad"]


def test_a_decimal_becomes_the_float_that_means_it():
    values = [D("0.1"), D("12345678901234567890.5"), None]
    assert to("double", values, pa.decimal128(30, 10)) == [0.1, "bad", None]


@given(st.lists(st.none() | _int64), st.sampled_from(["s", "ms", "us", "ns"]), st.sampled_from(["s", "ms", "us", "ns"]))
def test_a_moment_keeps_its_instant_in_another_unit_or_is_bad(values, source, target):
    per = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
    array = pa.array(values, pa.int64()).cast(pa.timestamp(source))
    found = convert(array, parse_type(f"timestamp[{target}]"))
    bad = found.bad.to_pylist() if found.bad is not None else [False] * len(values)
    for before, after, is_bad in zip(values, found.values.cast(pa.int64()).to_pylist(), bad, strict=True):
        scaled = None if before is None else D(before) * per[target] / per[source]
        exact = scaled is not None and scaled == int(scaled) and -(2**63) <= scaled < 2**63
        assert (after, is_bad) == ((None, False) if scaled is None else (int(scaled), False) if exact else (None, True))


def test_the_same_instant_in_another_zone_is_the_same():
    there = pa.array([1_700_000_000], pa.timestamp("s", "Europe/Berlin"))
    assert to("timestamptz", there) == [dt.datetime.fromtimestamp(1_700_000_000, dt.timezone.utc)]


def test_a_zone_is_neither_dropped_nor_guessed():
    naive, zoned = pa.array([0], pa.timestamp("us")), pa.array([0], pa.timestamp("us", "UTC"))
    assert to("timestamptz", naive) == ["bad"]
    assert to("timestamp", zoned) == ["bad"]
    assert to("timestamptz", naive, zone="Europe/Berlin") == [dt.datetime(1969, 12, 31, 23, tzinfo=dt.timezone.utc)]


def test_days_and_midnights_are_the_same():
    midnight, later = dt.datetime.fromisoformat("2024-01-02"), dt.datetime.fromisoformat("2024-01-02T00:00:01")
    assert to("date", [midnight, later, None]) == [midnight.date(), "bad", None]
    assert to("timestamp", [midnight.date()]) == [midnight]
    assert to("date", [midnight.date()], pa.date64()) == [midnight.date()]


def test_a_time_of_day_keeps_its_fraction():
    assert to("time[ms]", [1_000, 1_001], pa.time64("us")) == [dt.time(0, 0, 0, 1000), "bad"]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("int64", [True]),
        ("boolean", [1]),
        ("string", [1]),
        ("string", [1.5]),
        ("string", [True]),
        ("string", [b"a"]),
        ("string", [dt.date(2020, 1, 1)]),
        ("int64", [dt.date(2020, 1, 1)]),
        ("date", [1]),
        ("json", [{"a": 1}]),
        ("list<int8>", [1]),
        ("struct<a: int8>", [[1]]),
        ("int8", [{"a": 1}]),
        ("uuid", [1]),
    ],
)
def test_what_is_no_such_thing_is_not_made_into_one(kind, values):
    assert to(kind, [*values, None]) == ["bad", None]


def test_a_column_of_nulls_has_every_type():
    assert to("struct<a: list<uuid>>", pa.nulls(2)) == [None, None]


def test_bytes_become_uuids_when_there_are_16():
    assert [str(v) for v in to("uuid", [b"\0" * 16, b"x", None])] == [
        "00000000-" + "0000-" * 3 + "0" * 12,
        "bad",
        "None",
    ]
    assert to("uuid", pa.array([b"\0" * 16], pa.binary(16))) != ["bad"]
    assert to("binary", pa.array([b"ab"], pa.binary(2))) == [b"ab"]


def test_encodings_and_extensions_say_nothing_about_a_value():
    assert to("int8", pa.array(["1", "x", None, "1"]).dictionary_encode()) == [1, "bad", None, 1]
    assert to("string", pa.RunEndEncodedArray.from_arrays([2], ["a"])) == ["a", "a"]
    assert to("json", pa.ExtensionArray.from_storage(pa.json_(), pa.array(["{}", "{"]))) == ["{}", "bad"]


def test_a_struct_is_converted_field_by_field():
    rows = [{"a": "1", "b": 2}, {"a": "x", "b": 2}, None, {"a": None, "b": 300}]
    assert to("struct<a: int64, b: int8>", rows) == [{"a": 1, "b": 2}, "bad", None, "bad"]


def test_a_field_that_the_struct_does_not_have_is_not_dropped():
    rows = [{"a": 1, "z": 2}, {"a": 1, "z": None}]
    assert to("struct<a: int64, b: int8>", rows) == ["bad", {"a": 1, "b": None}]


def test_lists_are_converted_element_by_element():
    rows = pa.array([["9"], ["1", "x"], None, [], ["3", None], ["y"]])
    expected = [[9], "bad", None, [], [3, None], "bad"]
    assert to("list<int8>", rows) == expected
    assert to("list<int8>", rows[1:]) == expected[1:]
    assert to("list<int8>", rows.cast(pa.large_list(pa.string()))) == expected
    assert to("list<list<int8>>", [[["1"], ["x"]], [[], None]]) == ["bad", [[], None]]
    assert to("list<int8>", pa.array([[1, 2], [3, 400], None], pa.list_(pa.int64(), 2))) == [[1, 2], "bad", None]


def test_maps_are_converted_key_by_key_and_value_by_value():
    rows = pa.array([[("1", "2")], [("x", "1")], None, [("1", "y")], []], pa.map_(pa.string(), pa.string()))
    expected = [[(1, 2)], "bad", None, "bad", []]
    assert to("map<int64,int8>", rows) == expected
    assert to("map<int64,int8>", rows[1:]) == expected[1:]


HOLLOW = pa.struct({"a": pa.int64(), "x": pa.null()})


@pytest.mark.parametrize(
    "kind",
    [pa.list_(pa.field("element", HOLLOW)), pa.large_list(HOLLOW), pa.list_(HOLLOW, 2), pa.list_view(HOLLOW),
     pa.large_list_view(HOLLOW)],
    ids=lambda kind: type(kind).__name__,
)  # fmt: skip
@pytest.mark.parametrize("cut", [slice(0, 4), slice(1, 4), slice(1, 3), slice(3, 4), slice(0, 0)], ids=str)
def test_a_field_that_is_null_everywhere_breaks_no_list_of_structs(kind, cut):
    rows = [[None, {"a": 1, "x": None}], None, [None, None], [{"a": 2, "x": None}, None]]
    array = pa.array(rows, kind)[cut]
    found = convert(array, parse_type("list<struct<a: int64, x: string>>"))
    found.values.validate(full=True)
    assert (found.values.to_pylist(), found.bad) == (rows[cut], None)
    assert json_values(array) == rows[cut]


def test_a_field_that_is_null_everywhere_breaks_no_map_of_structs():
    rows = [[("k", None), ("l", {"a": 1, "x": None})], None, [], [("m", {"a": 2, "x": None})]]
    array = pa.array(rows, pa.map_(pa.string(), HOLLOW))[1:]
    found = convert(array, parse_type("map<string, struct<a: int64, x: string>>"))
    found.values.validate(full=True)
    assert (found.values.to_pylist(), found.bad) == (rows[1:], None)
    assert json_values(array) == [None, [], [{"key": "m", "value": {"a": 2, "x": None}}]]


def test_json_inside_a_list_is_checked_although_its_arrow_type_is_right():
    assert to("list<json>", [["{}"], ["{"], None]) == [["{}"], "bad", None]


def _range(name):
    bits = int(name.removeprefix("u").removeprefix("int"))
    return (0, 2**bits - 1) if name[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _fits(value: D, kind: Decimal) -> bool:
    if not value.is_finite():
        return False
    with decimal.localcontext(decimal.Context(prec=400)):
        return abs(value) < D(10) ** (kind.precision - kind.scale) and value == value.quantize(D(10) ** -kind.scale)


def test_a_clock_of_a_zone_shows_moments_of_any_other():
    noon = pa.array([dt.datetime(2026, 7, 1, 12, tzinfo=dt.timezone.utc)], pa.timestamp("us", "UTC"))
    assert to("timestamp", noon, zone="Europe/Berlin") == [dt.datetime.fromisoformat("2026-07-01T14:00")]
    text = pa.array(["2026-07-01T12:00:00Z", "2026-07-01T07:00:00-05:00", "2026-07-01 09:30:00"])
    clocks = ["12:00", "12:00", "09:30"]
    assert to("timestamp", text, zone="UTC") == [dt.datetime.fromisoformat(f"2026-07-01T{c}") for c in clocks]


def test_without_its_zone_a_clock_shows_no_moment_of_another():
    assert to("timestamp", pa.array(["2026-07-01T12:00:00Z"])) == ["bad"]


def test_a_decimal_with_more_places_than_a_contract_has_is_a_float_when_it_means_one():
    tiny = decimal.Decimal("4.6026495044048574E-29")
    found = pa.array([tiny, decimal.Decimal("0.1"), None], pa.decimal256(76, 45))
    assert to("double", found) == [4.6026495044048574e-29, 0.1, None]
    third = decimal.Decimal("0." + "3" * 40)
    assert to("double", pa.array([third], pa.decimal256(60, 40))) == ["bad"]
