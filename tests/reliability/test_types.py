"""Every type that a contract keeps, with its extremes: what the server prints is what another engine reads.

The server prints its values as text, and so does DuckDB with those in the data files; the texts must be equal.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest
import yaml

from dativo_dagster.config.load import load_job
from dativo_dagster.pipeline.jobs import run_job
from tests.fakes.postgres import Database
from tests.reliability import oracle
from tests.reliability.deliveries import CATALOG

pytestmark = pytest.mark.integration

NINES = "9" * 29 + "." + "9" * 9
TEXTS = ("''", "' a '", "'NULL'", "'\U0001f9ed é\U0010ffff'", "repeat('\ud7ff', 20)", "repeat('x', 70000)")
BEYOND = ("'NaN'", "'Infinity'", "'-Infinity'")
DAYS = ("'0001-01-01'", "'9999-12-31'", "'2024-02-29'")
CLOCKS = ("'00:00:00'", "'23:59:59.999999'")
MOMENTS = ("'0001-01-01 00:00:00'", "'9999-12-31 23:59:59.999999'", "'1969-12-31 23:59:59.999999'")


class Case(NamedTuple):
    """A column: its type at the source and in the contract, values, and how the server and DuckDB print it."""

    source: str
    kind: str
    literals: tuple[str, ...]
    theirs: str = "{}"
    ours: str = "{}"


POSTGRES = [
    Case("bool", "boolean", ("true", "false")),
    Case("int2", "int16", ("-32768", "32767")),
    Case("int4", "int32", ("-2147483648", "2147483647")),
    Case("int8", "int64", ("-9223372036854775808", "9223372036854775807", "9007199254740993")),
    Case("float4", "float32", (*BEYOND, "1e-45", "-3.4028235e38", "0.1", "'-0'")),
    Case("float8", "double", (*BEYOND, "5e-324", "-1.7976931348623157e308", "0.1", "'-0'")),
    Case("numeric(38,9)", "decimal(38,9)", (f"-{NINES}", NINES, "0.000000001", "0")),
    Case("numeric(12,2)", "decimal(12,2)", ("-9999999999.99", "9999999999.99", "-0.01")),
    Case("numeric", "string", (*BEYOND, "0.10", "1e100", "-1e-100")),
    Case("text", "string", TEXTS),
    Case("varchar(5)", "string", ("''", "'a  '", "'\U0001f9ed'")),
    Case("char(5)", "string", ("'a'",), theirs="rpad({}, 5)"),
    Case("bytea", "binary", ("''", "'\\x00ff27'"), "upper(encode({}, 'hex'))", "hex({})"),
    Case("uuid", "uuid", ("'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'")),
    Case("date", "date", DAYS),
    Case("date", "string", ("'infinity'", "'-infinity'", "'0044-03-15 BC'")),
    Case("time", "time", CLOCKS),
    Case("timestamp", "timestamp", MOMENTS),
    Case("timestamp", "string", ("'infinity'", "'-infinity'")),
    Case("timestamptz", "timestamptz", tuple(f"{m[:-1]}+00'" for m in MOMENTS), *["{} AT TIME ZONE 'UTC'"] * 2),
    Case("timestamptz", "string", ("'infinity'", "'-infinity'")),
    Case("json", "json", ("""'{"a": 1.0, "b": [null]}'""", "'null'")),
    Case("jsonb", "json", ("""'{"a": 1.10}'""",)),
    Case("int8[]", "list<int64>", ("'{}'", "'{1,NULL,-9223372036854775808}'"), "array_to_string({}, ',', 'NULL')",
         "array_to_string([coalesce(x::VARCHAR, 'NULL') for x in {}], ',')"),
]  # fmt: skip
UTC = "convert_tz({}, @@session.time_zone, '+00:00')"
MARIADB = [
    Case("tinyint(1)", "boolean", ("0", "1"), "elt({} + 1, 'false', 'true')"),
    Case("tinyint", "int8", ("-128", "127")),
    Case("tinyint unsigned", "uint8", ("0", "255")),
    Case("smallint", "int16", ("-32768", "32767")),
    Case("smallint unsigned", "uint16", ("65535",)),
    Case("mediumint", "int32", ("-8388608", "8388607")),
    Case("int", "int32", ("-2147483648", "2147483647")),
    Case("int unsigned", "uint32", ("4294967295",)),
    Case("bigint", "int64", ("-9223372036854775808", "9223372036854775807")),
    Case("bigint unsigned", "uint64", ("18446744073709551615", "0")),
    Case("bit(64)", "uint64", ("18446744073709551615", "5"), "{} + 0"),
    Case("float", "float32", ("0.1", "-3.4028234e38", "16777217"), *["cast({} AS double)"] * 2),
    Case("double", "double", ("5e-324", "-1.7976931348623157e308", "0.1")),
    Case("decimal(38,9)", "decimal(38,9)", (f"-{NINES}", NINES, "0.000000001", "0")),
    Case("decimal(65,30)", "string", ("9" * 35 + "." + "9" * 30, "-0." + "0" * 29 + "1")),
    Case("longtext", "string", TEXTS),
    Case("varchar(20)", "string", ("''", "'ab '", "'\U0001f9ed'")),
    Case("varbinary(10)", "binary", ("''", "x'00FF27'"), *["hex({})"] * 2),
    Case("uuid", "uuid", ("'00000000-0000-0000-0000-000000000000'", "'123e4567-e89b-12d3-a456-426655440000'")),
    Case("date", "date", DAYS),
    Case("time(6)", "time", CLOCKS),
    Case("datetime(6)", "timestamp", MOMENTS),
    Case("timestamp(6) null", "timestamptz", ("'1970-01-02 00:00:01'", "'2038-01-01 23:59:59.999999'"), UTC,
         "{} AT TIME ZONE 'UTC'"),
    Case("year", "int16", ("1901", "2155"), "{} + 0"),
    Case("json", "json", ("""'{"a": 1.10, "b": [null]}'""", "'null'")),
    Case("enum('a','ü,')", "string", ("'ü,'",)),
    Case("set('a','b','c')", "string", ("'c,a'", "''")),
]  # fmt: skip


def create(cases):
    """Give statements that make a table: row n has the n-th value of every column, NULL where it has no more."""
    yield f"CREATE TABLE types (id int PRIMARY KEY, {', '.join(f'c{n} {c.source}' for n, c in enumerate(cases))})"
    for n in range(max(len(c.literals) for c in cases) + 1):
        values = (c.literals[n] if n < len(c.literals) else "NULL" for c in cases)
        yield f"INSERT INTO types VALUES ({n}, {', '.join(values)})"


def printed(rows, cases):
    """Give rows of texts with floats and midnights, which engines print in ways of their own, in one way."""

    def alike(case, text):
        if text is None or case.kind not in {"float32", "double", "time", "timestamp", "timestamptz"}:
            return text
        return repr(float(text)) if case.kind in {"float32", "double"} else text.removesuffix(".000000")

    cases = [Case("int", "int32", ()), *cases]
    rows = sorted(rows, key=lambda row: int(row[0]))
    found = [[alike(c, text) for c, text in zip(cases, row, strict=True)] for row in rows]
    return {f"{c.source} as {c.kind}": [row[n] for row in found] for n, c in enumerate(cases)}


@pytest.fixture(params=["postgres", "mariadb"])
def source(request):
    """Give the options of a source, the types of its table, and what the server prints of it."""
    server = request.param
    cases = POSTGRES if server == "postgres" else MARIADB
    text = "cast({} AS text)" if server == "postgres" else "cast({} AS char)"
    asked = ", ".join(text.format(c.theirs.format(f"c{n}")) for n, c in enumerate(cases))
    question = f"SELECT {text.format('id')}, {asked} FROM types"
    if server == "postgres":
        database = Database.make(request.getfixturevalue("pg"))
        return {"connector": server, **database.options}, cases, database.run(*create(cases), question)
    mariadb = request.getfixturevalue("mariadb")
    name = mariadb.create_database()
    rows = mariadb.run(*create(cases), question, database=name)
    return {"connector": server, **mariadb.options(name)}, cases, rows


def test_what_the_server_prints_is_what_another_engine_reads_in_the_data_files(source, tmp_path, monkeypatch):
    options, cases, theirs = source
    monkeypatch.chdir(tmp_path)
    fields = [{"name": "id", "type": "int32"}, *({"name": f"c{n}", "type": c.kind} for n, c in enumerate(cases))]
    job = {
        "name": "types",
        "source": {**options, "tables": "types"},
        "target": {"connector": "iceberg", "table": "a.types"},
        "contract": {"name": "types", "schema": fields},
    }
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job))
    (result,) = run_job(load_job(tmp_path / "job.yaml")).streams
    assert result.status == "committed", result.error
    assert (result.counts.read, result.counts.rejected) == (len(theirs), 0), result.violations

    asked = ["CAST(id AS VARCHAR)", *(f"CAST({c.ours.format(f'c{n}')} AS VARCHAR)" for n, c in enumerate(cases))]
    ours = oracle.iceberg(tmp_path / CATALOG, "a.types", asked).rows
    assert printed(ours, cases) == printed(theirs, cases)
