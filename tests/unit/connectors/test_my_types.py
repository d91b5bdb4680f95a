"""What MySQL says of a column, as a logical type; the values themselves are in tests/integration/test_mysql.py."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from dativo_dagster.config.contract import Field
from dativo_dagster.config.types import parse_type
from dativo_dagster.connectors.sql import my_types
from dativo_dagster.connectors.sql.my_errors import translate
from dativo_dagster.connectors.sql.mysql import Config
from dativo_ingest.exceptions import ConfigurationError

BINARY, UTF8, UNSIGNED = 63, 45, 32


@pytest.mark.parametrize(
    ("data", "written", "logical"),
    [
        ("tinyint", "tinyint(4)", "int8"),
        ("tinyint", "tinyint(1)", "boolean"),
        ("tinyint", "tinyint", "int8"),  # MySQL 8 says no width
        ("int", "int unsigned", "uint32"),
        ("decimal", "decimal(38,38)", "decimal(38,38)"),
        ("decimal", "decimal(39,0)", "string"),
        ("bit", "bit(1)", "boolean"),
        ("geomcollection", "geomcollection", "binary"),
        ("vector", "vector(3)", "string"),
    ],
)
def test_a_type_of_the_catalog_is_drafted(data, written, logical):
    assert my_types.column_of("c", data, written).logical == logical


def _field(code, charset=BINARY, flags=0, length=0, scale=0):
    return SimpleNamespace(name="c", type_code=code, charsetnr=charset, flags=flags, length=length, scale=scale)


@pytest.mark.parametrize(
    ("field", "logical"),
    [
        (_field(8, flags=UNSIGNED, length=20), "uint64"),
        (_field(246, length=14, scale=2), "decimal(12,2)"),
        (_field(246, length=12, scale=0, flags=UNSIGNED), "decimal(12,0)"),
        (_field(245, charset=UTF8), "json"),
        (_field(252, charset=UTF8), "string"),
        (_field(252), "binary"),
        (_field(254, charset=UTF8, flags=256), "string"),
        (_field(16, length=1), "boolean"),
    ],
)
def test_a_type_of_a_result_is_drafted(field, logical):
    assert my_types.column_of_result(field).logical == logical


def test_bytes_are_no_text_and_text_is_no_bytes():
    column = my_types.column_of("c", "blob", "blob")
    with pytest.raises(ConfigurationError, match="'c' is blob at the source, and string cannot hold it"):
        my_types.expression("`c`", column, Field(name="c", type=parse_type("string")), zero_dates="keep")


@pytest.mark.parametrize(
    ("number", "words", "code", "retryable"),
    [
        (1045, "Access denied for user 'a'@'b' (using password: YES)", "AUTHENTICATION_FAILED", False),
        (1142, "SELECT command denied to user", "PERMISSION_DENIED", False),
        (1213, "Deadlock found", "SERVER_BUSY", True),
        (3024, "Query execution was interrupted, maximum statement execution time exceeded", "STATEMENT_TIMEOUT", True),
        (2013, "Lost connection to MySQL server during query", "CONNECTION_LOST", True),
        (9999, "something new", "BAD_QUERY", False),
    ],
)
def test_an_error_is_told_by_its_number(number, words, code, retryable):
    found = translate(Exception(number, words), "here")
    assert (found.error_code, found.retryable) == (code, retryable)
    assert "here: " in found.message


def test_neither_a_value_nor_the_query_is_in_a_message():
    assert "secret" not in translate(Exception(1292, "Incorrect datetime value: 'secret' for column"), "here").message
    assert "secret" not in translate(Exception(1064, "You have an error near 'secret' at line 1"), "here").message


def test_a_mistake_of_ours_is_not_taken_for_a_lost_line():
    assert not translate(NameError("x"), "here").retryable


def test_options_of_the_earlier_system_s_recipe_are_taken():
    found = Config(
        type="mysql",
        engine={"type": "meltano", "options": {"meltano": {"tap": "tap-mysql"}}},
        credentials={"type": "basic", "file_template": "/secrets/{tenant}/mysql.env", "username": "u", "password": "p"},
        connection={"mysql": {"host": "h", "port": "3307", "database": "d"}},
        tables=[{"name": "orders", "object": "o", "cursor_field": "updated_at"}],
    )
    assert found.address() == {"host": "h", "port": 3307, "database": "d", "user": "u", "password": "p"}
    assert found.tables[0].object == "o"


@pytest.mark.parametrize(("written", "places"), [("datetime", 0), ("timestamp(3)", 3), ("datetime(6)", 6)])
def test_a_time_says_how_many_digits_of_a_second_it_keeps(written, places):
    assert my_types.column_of("at", written.partition("(")[0], written).facts["places"] == places
