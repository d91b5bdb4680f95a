"""What a database's options mean, which tables they name, and how a relation is cut. No server needed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dativo_dagster.connectors.sql.base import Relation
from dativo_dagster.connectors.sql.choice import all_found, find, item_of, matches
from dativo_dagster.connectors.sql.pieces import ranges
from dativo_dagster.connectors.sql.postgres import Config
from dativo_ingest.exceptions import ConfigurationError

ADDRESS = {"host": "db", "port": 5433, "database": "shop", "user": "me", "password": "it's"}


@pytest.mark.parametrize(
    "options",
    [
        ADDRESS,
        {"connection": ADDRESS},
        {"connection": {"postgres": {**ADDRESS, "port": "5433"}}},
        {"connection": {"host": "db", "dbname": "shop", "port": 5433},
         "credentials": {"username": "me", "password": "it's"}},
        {"url": "postgresql://me:it%27s@db:5433/shop"},
        {"dsn": "postgresql://me:it%27s@other:5433/shop", "host": "db"},
        {"type": "postgres", "engine": {"type": "meltano"}, "connection": ADDRESS, "credentials": {"type": "basic"}},
    ],
)  # fmt: skip
def test_an_address_has_many_forms(options):
    assert Config.model_validate(options).address() == ADDRESS


def test_a_password_is_not_shown():
    config = Config.model_validate({"url": "postgresql://me:hunter2@db/shop", "password": "hunter2"})
    assert "hunter2" not in repr(config)
    with pytest.raises(ConfigurationError) as caught:
        Config.model_validate({"url": "me:hunter2@db:x/shop"}).address()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "options", [{"tables": "a", "query": "SELECT 1"}, {"query": " ;"}, {"timezone": "Mars"}, {"tabels": "a"}]
)
def test_options_that_cannot_be_are_refused(options):
    with pytest.raises(ValidationError):
        Config.model_validate(options)


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("a.*", "a.b", True),
        ("*", "a.b", True),
        ("b*", "a.bc", True),
        ("b", "a.B", False),
        ("a.b", "ab", False),
        ("a.b_", "a.bc", False),
    ],
)
def test_a_pattern_fits(pattern, name, fits):
    assert matches(pattern, name) == fits


def test_a_stream_has_its_own_line_or_the_only_one():
    config = Config.model_validate({"tables": [{"name": "s.a", "object": "x"}, "s.b"]})
    found = [item_of(config, name) for name in ("x", "b", "s.b", "other")]
    assert [item and item.name for item in found] == ["s.a", "s.b", "s.b", None]


def test_a_table_that_is_not_there_is_told_with_its_neighbour():
    relations = [Relation(name="public.orders", source="")]
    assert find("orders", relations, ["sales", "public"], "here").name == "public.orders"
    with pytest.raises(ConfigurationError, match=r"TABLE_NOT_FOUND.*did you mean 'public.orders'"):
        find("Order", relations, ["public"], "here")


def test_a_stream_without_a_line_of_its_own_is_told_how_to_name_its_table():
    relations = [Relation(name=f"public.{name}", source="") for name in ("customers", "customer_notes", "orders")]
    with pytest.raises(ConfigurationError) as caught:
        find("customer", relations, ["public"], "here", said=False)
    assert "near are public.customers, public.customer_notes." in caught.value.message
    assert "the stream's name is taken for the table's" in caught.value.message
    assert "`tables: public.customers`" in caught.value.message
    with pytest.raises(ConfigurationError) as caught:
        find("customer", relations, ["public"], "here")
    assert "taken" not in caught.value.message


def test_no_more_than_five_tables_are_named_and_none_of_the_system():
    relations = [Relation(name=f"s.{letter * 9}", source="") for letter in "gfedcba"]
    relations.append(Relation(name="pg_catalog.pg_class", source=""))
    with pytest.raises(ConfigurationError, match=r"it has s\.a{9}, s\.b{9}, .*, s\.e{9} and 2 more"):
        find("pg_class", relations, ["s"], "here")


def test_a_line_that_names_nothing_is_not_passed_over():
    relations = [Relation(name="public.orders", source="")]
    lines = Config.model_validate({"tables": ["public.*", "sales.*"]})
    with pytest.raises(ConfigurationError, match=r"TABLE_NOT_FOUND.*'sales\.\*'"):
        all_found(lines, relations, "here")


@given(st.integers(-100, 100), st.integers(0, 100), st.integers(1, 20), st.integers(-300, 300))
def test_every_number_is_in_one_range(low, width, parts, number):
    pieces = ranges("n", low, low + width, parts, str)
    hits = [p for p in pieces if not p.condition or eval(p.condition.replace("AND", "and"), {"n": number})]
    assert len(hits) == 1
    assert len(pieces) <= parts
