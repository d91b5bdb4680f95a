import decimal
import json

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dativo_dagster.config import types as lt
from dativo_dagster.config.types import parse_type
from dativo_dagster.validation.convert import convert
from dativo_dagster.validation.text import parse
from dativo_dagster.validation.typemap import arrow_type
from tests.fakes.types import decimals, flat_types, texts

_cases = flat_types.flatmap(lambda kind: st.tuples(st.just(kind), st.lists(st.none() | texts(kind), max_size=6)))


def read(kind, *values, zone=None):
    """The values as Python has them, and "bad" where a row is."""
    found = parse(pa.array(values, pa.string()), parse_type(kind), zone)
    assert found.values.type == arrow_type(parse_type(kind))
    bad = found.bad.to_pylist() if found.bad is not None else [False] * len(values)
    values = found.values
    if pa.types.is_temporal(values.type) or pa.types.is_decimal(values.type):
        values = values.cast(pa.string())
    shown = values.to_pylist()
    assert not any(b and v is not None for b, v in zip(bad, shown, strict=True))
    return ["bad" if b else v for b, v in zip(bad, shown, strict=True)]


@given(_cases)
def test_every_text_of_a_type_is_read_and_means_the_same_when_written_again(case):
    kind, said = case
    found = parse(pa.array(said, pa.string()), kind)
    assert found.bad is None
    assert found.values.type == arrow_type(kind)
    assert found.values.null_count == sum(v is None for v in said)
    again = _written(found.values)
    assert parse(again, kind).values.equals(found.values) or _has_nan(found.values)


@given(_cases, st.lists(st.sampled_from(["", "junk", "1e5x", "0x1F", "2020-02-30", "12:60", "{", "--1"]), max_size=3))
def test_bad_rows_are_found_one_by_one_and_change_no_other(case, junk):
    kind, said = case
    assume(kind != lt.Primitive("string"))
    clean = parse(pa.array(said, pa.string()), kind)
    junk = [j for j in junk if parse(pa.array([j], pa.string()), kind).bad is not None]
    mixed = parse(pa.array([*junk, *said], pa.string()), kind)
    assert (mixed.bad is not None) == bool(junk)
    rest = mixed.values[len(junk) :]
    assert rest.equals(clean.values) or _has_nan(rest)
    if junk:
        assert mixed.bad.to_pylist() == [True] * len(junk) + [False] * len(said)


@given(_cases)
def test_blanks_around_a_value_mean_nothing_but_in_a_string(case):
    kind, said = case
    assume(kind != lt.Primitive("string"))
    padded = [v if v is None else f" {v}\t" for v in said]
    found = parse(pa.array(padded, pa.string()), kind)
    assert found.bad is None
    plain = parse(pa.array(said, pa.string()), kind).values
    assert kind == lt.Primitive("json") or found.values.equals(plain) or _has_nan(plain)


@given(flat_types, st.lists(st.none() | st.text(max_size=12), max_size=6))
def test_any_text_is_read_or_bad(kind, said):
    array = pa.array([v and v.encode(errors="replace").decode() for v in said], pa.string())
    found = parse(array, kind)
    bad = found.bad if found.bad is not None else pa.array([False] * len(said), pa.bool_())
    assert len(found.values) == len(said)
    assert found.values.is_valid().to_pylist() == pc.and_not(array.is_valid(), bad).to_pylist()


@pytest.mark.parametrize("source", [pa.string(), pa.large_string(), pa.string_view()])
def test_every_kind_of_text_is_read(source):
    values = pa.array(["1", None, "x", " 3 "], source)[1:]
    found = convert(values, parse_type("int8"))
    assert found.values.to_pylist() == [None, None, 3]
    assert found.bad.to_pylist() == [False, True, False]


def test_integers_are_digits_with_a_sign():
    assert read("int64", "1", " -2 ", "+3", "007") == [1, -2, 3, 7]
    assert read("int64", "12.0", "1e3", "0x1F", "", "1_000", "٣") == ["bad"] * 6
    assert read("int8", "127", "128", "-128", "-129") == [127, "bad", -128, "bad"]
    assert read("uint64", str(2**64 - 1), str(2**64), "-1", "-0") == [2**64 - 1, "bad", "bad", 0]
    assert read("int64", "9" * 39, "1" * 100, "0" * 50 + "1") == ["bad", "bad", 1]


def test_floats_are_the_nearest_ones_and_never_infinite_by_accident():
    assert read("double", "0.1", "1e3", "-.5", "5.") == [0.1, 1000.0, -0.5, 5.0]
    assert read("double", "inf", "-Infinity", "1e400") == [float("inf"), float("-inf"), "bad"]
    assert read("float32", "3.5e38") == ["bad"]
    assert read("double", "1,5", "0x1p3", "one") == ["bad"] * 3


def test_decimals_keep_every_digit_or_are_bad():
    assert read("decimal(5,2)", "1.2", "1.230", "1e2", "-.5", "+001.50") == ["1.20", "1.23", "100.00", "-0.50", "1.50"]
    assert read("decimal(5,2)", "1.234", "1000", "nan", "1e-3") == ["bad"] * 4
    assert read("decimal(38,0)", "9" * 38, "1" + "0" * 38) == ["9" * 38, "bad"]


_digits = st.text("0123456789", max_size=45) | st.text("01", max_size=4)
_exponents = st.just("") | st.integers(-400, 400).map("e{}".format) | st.integers(-40, 40).map("E{:+}".format)


@given(st.tuples(st.sampled_from(["", "-", "+"]), _digits, st.sampled_from(["", "."]), _digits, _exponents), decimals)
def test_any_number_is_the_same_decimal_or_bad(parts, kind):
    text = "".join(parts)
    try:
        value = decimal.Decimal(text)
    except decimal.InvalidOperation:
        assert read(str(kind), text) == ["bad"]
        return
    with decimal.localcontext(decimal.Context(prec=1000)):
        fits = abs(value) < 10 ** (kind.precision - kind.scale) and value == value.quantize(_step(kind))
    (found,) = read(str(kind), text)
    if found == "bad":
        assert not fits or (not value and abs(value.adjusted()) > 76)
    else:
        assert fits
        assert decimal.Decimal(found) == value


def _step(kind):
    return decimal.Decimal(1).scaleb(-kind.scale)


def test_a_decimal_beyond_128_bits_does_not_wrap_around():
    # Arrow 26 reads the first as 1, the second as 0.97... and the third as 0.
    assert read("decimal(38,0)", str(2**128 + 1)) == ["bad"]
    assert read("decimal(37,37)", "35") == ["bad"]
    assert read("decimal(3,3)", "1e-309") == ["bad"]
    assert read("decimal(38,0)", "0." + "0" * 60) == ["0"]


def test_booleans_are_the_words_of_the_earlier_system():
    assert read("boolean", "TRUE", "1", "yes", " On ", "False", "0", "no", "oFF") == [True] * 4 + [False] * 4
    assert read("boolean", "y", "2", "", "null") == ["bad"] * 4


def test_dates_are_on_the_calendar():
    assert read("date", "2024-02-29", "2024-02-30", "2023-02-29", "2024-13-01", "0000-01-01", "1.2.2024") == [
        "2024-02-29",
        *["bad"] * 5,
    ]
    assert read("date", "2024-01-31T00:00:00", "2024-01-31 00:00", "2024-01-31T00:00:01") == ["2024-01-31"] * 2 + [
        "bad"
    ]


def test_times_of_day_end_before_midnight():
    assert read("time", "00:00", "23:59:59.999999", "24:00", "10", "10:60", "10:00Z") == [
        "00:00:00.000000",
        "23:59:59.999999",
        *["bad"] * 4,
    ]
    assert read("time[s]", "10:00:00.000", "10:00:00.5") == ["10:00:00", "bad"]


def test_timestamps_are_iso_8601_and_keep_all_of_their_fraction():
    assert read("timestamp", "2014-02-08 10:01:36.827", "2020-01-01", "2020-01-01T10:00") == [
        "2014-02-08 10:01:36.827000",
        "2020-01-01 00:00:00.000000",
        "2020-01-01 10:00:00.000000",
    ]
    assert read("timestamp", "2020-01-01T00:00:00.123456789", "2020-01-01T00:00:00.123456000") == [
        "bad",
        "2020-01-01 00:00:00.123456",
    ]
    assert read("timestamp[ns]", "2020-01-01T00:00:00.123456789", "1600-01-01", "9999-01-01") == [
        "2020-01-01 00:00:00.123456789",
        "bad",
        "bad",
    ]


def test_a_zone_is_neither_dropped_nor_guessed():
    assert read("timestamp", "2020-01-01T10:00:00Z", "2020-01-01T10:00:00+02:00") == ["bad", "bad"]
    assert read("timestamptz", "2020-01-01T10:00:00", "2020-01-01") == ["bad", "bad"]
    assert read(
        "timestamptz", "2020-01-01T10:00:00+02:00", "2020-01-01 10:00:00 UTC", "2020-01-01T10:00:00.5 -0100"
    ) == [
        "2020-01-01 08:00:00.000000Z",
        "2020-01-01 10:00:00.000000Z",
        "2020-01-01 11:00:00.500000Z",
    ]


def test_clocks_of_a_said_zone_are_instants_unless_the_hour_was_there_twice_or_never():
    said = ("2024-07-01 12:00", "2024-07-01T12:00Z", "2024-03-31 02:30:00", "2024-10-27 02:30:00")
    assert read("timestamptz", *said, zone="Europe/Berlin") == [
        "2024-07-01 10:00:00.000000Z",
        "2024-07-01 12:00:00.000000Z",
        "bad",
        "bad",
    ]


def test_uuids_are_32_hex_digits():
    text = "12345678-9ABC-def0-1234-56789abcdef0"
    found = read("uuid", text, text.replace("-", ""), text[:-1], "g" * 32, None)
    assert [str(v) for v in found] == [text.lower()] * 2 + ["bad", "bad", "None"]


def test_binary_is_base64():
    assert read("binary", "aGk=", "", "aGk", "a b=") == [b"hi", b"", "bad", "bad"]


@pytest.mark.parametrize("bad", ["", "{", "1,2", "NaN", "[1", "2]", "'a'", "{} {}", "\x00", '1,"', "[" * 5000])
def test_json_is_one_text_each(bad):
    good = ['{"a": [1, 2]}', " null ", '"x,y"', "1e5"]
    assert read("json", *good, None) == [*good, None]
    assert read("json", *good, bad) == [*good, "bad"]
    assert read("json", bad) == ["bad"]


def test_two_broken_json_texts_do_not_make_a_whole_one():
    assert read("json", "[1", "2]", "1,2") == ["bad"] * 3
    assert read("json", '{"a":1', "2}") == ["bad"] * 2


def test_text_is_no_list_map_or_struct():
    for kind in ("list<int8>", "map<string,int8>", "struct<a: int8>"):
        assert read(kind, json.dumps([1]), None) == ["bad", None]


def _written(values):
    if pa.types.is_boolean(values.type):
        return pc.if_else(values, "true", "false")
    if values.type == pa.binary():
        import base64

        return pa.array([v if v is None else base64.b64encode(v).decode() for v in values.to_pylist()], pa.string())
    if values.type == pa.uuid():
        return pa.array([v and str(v) for v in values.to_pylist()], pa.string())
    return values.cast(pa.string())


def _has_nan(values):
    return pa.types.is_floating(values.type) and pc.any(pc.is_nan(values)).as_py()
