"""Every type of PostgreSQL comes out of validation as it went in, or is refused by name."""

# ruff: noqa: DTZ001 - clocks without a zone are what some columns have

from __future__ import annotations

import math
import struct
import uuid
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from dativo_ingest.exceptions import ConfigurationError, ValidationError
from dativo_ingest.model import Stream
from tests.fakes.postgres import Database, planned, rows_of

pytestmark = pytest.mark.integration
UTC = timezone.utc
SETUP = """
CREATE EXTENSION hstore; CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TYPE point_of AS (x int, y text);
CREATE DOMAIN price AS numeric(8,2) CHECK (value > 0); CREATE DOMAIN prices AS price
"""


@pytest.fixture(scope="module")
def database(pg):
    made = Database.make(pg)
    made.run(*SETUP.split(";"))
    return made


# type in the database, literal, logical type that discovery drafts, value after validation
AS_DRAFTED = [
    ("bool", "true", "boolean", True),
    ("int2", "-32768", "int16", -32768),
    ("int4", "2147483647", "int32", 2147483647),
    ("int8", "-9223372036854775808", "int64", -(2**63)),
    ("float4", "1.17549435e-38", "float32", struct.unpack("f", struct.pack("f", 1.17549435e-38))[0]),
    ("float8", "5e-324", "double", 5e-324),
    ("float8", "'-Infinity'", "double", -math.inf),
    ("numeric(12,2)", "-9999999999.99", "decimal(12,2)", Decimal("-9999999999.99")),
    ("numeric(18,0)", "999999999999999999", "decimal(18,0)", Decimal(999999999999999999)),
    ("numeric(3,5)", "0.00123", "decimal(5,5)", Decimal("0.00123")),
    ("numeric(5,-2)", "12345", "decimal(7,0)", Decimal(12300)),
    ("numeric(38,9)", "12345678901234567890123456789.123456789", "decimal(38,9)",
     Decimal("12345678901234567890123456789.123456789")),
    ("numeric(60,20)", "1e39", "string", "1" + 39 * "0" + "." + 20 * "0"),
    ("numeric", "'NaN'", "string", "NaN"),
    ("numeric", "'-Infinity'", "string", "-Infinity"),
    ("numeric", "0.10", "string", "0.10"),
    ("price", "5.5", "decimal(8,2)", Decimal("5.50")),
    ("prices", "5.5", "decimal(8,2)", Decimal("5.50")),
    ("money", "'-92233720368547758.08'", "decimal(19,2)", Decimal("-92233720368547758.08")),
    ("oid", "4294967295", "int64", 4294967295),
    ("text", "'\U0001f600 é'", "string", "\U0001f600 é"),
    ("text", "''", "string", ""),
    ("varchar(5)", "'a  '", "string", "a  "),
    ("char(5)", "'a'", "string", "a    "),
    ('"char"', "'x'", "string", "x"),
    ("name", "'n'", "string", "n"),
    ("bytea", "'\\x00ff'", "binary", b"\x00\xff"),
    ("uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "uuid", uuid.UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")),
    ("date", "'0001-01-01'", "date", date(1, 1, 1)),
    ("date", "'9999-12-31'", "date", date(9999, 12, 31)),
    ("time", "'23:59:59.999999'", "time", time(23, 59, 59, 999999)),
    ("timetz", "'12:00+05:30'", "string", "12:00:00+05:30"),
    ("timestamp", "'0001-01-01'", "timestamp", datetime(1, 1, 1)),
    ("timestamp", "'9999-12-31 23:59:59.999999'", "timestamp", datetime(9999, 12, 31, 23, 59, 59, 999999)),
    ("timestamptz", "'2020-01-01 00:00:00.000001+02'", "timestamptz", datetime(2019, 12, 31, 22, 0, 0, 1, UTC)),
    ("interval", "'1 year -2 months 3 days 04:05:06.789'", "string", "P10M3DT4H5M6.789S"),
    ("json", """'{"a": 1.0}'""", "json", '{"a": 1.0}'),
    ("jsonb", """'{"a":1}'""", "json", '{"a": 1}'),
    ("bit(3)", "B'101'", "string", "101"),
    ("varbit", "B''", "string", ""),
    ("inet", "'10.0.0.1'", "string", "10.0.0.1/32"),
    ("cidr", "'10.0.0.0/8'", "string", "10.0.0.0/8"),
    ("macaddr", "'08:00:2b:01:02:03'", "string", "08:00:2b:01:02:03"),
    ("int4range", "'[1,5]'", "string", "[1,6)"),
    ("tstzrange", "'[2020-01-01 00:00+01,)'", "string", '["2019-12-31 23:00:00+00",)'),
    ("mood", "'ok'", "string", "ok"),
    ("point_of", "ROW(1, 'a,b')", "json", '{"x": 1, "y": "a,b"}'),
    ("hstore", "'a=>1, b=>NULL'", "json", '{"a": "1", "b": null}'),
    ("tsvector", "'a b'", "string", "'a' 'b'"),
    ("xml", "'<a/>'", "string", "<a/>"),
    ("point", "'(1,2)'", "string", "(1,2)"),
    ("regclass", "'pg_class'", "string", "pg_class"),
    ("pg_lsn", "'0/1'", "string", "0/1"),
    ("int4[]", "'{1,NULL,3}'", "list<int32>", [1, None, 3]),
    ("int4[]", "'{}'", "list<int32>", []),
    ("text[]", """'{"",NULL,"a,b"}'""", "list<string>", ["", None, "a,b"]),
    ("numeric(4,1)[]", "'{1.5}'", "list<decimal(4,1)>", [Decimal("1.5")]),
    ("numeric[]", "'{1.50,NaN}'", "list<string>", ["1.50", "NaN"]),
    ("price[]", "'{1.5}'", "list<string>", ["1.50"]),
    ("money[]", "'{1.5}'", "list<decimal(19,2)>", [Decimal("1.50")]),
    ("mood[]", "'{ok,sad}'", "list<string>", ["ok", "sad"]),
    ("jsonb[]", """ARRAY['{"a":1}'::jsonb]""", "list<json>", ['{"a": 1}']),
    ("timestamptz[]", "'{2020-01-01}'", "list<timestamptz>", [datetime(2020, 1, 1, tzinfo=UTC)]),
    ("uuid[]", "'{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'", "list<uuid>",
     [uuid.UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")]),
    ("bytea[]", "ARRAY['\\x00'::bytea]", "list<binary>", [b"\x00"]),
    ("int4[][]", "'{{1,2},{3,4}}'", "json", "[[1, 2], [3, 4]]"),
]  # fmt: skip


def test_every_type_comes_through_the_contract_that_discovery_drafts(database):
    columns = ", ".join(f"c{i} {kind}" for i, (kind, *_) in enumerate(AS_DRAFTED))
    literals = ", ".join(literal for _, literal, *_ in AS_DRAFTED)
    database.run(
        "DROP TABLE IF EXISTS drafted",
        f"CREATE TABLE drafted ({columns})",
        f"INSERT INTO drafted VALUES ({literals})",
        "INSERT INTO drafted DEFAULT VALUES",
    )
    (stream,) = (s for s in database.reader("drafted").discover() if s.name == "public.drafted")
    assert [c.type for c in stream.columns] == [logical for *_, logical, _ in AS_DRAFTED]

    reader = database.reader("drafted", {c.name: c.type for c in stream.columns})
    (row, empty), broken = rows_of(reader, planned(reader))
    assert broken == {}
    assert list(row.values()) == [value for *_, value in AS_DRAFTED]
    assert set(empty.values()) == {None}


# type, literal, what the contract says instead, value
AS_ASKED = [
    ("bool", "true", "string", "true"),
    ("float8", "'NaN'", "string", "NaN"),
    ("numeric(12,2)", "'NaN'", "string", "NaN"),
    ("numeric(12,2)", "1.5", "string", "1.50"),
    ("numeric(12,2)", "7", "int32", 7),
    ("numeric", "0.1", "double", 0.1),
    ("numeric", "12.3400", "decimal(6,2)", Decimal("12.34")),
    ("numeric(12,2)", "1.5", "decimal(20,4)", Decimal("1.5000")),
    ("int4", "7", "decimal(5,2)", Decimal(7)),
    ("int2", "7", "int64", 7),
    ("date", "'infinity'", "string", "infinity"),
    ("date", "'0044-03-15 BC'", "string", "0044-03-15 BC"),
    ("timestamptz", "'-infinity'", "string", "-infinity"),
    ("timestamptz", "'2020-01-01 00:00+02'", "string", "2019-12-31 22:00:00+00"),
    ("time", "'24:00'", "string", "24:00:00"),
    ("text", "'[1]'", "json", "[1]"),
    ("text", "'2020-01-01'", "date", date(2020, 1, 1)),
    ("int4[]", "'{1,2}'", "string", "{1,2}"),
    ("int4[]", "'{1,2}'", "list<string>", ["1", "2"]),
    ("inet[]", "'{10.0.0.1}'", "json", '["10.0.0.1"]'),
    ("timestamptz[]", "'{infinity}'", "list<string>", ["infinity"]),
    ("point_of", "ROW(1, NULL)", "string", "(1,)"),
    ("float8", "'NaN'", "json", '"NaN"'),
    ("interval", "'1 day'", "json", '"P1D"'),
]  # fmt: skip


def test_a_contract_may_ask_for_another_type(database):
    columns = ", ".join(f"c{i} {kind}" for i, (kind, *_) in enumerate(AS_ASKED))
    database.run("DROP TABLE IF EXISTS asked", f"CREATE TABLE asked ({columns})")
    database.run(f"INSERT INTO asked VALUES ({', '.join(literal for _, literal, *_ in AS_ASKED)})")
    reader = database.reader("asked", {f"c{i}": kind for i, (*_, kind, _) in enumerate(AS_ASKED)})
    (row,), broken = rows_of(reader, planned(reader))
    assert broken == {}
    assert list(row.values()) == [value for *_, value in AS_ASKED]


@pytest.mark.parametrize(
    ("kind", "good", "bad", "said"),
    [
        ("date", "'2020-01-01'", "'infinity'", "date"),
        ("date", "'2020-01-01'", "'0001-01-01 BC'", "date"),
        ("date", "'2020-01-01'", "'10000-01-01'", "date"),
        ("timestamp", "'2020-01-01'", "'-infinity'", "timestamp"),
        ("timestamptz", "'2020-01-01'", "'infinity'", "timestamptz"),
        ("timestamptz", "'2020-01-01'", "'294276-12-31'", "timestamptz"),
        ("time", "'23:00'", "'24:00'", "time"),
        ("numeric(12,2)", "1.5", "'NaN'", "decimal(12,2)"),
        ("numeric", "1.5", "'Infinity'", "decimal(12,2)"),
        ("numeric", "1.5", "1.555", "decimal(12,2)"),
        ("numeric", "1.5", "1e38", "decimal(38,0)"),
    ],
)
def test_a_value_that_a_type_cannot_hold_is_refused_and_the_others_are_kept(database, kind, good, bad, said):
    database.run("DROP TABLE IF EXISTS held", f"CREATE TABLE held (c {kind})")
    literals = [good, bad] if said != "decimal(38,0)" else ["1", bad]
    database.run(f"INSERT INTO held VALUES ({literals[0]}), ({bad}), (NULL)")
    reader = database.reader("held", {"c": said})
    rows, broken = rows_of(reader, planned(reader), "quarantine")
    assert broken == {"c_type": 1}
    assert len(rows) == 2
    assert rows[0]["c"] is not None


@pytest.mark.parametrize(
    ("kind", "literal", "said", "code"),
    [
        ("int4[]", "'{{1,2},{3,4}}'", "list<int32>", "BAD_VALUE"),
        ("date[]", "'{infinity}'", "list<date>", "VALUE_NOT_HELD"),
    ],
)
def test_a_value_that_would_change_in_a_list_stops_the_run(database, kind, literal, said, code):
    database.run(
        "DROP TABLE IF EXISTS listed", f"CREATE TABLE listed (c {kind})", f"INSERT INTO listed VALUES ({literal})"
    )
    reader = database.reader("listed", {"c": said})
    with pytest.raises(ValidationError, match=f"{code}.*column '?c\\b") as caught:
        rows_of(reader, planned(reader))
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("kind", "said"),
    [("int4", "list<int32>"), ("int4[]", "int32"), ("int4[]", "list<list<int32>>"), ("point_of", "struct<x: int32>")],
)
def test_a_type_that_cannot_hold_a_column_is_refused_before_anything_is_read(database, kind, said):
    database.run("DROP TABLE IF EXISTS wrong", f"CREATE TABLE wrong (c {kind})")
    with pytest.raises(ConfigurationError, match=r"TYPE_NOT_HELD.*column 'c' is"):
        planned(database.reader("wrong", {"c": said}))


moments = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999))


def digits(count, scale):
    return st.integers(1 - 10**count, 10**count - 1).map(lambda n: Decimal(f"{n}E-{scale}"))


# Each example is a table: nobody waits for it to shrink.
@settings(max_examples=15, phases=[Phase.explicit, Phase.generate])
@example([("", Decimal(0).scaleb(-8), Decimal(0).scaleb(-6), -0.0, datetime(1, 1, 1), b"")])
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
            digits(38, 8),
            digits(18, 6),
            st.floats(),
            moments,
            st.binary(),
        ),
        min_size=1,
        max_size=40,
    )
)
def test_any_value_comes_out_as_it_went_in(database, rows):
    import psycopg2.extras

    with database.server.connect(database.name) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS anything")
        cursor.execute(
            "CREATE TABLE anything (i serial, t text, n numeric, p numeric(18,6), f float8, m timestamp, b bytea)"
        )
        sql = "INSERT INTO anything (t, n, p, f, m, b) VALUES %s"
        as_float = "(%s, %s, %s, %s::float8, %s, %s)"  # a literal is numeric, which has no -0.0
        psycopg2.extras.execute_values(cursor, sql, rows, template=as_float)
    connection.close()
    types = {"t": "string", "n": "decimal(38,8)", "p": "decimal(18,6)", "f": "double", "m": "timestamp", "b": "binary"}
    reader = database.reader("anything", types)
    found, broken = rows_of(reader, planned(reader))
    assert broken == {}
    assert repr([tuple(row.values()) for row in found]) == repr([(*r[:4], r[4].replace(fold=0), r[5]) for r in rows])


def test_text_that_is_no_utf8_stops_the_run(pg):
    Database(pg, "postgres").run("CREATE DATABASE ascii_only ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    made = Database(pg, "ascii_only")
    made.run("CREATE TABLE t (c text)", "INSERT INTO t VALUES (convert_from('\\xff', 'SQL_ASCII'))")
    reader = made.reader("t", {"c": "string"})
    with pytest.raises(ValidationError, match="BAD_VALUE"):
        list(reader.read(Stream(name="t"), planned(reader).units[0]))


def test_a_day_before_the_first_is_not_silently_another(database):
    days = [date(1, 1, 1) + timedelta(days=n) for n in range(3)]
    database.run(
        "DROP TABLE IF EXISTS days",
        "CREATE TABLE days (d date)",
        "INSERT INTO days SELECT date '0001-01-01' + n FROM generate_series(-2, 2) n",
    )
    reader = database.reader("days", {"d": "date"})
    rows, broken = rows_of(reader, planned(reader), "quarantine")
    assert [row["d"] for row in rows] == days
    assert broken == {"d_type": 2}
