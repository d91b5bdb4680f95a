import datetime as dt
import decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dativo_dagster.config.contract import Field, Rule
from dativo_dagster.config.types import parse_type
from dativo_dagster.validation.convert import convert
from dativo_dagster.validation.rules import make_check
from dativo_ingest.exceptions import ConfigurationError


def broken(kind, type_, rows, /, **parameters):
    """The places of the rows that break a rule."""
    column = Field(name="a", type=parse_type(type_))
    check = make_check(Rule(kind=kind, column="a", parameters=parameters), column)
    array = rows if isinstance(rows, pa.Array) else pa.array(rows)
    mask = check(convert(array, column.type).values)
    if mask is None:
        return []
    assert mask.null_count == 0
    assert mask.true_count, "a mask without a broken row costs for nothing"
    return [i for i, b in enumerate(mask.to_pylist()) if b]


def test_required_is_about_null_and_not_about_empty_text():
    assert broken("required", "string", ["", None, "a", None]) == [1, 3]
    assert broken("required", "string", ["", "a"]) == []


@pytest.mark.parametrize("kind", ["enum", "range", "length", "pattern"])
def test_null_and_nothing_at_all_break_no_other_rule(kind):
    parameters = {
        "enum": {"values": ["a"]},
        "range": {"minimum": "a"},
        "length": {"minimum": 1},
        "pattern": {"regex": "a"},
    }[kind]
    assert broken(kind, "string", pa.array([None, None], pa.string()), **parameters) == []
    assert broken(kind, "string", pa.array([], pa.string()), **parameters) == []


_bounds = st.none() | st.integers(-300, 300) | st.floats(-300, 300).map(lambda x: round(x, 3))


@given(
    st.lists(st.none() | st.integers(-128, 127)),
    st.sampled_from(["int8", "int64", "double", "decimal(5,2)"]),
    st.fixed_dictionaries(dict.fromkeys(("minimum", "maximum", "exclusive_minimum", "exclusive_maximum"), _bounds)),
)
def test_a_range_holds_as_python_compares(values, type_, bounds):
    given_bounds = {k: v for k, v in bounds.items() if v is not None}
    if not given_bounds:
        return
    try:
        found = broken("range", type_, pa.array(values, pa.int64()), **given_bounds)
    except ConfigurationError as error:
        assert "lies outside of the type" in error.message
        assert type_ == "int8"
        return
    tests = {
        "minimum": lambda v, b: v >= b,
        "maximum": lambda v, b: v <= b,
        "exclusive_minimum": lambda v, b: v > b,
        "exclusive_maximum": lambda v, b: v < b,
    }
    expected = [
        i
        for i, v in enumerate(values)
        if v is not None and not all(tests[k](v, decimal.Decimal(str(b))) for k, b in given_bounds.items())
    ]
    assert found == expected


def test_nan_is_in_no_range():
    assert broken("range", "double", [1.0, float("nan"), None], minimum=0) == [1]


def test_ranges_are_for_all_that_has_an_order():
    days = [dt.date(2020, 1, 1), None, dt.date(2019, 12, 31)]
    assert broken("range", "date", days, minimum="2020-01-01") == [2]
    instants = pa.array(["2020-01-01T00:00:00Z", "2020-01-01T00:00:01Z"])
    assert broken("range", "timestamptz", instants, maximum="2020-01-01T01:00:00+01:00") == [1]
    assert broken("range", "timestamptz", instants, exclusive_maximum="2020-01-01") == [0, 1]
    assert broken("range", "time", [dt.time(9), dt.time(18)], maximum="17:00") == [1]
    assert broken("range", "string", ["a", "m", "z"], minimum="b", maximum="y") == [0, 2]


def test_an_enum_is_of_the_type_of_its_column():
    assert broken("enum", "string", ["DE", "XX", None], values=["DE", "FR"]) == [1]
    assert broken("enum", "string", ["1", "2"], values=[1]) == [1]
    assert broken("enum", "int8", [1, 3, None], values=[1, 2, None]) == [1]
    assert broken("enum", "decimal(5,2)", ["1.50", "2"], values=[1.5]) == [1]
    assert broken("enum", "boolean", [True, False], values=[True]) == [1]
    assert broken("enum", "date", [dt.date(2020, 1, 1)], values=["2020-01-02"]) == [0]
    uuid = "12345678-9abc-def0-1234-56789abcdef0"
    assert broken("enum", "uuid", [uuid, uuid.replace("1", "2")], values=[uuid]) == [1]


def test_length_counts_characters_bytes_or_elements():
    assert broken("length", "string", ["äöü", "äöüß", "a", None], minimum=2, maximum=3) == [1, 2]
    assert broken("length", "binary", [b"abc", b""], minimum=1) == [1]
    assert broken("length", "list<int8>", [[1], [], None], minimum=1) == [1]
    assert broken(
        "length", "map<string,int8>", pa.array([[("a", 1)], []], pa.map_(pa.string(), pa.int8())), minimum=1
    ) == [1]


def test_a_pattern_matches_anywhere():
    assert broken("pattern", "string", ["a@b", "ab", None, "@"], regex="@") == [1]
    assert broken("pattern", "string", ["DE", "DEU", "de"], regex="^[A-Z]{2}$") == [1, 2]


@pytest.mark.parametrize(
    ("kind", "type_", "parameters", "why"),
    [
        ("pattern", "string", {"regex": "(?=a)"}, "no lookaround"),
        ("pattern", "string", {"regex": "("}, "RE2 cannot run"),
        ("pattern", "int8", {"regex": "a"}, "only a string has a pattern"),
        ("length", "int8", {"minimum": 1}, "have a length"),
        ("range", "boolean", {"minimum": 1}, "has no order"),
        ("range", "list<int8>", {"minimum": 1}, "has no order"),
        ("range", "int8", {"minimum": "a"}, "is not a number"),
        ("range", "int8", {"maximum": 1000}, "lies outside of the type"),
        ("range", "date", {"minimum": "yesterday"}, "is not a value of this type"),
        ("enum", "int8", {"values": ["a"]}, "is not a value of this type"),
        ("enum", "string", {"values": [False]}, "put it in quotes"),
    ],
)
def test_a_rule_that_does_not_fit_its_column_is_refused(kind, type_, parameters, why):
    with pytest.raises(ConfigurationError, match="BAD_RULE") as caught:
        broken(kind, type_, pa.array([], pa.null()), **parameters)
    assert why in caught.value.message
