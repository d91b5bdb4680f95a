from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dativo_dagster.cli.address import address_of, is_database
from dativo_dagster.cli.draft import contract_text
from dativo_dagster.cli.draft_database import DatabaseDraft, TableDraft, cursor_of, told
from dativo_dagster.cli.init_database import names_of
from dativo_dagster.config.document import parse_document
from dativo_ingest.exceptions import ConfigurationError
from dativo_ingest.model import Column, Stream

ID, AT = Column(name="id", type="int64", nullable=False), Column(name="Updated_At", type="timestamptz", nullable=False)
TABLE = Stream(name="s.t", columns=(ID, AT), primary_key=("id",))


def job(*tables, **more):
    known = {"name": "n", "tenant": "x", "target": "iceberg", "connector": "postgres", "address": {"host": "db"}}
    drafts = [TableDraft(found=t, name=f"t{i}", table=f"x.t{i}", contract=f"c{i}.yaml") for i, t in enumerate(tables)]
    return DatabaseDraft(**{**known, "variables": {}, "job_schema": "s.json", **more}, tables=drafts).job_text()


def read(text):
    return parse_document(text, Path("x")).data


def test_an_address_is_taken_apart_and_its_password_becomes_a_variable():
    address = address_of("postgresql+psycopg2://me:p%40ss@db.example.org:5433/my%20shop?sslmode=require&keepalives=1")
    assert address.connector == "postgres"
    assert address.options == {
        "host": "db.example.org",
        "port": 5433,
        "database": "my shop",
        "user": "me",
        "tls": "require",
        "options": {"keepalives": "1"},
    }
    assert address.known()["password"] == "p@ss"
    assert address.variable() == {"password": "${PGPASSWORD}"}
    assert "p@ss" not in repr(address)


def test_the_variable_serves_when_the_url_has_no_password_and_may_be_unset(monkeypatch):
    monkeypatch.delenv("MYSQL_PASSWORD", raising=False)
    assert address_of("mysql://me@db/shop").variable() == {"password": "${MYSQL_PASSWORD:-}"}
    monkeypatch.setenv("MYSQL_PASSWORD", "secret")
    assert address_of("mysql://me@db/shop").known()["password"] == "secret"


def test_a_url_for_sqlalchemy_is_a_variable_when_it_may_hold_a_secret():
    assert address_of("sqlite:///shop.db", "sqlalchemy").known() == {"url": "sqlite:///shop.db"}
    secret = address_of("mssql+pyodbc://me:word@db/shop?driver=x", "sqlalchemy")
    assert (secret.options, secret.variable()) == ({}, {"url": "${DATABASE_URL}"})
    assert secret.known() == {"url": "mssql+pyodbc://me:word@db/shop?driver=x"}


@pytest.mark.parametrize("url", ["postgres://u:hunter2@h:port/d", "hunter2", "postgres://u@h/d?sslpassword=hunter2"])
def test_a_url_that_cannot_be_used_is_refused_without_being_shown(url):
    with pytest.raises(ConfigurationError, match="BAD_OPTION") as caught:
        address_of(url, "postgres")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("postgres://h/d", True), ("MariaDB://h/d", True), ("s3://b/f.csv", False), ("mysql.csv", False)],
)
def test_a_database_is_told_from_a_file(text, is_one):
    assert is_database(text) == is_one


def test_one_table_stands_at_the_top_and_several_are_streams():
    one, two = read(job(TABLE)), read(job(TABLE, Stream(name="s.u$v", columns=(ID,))))
    assert (one["source"]["tables"], one["target"]["table"], one["contract"]) == ("s.t", "x.t0", "c0.yaml")
    assert [(s["name"], s["source"]["tables"]) for s in two["streams"]] == [("t0", "s.t"), ("t1", "s.u$$v")]
    assert {found["target"]["mode"] for found in (one, two)} == {"overwrite"}


@pytest.mark.parametrize("tables", [(TABLE,), (TABLE, TABLE)])
def test_increments_are_proposed_and_not_said(tables):
    text = job(*tables)
    assert "incremental" not in str(read(text))
    said = read(text.replace("# incremental", "incremental"))
    source = said["streams"][1]["source"] if len(tables) > 1 else said["source"]
    assert source["incremental"] == {"cursor_field": "Updated_At", "safe_lag": 60}


@pytest.mark.parametrize(
    ("column", "key"),
    [
        (Column(name="updated_at", type="timestamptz"), ("id",)),
        (Column(name="updated_at", type="date", nullable=False), ("id",)),
        (Column(name="created_at", type="timestamp", nullable=False), ("id",)),
        (AT, ()),
    ],
)
def test_nothing_is_proposed_when_rows_could_be_missed_or_doubled(column, key):
    assert "#" not in job(Stream(name="t", columns=(ID, column), primary_key=key)).replace("# the whole table", "")


def test_the_clearest_name_of_a_cursor_wins():
    columns = [Column(name=n, type="timestamp", nullable=False) for n in ("modified", "updated_at", "created_at")]
    assert cursor_of(Stream(name="t", columns=tuple(columns))) == "updated_at"


def test_columns_that_become_text_are_named_and_texts_are_not():
    types = {
        "a": "numeric", "b": "character varying(9)", "c": "jsonb", "d": "interval", "e": "tsvector", "f": "longtext",
        "g": "enum('x','y')", "h": "int4range", "i": "VARCHAR(9)", "j": "hstore", "k": "my\nown", "l": "text",
    }  # fmt: skip
    columns = tuple(Column(name=n, type="json" if n in "cj" else "string") for n in types)
    text = told(Stream(name="t", columns=columns, properties={"types": types}))
    assert [line.split()[1] for line in text.splitlines()[2:]] == ["a:", "d:", "e:", "h:", "j:", "k:"]
    assert "#   k: my own as string" in text


@given(st.text(), st.text(), st.text(min_size=1))
def test_any_comment_and_type_of_a_database_leaves_the_contract_whole(name, comment, kind):
    column = Column(name=name, description=comment)
    found = Stream(
        name=name, columns=(column,), primary_key=(name,), description=comment, properties={"types": {name: kind}}
    )
    data = read(contract_text("n", found, "s.json", told(found)))
    described = {"description": comment} if comment else {}
    assert data["schema"] == [{"name": name, "type": "string", "required": True, "primary_key": True, **described}]
    assert data.get("description", "") == comment


@given(st.lists(st.from_regex(r"[ab]\.[a-cA-C_]{1,3}", fullmatch=True), unique=True))
def test_streams_never_share_a_name(tables):
    names = names_of(tables)
    assert len(set(names)) == len(tables)


def test_streams_have_the_schema_in_their_name_only_when_they_must():
    assert names_of(["a.orders", "b.orders", "a.Order Lines"]) == ["a_orders", "b_orders", "order_lines"]


def test_options_for_databases_are_refused_for_files_and_the_reverse(desk):
    (desk.path / "a.csv").write_text("id\n1\n")
    assert "--tables needs the URL of a database" in desk("init", "a.csv", "--tables", "x").err
    assert "one database makes one job" in desk("init", "postgres://h/d", "a.csv").err
