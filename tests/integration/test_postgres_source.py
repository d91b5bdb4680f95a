"""PostgreSQL is found, described, cut and read; what can go wrong there has a name."""

# ruff: noqa: DTZ001 - clocks without a zone are what some columns have

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import psycopg2
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from dativo_dagster.config.job import Slice
from dativo_dagster.connectors.sql.postgres import Config, open_session
from dativo_ingest.exceptions import ConfigurationError, DativoError, TransientError
from dativo_ingest.model import Column, Cursor, Stream
from tests.fakes.postgres import Database, by, planned, rows_of
from tests.waiting import until

pytestmark = pytest.mark.integration
UTC = timezone.utc


@pytest.fixture(scope="module")
def shared(pg):
    return Database.make(pg)


@pytest.fixture
def database(shared):
    """One database for all tests of this file, emptied before each."""
    shared.run("DROP SCHEMA IF EXISTS public CASCADE", "DROP SCHEMA IF EXISTS sales CASCADE", "CREATE SCHEMA public")
    return shared


def ids(reader, window):
    return sorted(row["id"] for row in rows_of(reader, window)[0])


# what is found


def test_tables_views_and_their_facts_are_found(database):
    database.run(
        "CREATE SCHEMA sales",
        "CREATE TABLE sales.orders (id int8, part int2, t text, total numeric(8,2) NOT NULL, PRIMARY KEY (part, id))",
        "COMMENT ON TABLE sales.orders IS 'what was bought'",
        "COMMENT ON COLUMN sales.orders.total IS 'in euros'",
        "INSERT INTO sales.orders SELECT n, 1, '', 1 FROM generate_series(1, 500) n",
        "ANALYZE sales.orders",
        "CREATE VIEW sales.big AS SELECT * FROM sales.orders WHERE total > 5",
        "CREATE MATERIALIZED VIEW sales.sums AS SELECT part, sum(total) FROM sales.orders GROUP BY part",
        "CREATE TABLE sales.parted (id int) PARTITION BY RANGE (id)",
        "CREATE TABLE sales.parted_1 PARTITION OF sales.parted FOR VALUES FROM (0) TO (10)",
        "CREATE TABLE other (id int)",
    )
    found = {s.name: s for s in database.reader(tables="sales.*").discover()}
    assert {n: s.properties["kind"] for n, s in found.items()} == {
        "sales.orders": "table", "sales.big": "view", "sales.sums": "matview", "sales.parted": "partitioned"
    }  # fmt: skip
    orders = found["sales.orders"]
    assert orders.primary_key == ("part", "id")
    assert orders.description == "what was bought"
    assert orders.properties["rows"] == 500
    assert orders.columns[1] == Column(name="part", type="int16", nullable=False)
    assert orders.columns[3] == Column(name="total", type="decimal(8,2)", nullable=False, description="in euros")
    assert [c.type for c in found["sales.sums"].columns] == ["int16", "string"]


def test_a_query_is_described_without_being_run(database):
    database.run("CREATE TABLE t (id int, n numeric(6,2))", "INSERT INTO t VALUES (1, 2.5)")
    query = "SELECT id, n, n * 2 AS twice, 'x'::text AS x, 1 / (id - 1) AS fails FROM t -- all of it\n;"
    (stream,) = database.reader(query=query).discover()
    assert [(c.name, c.type) for c in stream.columns] == [
        ("id", "int32"), ("n", "decimal(6,2)"), ("twice", "string"), ("x", "string"), ("fails", "int32")
    ]  # fmt: skip
    reader = database.reader("any", {"id": "int32", "n": "decimal(6,2)"}, query=query)
    assert ids(reader, planned(reader)) == [1]


@pytest.mark.parametrize(
    ("tables", "stream"),
    [
        ([], "t"),
        ([], "public.t"),
        ("t", "any"),
        ([{"name": "public.t", "object": "people"}, "other"], "people"),
        (["public.*"], "t"),
    ],
)
def test_a_stream_finds_its_table(database, tables, stream):
    database.run("CREATE TABLE t (id int)", "CREATE TABLE other (id int)", "INSERT INTO t VALUES (7)")
    reader = database.reader(stream, tables=tables)
    assert ids(reader, planned(reader)) == [7]


name = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=12)


@settings(max_examples=12, phases=[Phase.generate])
@given(table=name, column=name, value=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_any_name_and_any_value_is_only_a_name_and_a_value(shared, table, column, value):
    quoted = [s.replace('"', '""') for s in (table, column)]
    with shared.server.connect(shared.name) as link, link.cursor() as cursor:
        cursor.execute("DROP SCHEMA IF EXISTS odd CASCADE; CREATE SCHEMA odd")
        cursor.execute(f'CREATE TABLE odd."{quoted[0]}" ("{quoted[1]}" text)'.replace("%", "%%"), ())
        cursor.execute(
            f"INSERT INTO odd.\"{quoted[0]}\" VALUES (%s), ('other')".replace("%", "%%").replace("%%s", "%s"), (value,)
        )
    link.close()
    part = Slice(key="k", column=column, values=(value,))
    reader = shared.reader(f"odd.{table}", {column: "string"}, slice=part, mode="overwrite")
    rows, _ = rows_of(reader, planned(reader))
    assert rows == [{column: value}] * (1 + (value == "other"))
    counted = shared.reader(f"odd.{table}", {column: "string"}, incremental=by(column))
    assert len(rows_of(counted, planned(counted))[0]) == 2


# what goes wrong


@pytest.mark.parametrize(
    ("options", "code", "retryable"),
    [
        ({"port": 1}, "CONNECTION_FAILED", True),
        ({"host": "no-such-host.invalid"}, "CONNECTION_FAILED", True),
        ({"user": "nobody"}, "AUTHENTICATION_FAILED", False),
        ({"database": "nothing"}, "DATABASE_NOT_FOUND", False),
        ({"user": "guest", "tables": "t"}, "PERMISSION_DENIED", False),
        ({"tables": "tt"}, "TABLE_NOT_FOUND", False),
        ({"query": "SELECT FROM WHERE"}, "BAD_QUERY", False),
        ({"tls": "require"}, "TLS_FAILED", False),
        ({"read_replica": True}, "NO_REPLICA", True),
    ],
)
def test_check_tells_apart_what_is_wrong(database, options, code, retryable):
    database.run(
        "CREATE TABLE t (id int)",
        "DO $$ BEGIN CREATE ROLE guest LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
        "GRANT USAGE ON SCHEMA public TO guest",
    )
    result = database.reader(**options).check()
    assert (result.passed, result.code, result.retryable) == (False, code, retryable)


def test_check_says_what_can_be_read(database):
    database.run("CREATE TABLE t (id int)")
    assert database.reader(tables="t").check().details == {"tables": ["public.t"]}


def test_a_column_that_is_missing_is_named_with_its_neighbour(database):
    database.run("CREATE TABLE t (id int, name text)")
    with pytest.raises(ConfigurationError, match=r"COLUMN_NOT_FOUND.*no column 'Name'; did you mean 'name'"):
        planned(database.reader("t", {"Name": "string"}))


def test_a_statement_that_takes_too_long_is_ended(database):
    reader = database.reader(query="SELECT 1 AS id FROM pg_sleep(30)", statement_timeout=0.2)
    with pytest.raises(TransientError, match="STATEMENT_TIMEOUT"):
        rows_of(reader, planned(reader))


def test_a_message_shows_no_row(database):
    database.run("CREATE TABLE t (id text)", "INSERT INTO t VALUES ('secret')")
    reader = database.reader(
        "q", {"id": "int64"}, query="SELECT length(id) / (length(id) - 6) AS id FROM t WHERE id = 'secret'"
    )
    with pytest.raises(DativoError, match=r"BAD_VALUE.*division by zero") as caught:
        rows_of(reader, planned(reader))
    assert "secret" not in str(caught.value)


def backends(database):
    sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dativo' AND datname = current_database()"
    return database.run(sql)[0][0]


def left(database, number):
    """Wait until so many sessions are left: the server ends one a little after its client has left."""
    until(lambda: backends(database) == number, 60)


def test_cancel_ends_the_query_at_the_server(database):
    reader = database.reader(query="SELECT 1 AS id FROM pg_sleep(60)")
    window = planned(reader)
    errors = []

    def read():
        try:
            rows_of(reader, window)
        except DativoError as error:
            errors.append(error.error_code)

    thread = threading.Thread(target=read)
    thread.start()
    running = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'COPY%pg_sleep%' AND datname = current_database()"
    until(lambda: database.run(running), 60)
    reader.cancel()
    thread.join(40)
    assert errors == ["CANCELLED"]
    left(database, 0)


def test_a_reader_that_is_left_in_the_middle_leaves_nothing_at_the_server(database):
    reader = database.reader(query="SELECT n AS id, repeat('x', 500) AS t FROM generate_series(1, 1000000) n")
    batches = reader.read(Stream(name="t"), planned(reader).units[0])
    next(batches)
    left(database, 1)
    batches.close()
    left(database, 0)


# parts


@pytest.fixture
def many(database):
    database.run(
        "CREATE TABLE t (id int8, t text)", "INSERT INTO t SELECT n, repeat('x', 300) FROM generate_series(1, 5000) n"
    )
    return database


@pytest.mark.parametrize("options", [{}, {"partition_by": "id"}])
def test_the_parts_of_a_table_are_all_of_it(many, options):
    many.run("INSERT INTO t VALUES (NULL, 'no number')")
    reader = many.reader("t", {"id": "int64"}, splits=4, **options)
    window = planned(reader)
    assert len(window.units) == 4
    many.run("INSERT INTO t SELECT n FROM generate_series(5001, 9000) n")  # late rows belong to some part
    found = [row["id"] for row in rows_of(reader, window)[0]]
    assert sorted(found, key=lambda n: n or 0) == [None, *range(1, 9001)]


def test_the_parts_of_a_partitioned_table_are_all_of_it(database):
    database.run(
        "CREATE TABLE t (id int8, t text) PARTITION BY HASH (id)",
        *(f"CREATE TABLE t{n} PARTITION OF t FOR VALUES WITH (MODULUS 3, REMAINDER {n})" for n in range(3)),
        "INSERT INTO t SELECT n, repeat('x', 300) FROM generate_series(1, 5000) n",
    )
    reader = database.reader(splits=3)
    window = planned(reader)
    assert len(window.units) == 3
    assert ids(reader, window) == list(range(1, 5001))


def test_parts_that_are_read_at_once_see_one_state(many):
    """Rows are moved and deleted while the parts are read one after another, and nobody may rewrite the table."""
    reader = many.reader(splits=4)
    window, stream, seen = planned(reader), Stream(name="t"), []
    for unit in window.units:
        seen += [row["id"] for batch in reader.read(stream, unit) for row in batch.to_pylist()]
        many.run("UPDATE t SET id = id + 100000 WHERE id <= 5000", "DELETE FROM t WHERE id % 2 = 0", "VACUUM t")
        with pytest.raises(psycopg2.errors.LockNotAvailable):
            many.run("SET lock_timeout = '10ms'", "VACUUM FULL t")
    assert sorted(seen) == list(range(1, 5001))
    left(many, 1)
    reader.reached(window)
    left(many, 0)


def test_parts_may_be_read_by_threads(many):
    reader = many.reader(splits=4)
    window, stream = planned(reader), Stream(name="t")
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda unit: sum(b.num_rows for b in reader.read(stream, unit)), window.units)
    assert sum(found) == 5000
    reader.close()


def test_a_small_table_is_read_in_one_part(many):
    assert len(planned(many.reader(parallelism=4)).units) == 1


def test_batches_have_at_most_the_rows_that_a_job_asks_for(many):
    reader = many.reader(batch_rows=700)
    window = planned(reader)
    sizes = [b.num_rows for b in reader.read(Stream(name="t"), window.units[0])]
    assert max(sizes) == 700
    assert sum(sizes) == 5000


def test_all_streams_of_a_session_see_one_moment(database):
    database.run("CREATE TABLE a (id int)", "CREATE TABLE b (id int)")
    with open_session(Config.model_validate(database.options)) as session:
        database.run("INSERT INTO a VALUES (1)", "INSERT INTO b VALUES (1)")
        for table in ("a", "b"):
            reader = database.reader(table, session=session)
            assert ids(reader, planned(reader)) == []
    left(database, 0)


# windows


STAMPED = "CREATE TABLE t (id int8, at timestamptz NOT NULL DEFAULT clock_timestamp())"


def test_windows_one_after_another_read_each_row_once(database):
    database.run(STAMPED)
    cursor, found = None, []
    for n in range(4):
        if n != 2:
            database.run(f"INSERT INTO t SELECT {n}")
        reader = database.reader(incremental=by("at"))
        window = planned(reader, cursor)
        found.append(ids(reader, window))
        cursor = reader.reached(window)
    assert found == [[0], [1], [], [3]]


def test_an_idle_window_leaves_the_cursor_where_it_was(database):
    database.run(STAMPED, "INSERT INTO t SELECT 1")
    reader = database.reader(incremental=by("at"))
    window = planned(reader)
    ids(reader, window)
    first = reader.reached(window)
    again = database.reader(incremental=by("at"))
    window = planned(again, first)
    assert ids(again, window) == []
    assert again.reached(window) == first
    assert window.bounds["from"] == first.value["value"]


def test_a_transaction_that_commits_late_is_waited_for(database):
    database.run("CREATE TABLE t (id int8, at timestamptz NOT NULL DEFAULT now())")
    with contextlib.closing(database.server.connect(database.name)) as late:
        late.cursor().execute("INSERT INTO t VALUES (1)")
        database.run("INSERT INTO t VALUES (2)")
        rule = by("at", safe_lag=3600.0)
        reader = database.reader(incremental=rule)
        window = planned(reader)
        assert ids(reader, window) == []
        late.commit()
    reader = database.reader(incremental=replace(rule, safe_lag=0.0))
    assert ids(reader, planned(reader, window.after)) == [1, 2]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("int8", ["1", "2", "9223372036854775807"]),
        ("numeric", ["0.1", "0.10000000000000000000000001", "1e30"]),
        ("text", ["'A'", "'a'", "'\U0001f600'"]),
    ],
)
def test_windows_over_values_read_each_row_once(database, kind, values):
    database.run(f"CREATE TABLE t (id int8, c {kind} NOT NULL)")
    cursor, found = None, []
    for n, value in enumerate(values):
        database.run(f"INSERT INTO t VALUES ({n}, {value}), ({n}, {value})")
        reader = database.reader(incremental=by("c"))
        window = planned(reader, cursor)
        found += ids(reader, window)
        cursor = reader.reached(window)
    assert found == [0, 0, 1, 1, 2, 2]
    assert not planned(database.reader(incremental=by("c")), cursor).units


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "date"])
def test_windows_over_times_split_neighbours(database, kind):
    database.run(f"CREATE TABLE t (id int8, c {kind} NOT NULL)")
    database.run("INSERT INTO t VALUES (1, '2020-01-01'), (2, '2020-01-02'), (2, '2020-01-02'), (9, '2999-01-01')")
    if kind != "date":
        database.run("INSERT INTO t VALUES (1, '2020-01-01 23:59:59.999999')")
    since = Cursor(value={"column": "c", "value": "2020-01-02", "type": kind})
    reader = database.reader(incremental=by("c"))
    window = planned(reader, since)
    assert ids(reader, window) == [2, 2]
    assert reader.reached(window).value["type"] == kind


@pytest.mark.parametrize("kind", ["float8", "bool", "jsonb", "uuid", "interval"])
def test_a_column_without_a_fitting_order_is_no_cursor(database, kind):
    database.run(f"CREATE TABLE t (id int8, c {kind})")
    with pytest.raises(ConfigurationError, match=r"CURSOR_UNUSABLE.*'c' is "):
        planned(database.reader(incremental=by("c")))


def test_rows_without_a_cursor_are_refused_left_out_or_read(database):
    database.run(
        "CREATE TABLE t (id int8, at timestamptz)", "INSERT INTO t VALUES (1, '2020-01-01'), (2, NULL), (3, NULL)"
    )
    with pytest.raises(ConfigurationError, match=r"NULL_CURSORS.*2 rows have no at"):
        planned(database.reader(incremental=by("at")))
    reader = database.reader(incremental=by("at", null_cursor="exclude"))
    window = planned(reader)
    assert window.bounds["left_out"] == "2 rows without at"
    assert ids(reader, window) == [1]
    reader = database.reader(incremental=by("at", null_cursor="include"), mode="merge")
    assert ids(reader, planned(reader)) == [1, 2, 3]
    assert ids(reader, planned(reader, window.after)) == [2, 3]


def test_a_stream_goes_on_behind_what_its_table_has(database):
    database.run(
        "CREATE TABLE t (id int8, at timestamp NOT NULL)",
        "INSERT INTO t VALUES (1, '2020-01-01 00:00:01'), (2, '2020-01-01 00:00:02')",
    )
    reader = database.reader(incremental=by("at"))
    cursor = reader.resume(datetime(2020, 1, 1, 0, 0, 1))
    assert ids(reader, planned(reader, cursor)) == [2]


def test_looking_back_reads_again_what_lies_there(database):
    database.run("CREATE TABLE t (id int8 NOT NULL)", "INSERT INTO t SELECT generate_series(1, 10)")
    reader = database.reader(incremental=by("id"))
    after = planned(reader).after
    back = database.reader(incremental=by("id", lookback=3.0), mode="merge")
    window = planned(back, after)
    assert ids(back, window) == [8, 9, 10]
    assert window.after == after
    assert planned(back, after).fingerprint != window.fingerprint


# partitions


AROUND_MIDNIGHT = ["2024-03-31 00:00", "2024-03-31 21:59:59.999999", "2024-03-30 23:00", "2024-03-31 22:00"]


@pytest.mark.parametrize(
    ("kind", "zone", "found"),
    [
        ("timestamptz", None, [1, 2, 3]),
        ("timestamp", None, [1, 2, 3]),
        ("timestamp", "Europe/Berlin", [1, 2, 4]),
        ("date", None, [1, 2, 4]),
    ],
)
def test_a_day_is_the_rows_of_that_day_as_its_zone_has_them(database, kind, zone, found):
    """31 March 2024 is 23 hours long in Berlin and starts at 23:00 UTC."""
    rows = ", ".join(f"({n}, '{at}')" for n, at in enumerate(AROUND_MIDNIGHT, 1))
    database.run(f"CREATE TABLE t (id int8, at {kind})", f"INSERT INTO t VALUES {rows}")
    part = Slice(
        key="2024-03-31",
        column="at",
        lower="2024-03-31T00:00:00+01:00",
        upper="2024-04-01T00:00:00+02:00",
        clocks=zone or "UTC",
    )
    reader = database.reader("t", {"id": "int64", "at": kind}, slice=part)
    window = planned(reader)
    assert ids(reader, window) == found
    assert window.bounds["partition"] == "2024-03-31"
    assert not window.whole


def test_a_part_that_is_appended_has_one_name_and_one_that_replaces_has_a_new_one(database):
    database.run("CREATE TABLE t (id int8, country text)", "INSERT INTO t VALUES (1, 'DE'), (2, 'FR'), (3, NULL)")
    part = Slice(key="de", column="country", values=("DE", "AT"))

    def window(mode):
        return planned(database.reader(slice=part, mode=mode))

    reader = database.reader(slice=part)
    assert ids(reader, window("append")) == [1]
    assert window("append").fingerprint == window("append").fingerprint
    assert window("overwrite").fingerprint != window("overwrite").fingerprint


def test_a_clock_of_the_server_freezes_the_window(database):
    database.run(STAMPED, "INSERT INTO t VALUES (1, clock_timestamp() + interval '1 day')")
    window = planned(database.reader(incremental=by("at")))
    end = datetime.fromisoformat(window.bounds["to"])
    assert abs(end - datetime.now(UTC)) < timedelta(minutes=1)
    assert ids(database.reader(incremental=by("at")), window) == []


def test_a_lost_connection_may_be_tried_again(many):
    reader = many.reader(query="SELECT n AS id, repeat('x', 900) AS t FROM generate_series(1, 3000000) n")
    batches = reader.read(Stream(name="t"), planned(reader).units[0])
    next(batches)
    many.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dativo'")
    with pytest.raises(DativoError) as caught:
        for _ in batches:
            pass
    assert caught.value.retryable


def test_a_password_is_in_no_error(database):
    with pytest.raises(DativoError) as caught:
        planned(database.reader(port=1, password="hunter2"))
    assert "hunter2" not in f"{caught.value!r} {caught.value.details}"
