import pytest
from hypothesis import given
from hypothesis import strategies as st

from dativo_dagster.config.types import ALIASES, Decimal, List, Map, Primitive, Struct, Time, Timestamp, parse_type
from dativo_ingest.exceptions import ConfigurationError
from tests.fakes.types import types


@given(types)
def test_every_type_is_text_that_parses_back_to_it(kind):
    assert parse_type(str(kind)) == kind


@given(types)
def test_blanks_and_case_of_keywords_mean_nothing(kind):
    text = str(kind)
    if '"' not in text and "struct" not in text:
        assert parse_type(f"  {text.upper().replace('<', ' < ').replace(',', ' , ')} ") == kind


@given(st.text(max_size=30))
def test_any_text_is_a_type_or_a_clear_error(text):
    try:
        parse_type(text)
    except ConfigurationError as error:
        assert error.error_code == "BAD_TYPE"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("decimal(12, 2)", Decimal(12, 2)),
        ("decimal(12)", Decimal(12, 0)),
        ("numeric", Decimal(38, 9)),
        ("time[ms]", Time("ms")),
        ("timestamp", Timestamp("us")),
        ("timestamptz[NS]", Timestamp("ns", zoned=True)),
        ("list<list<int8>>", List(List(Primitive("int8")))),
        ("map<string, double>", Map(Primitive("string"), Primitive("double"))),
        ('struct<a: int64, "b c": date>', Struct((("a", Primitive("int64")), ("b c", Primitive("date"))))),
        ("array<string>", List(Primitive("string"))),
        ("array", Primitive("json")),
    ],
)
def test_the_grammar(text, kind):
    assert parse_type(text) == kind


@pytest.mark.parametrize(
    ("text", "kind"),
    [("integer", "int64"), ("bigint", "int64"), ("float", "double"), ("number", "double"), ("datetime", "timestamp")],
)
def test_names_of_the_earlier_system_stay(text, kind):
    assert parse_type(text) == parse_type(kind)


def test_every_alias_names_a_type():
    for alias in ALIASES:
        parse_type(alias + ("<int64>" if alias == "array" else ""))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "ends where a type should be"),
        ("integr", "did you mean 'integer'?"),
        ("decimal(39,2)", "decimal256 is not supported"),
        ("decimal(5,6)", "the scale lies between 0 and the precision"),
        ("varchar(20)", "min_length and max_length"),
        ("list<int64", "ends where '>' should be"),
        ("int64 int64", "'int64' is too much at the end"),
        ("timestamp[h]", "'h' is no unit"),
        ("struct<a: int8, a: int8>", "no name twice"),
        ("list<" * 50 + "int8" + ">" * 50, "nested deeper"),
    ],
)
def test_an_error_says_what_is_wrong(text, why):
    with pytest.raises(ConfigurationError, match="BAD_TYPE") as caught:
        parse_type(text)
    assert why in caught.value.message
