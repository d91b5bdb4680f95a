"""A real MariaDB as a source: every type, windows, parts of one state, errors, and queries that are ended."""

from __future__ import annotations

import threading
from datetime import date, datetime, timezone
from datetime import time as clock
from decimal import Decimal
from uuid import UUID

import pytest

from dativo_dagster.config.job import Incremental, Slice
from dativo_dagster.connectors.sql.mysql import Config, Reader, open_session
from dativo_ingest.exceptions import DativoError
from dativo_ingest.model import Stream
from tests.fakes.sources import STREAM, drafted, next_window, values
from tests.fakes.sources import context as context_of
from tests.waiting import until

pytestmark = pytest.mark.integration

UTC = timezone.utc
wall = datetime.fromisoformat


@pytest.fixture
def database(mariadb):
    return mariadb.create_database()


@pytest.fixture
def sql(mariadb, database):
    def run(*statements):
        return mariadb.run(*statements, database=database)

    return run


@pytest.fixture
def reader(mariadb, database):
    """Open a reader of table ``t``, by the contract that is given or the one that discovery drafts."""

    def opened(fields=None, *, context=None, **options):
        config = Config(**{**mariadb.options(database), **options})
        fields = drafted(Reader(config, context_of())) if fields is None else fields
        return Reader(config, context_of(fields, **(context or {})))

    return opened


EXACT = [
    # type at the source, drafted type, (literal, value) ...
    ("tinyint(1)", "boolean", ("1", True), ("0", False), ("2", ...)),
    ("tinyint", "int8", ("-128", -128), ("127", 127)),
    ("tinyint unsigned", "uint8", ("255", 255)),
    ("smallint", "int16", ("-32768", -32768)),
    ("smallint unsigned", "uint16", ("65535", 65535)),
    ("mediumint", "int32", ("-8388608", -8388608)),
    ("mediumint unsigned zerofill", "uint32", ("7", 7), ("16777215", 16777215)),
    ("int", "int32", ("-2147483648", -2147483648)),
    ("int unsigned", "uint32", ("4294967295", 4294967295)),
    ("bigint", "int64", ("-9223372036854775808", -(2**63)), ("9007199254740993", 2**53 + 1)),
    ("bigint unsigned", "uint64", ("18446744073709551615", 2**64 - 1)),
    ("decimal(12,2)", "decimal(12,2)", ("-0.05", Decimal("-0.05")), ("9999999999.99", Decimal("9999999999.99"))),
    ("decimal(38,10)", "decimal(38,10)", ("-" + "9" * 28 + ".0000000001", Decimal("-" + "9" * 28 + ".0000000001"))),
    ("decimal(65,30)", "string", ("9" * 35 + "." + "1" * 30, "9" * 35 + "." + "1" * 30)),
    ("float", "float32", ("16777217", 16777216.0), ("0.1", 0.10000000149011612), ("3.4028234e38", 3.4028234663852886e38)),  # noqa: E501
    ("double", "double", ("0.1", 0.1), ("5e-324", 5e-324), ("1.7976931348623157e308", 1.7976931348623157e308)),
    ("bit(1)", "boolean", ("b'1'", True), ("b'0'", False)),
    ("bit(64)", "uint64", ("18446744073709551615", 2**64 - 1), ("5", 5)),
    ("char(3)", "string", ("'ab '", "ab"), ("''", "")),
    ("varchar(20)", "string", ("'ab '", "ab "), ("''", ""), ("'😀é\"\\\\'", '😀é"\\')),
    ("varchar(20) character set latin1", "string", ("'é'", "é")),
    ("longtext", "string", ("repeat('x', 300)", "x" * 300), ("repeat('ü', 70000)", "ü" * 70000)),
    ("binary(4)", "binary", ("x'00FF'", b"\x00\xff\x00\x00")),
    ("varbinary(10)", "binary", ("x'00FF27'", b"\x00\xff'"), ("''", b"")),
    ("longblob", "binary", ("repeat(x'00', 66000)", b"\0" * 66000)),
    ("date", "date", ("'1000-01-01'", date(1000, 1, 1)), ("'9999-12-31'", date(9999, 12, 31)), ("'0000-00-00'", ...)),
    ("datetime", "timestamp", ("'2024-02-29 23:59:59'", wall("2024-02-29T23:59:59")), ("'2024-00-01'", ...)),
    ("datetime(6)", "timestamp", ("'9999-12-31 23:59:59.999999'", wall("9999-12-31T23:59:59.999999"))),
    ("timestamp(6) null", "timestamptz", ("'2024-03-31 02:30:00.000001'", datetime(2024, 3, 31, 6, 0, 0, 1, UTC))),
    ("timestamp null", "timestamptz", ("'0000-00-00'", ...), ("'2038-01-01'", datetime(2038, 1, 1, 3, 30, tzinfo=UTC))),
    ("time(6)", "time", ("'23:59:59.000001'", clock(23, 59, 59, 1)), ("'-01:00:00'", ...), ("'838:59:59'", ...)),
    ("year", "int16", ("2155", 2155), ("0", 0)),
    ("json", "json", ("'{\"a\": 1.10}'", '{"a": 1.10}')),
    ("enum('a','ü,')", "string", ("'ü,'", "ü,")),
    ("set('a','b','c')", "string", ("'c,a'", "a,c"), ("''", "")),
    ("uuid", "uuid", ("'123e4567-e89b-12d3-a456-426655440000'", UUID("123e4567-e89b-12d3-a456-426655440000"))),
    ("inet6", "string", ("'2001:db8::1'", "2001:db8::1")),
    ("inet4", "string", ("'10.0.0.1'", "10.0.0.1")),
    ("point", "binary", ("point(1, 2)", bytes.fromhex("0101000000000000000000f03f0000000000000040"))),
]  # fmt: skip


def _table(sql, columns):
    named = ", ".join(f"c{n} {kind}" for n, kind in enumerate(columns))
    sql(f"CREATE TABLE t (id int PRIMARY KEY, {named}) CHARACTER SET utf8mb4")


def _rows(cases):
    """Lay the cases side by side: row n has the n-th value of each type, NULL where it has no more."""
    most = max(len(case) - 2 for case in cases)
    return [[case[2 + n] if n < len(case) - 2 else ("NULL", None) for case in cases] for n in range(most + 1)]


def test_every_type_is_drafted_and_every_value_arrives_exactly_or_is_refused_by_itself(sql, reader):
    _table(sql, [case[0] for case in EXACT])
    rows = _rows(EXACT)
    for n, row in enumerate(rows):
        sql("SET sql_mode=''", f"INSERT INTO t VALUES ({n}, {', '.join(literal for literal, _ in row)})")
    opened = reader()
    kinds = [str(f.type) for f in opened.context.contract.fields]
    assert kinds == ["int32", *(case[1] for case in EXACT)]
    for found, row in zip(values(opened), rows, strict=True):
        assert list(found[1:]) == [value for _, value in row]


def test_text_in_a_contract_holds_what_no_other_type_does(sql, reader):
    _table(sql, ["date", "datetime", "timestamp null", "time", "float", "bigint unsigned", "point", "bit(8)"])
    sql("SET sql_mode=''", "INSERT INTO t VALUES (1, '2024-00-01', 0, 0, '-838:59:59', 0.1, ~0, point(1,2), b'101')")
    opened = reader({f"c{n}": "string" for n in range(7)})
    [found] = values(opened)
    assert found == (
        "2024-00-01", "0000-00-00 00:00:00", "0000-00-00 00:00:00", "-838:59:59", "0.1", "18446744073709551615",
        "POINT(1 2)",
    )  # fmt: skip


def test_zero_dates_are_null_when_the_job_says_so(sql, reader):
    _table(sql, ["date", "datetime(3)", "timestamp(3) null"])
    sql(
        "SET sql_mode=''",
        "INSERT INTO t VALUES (1, 0, '2024-01-00', 0), (2, '2024-01-02', '2024-01-02', '2024-01-02 00:00:00.5')",
    )
    found = values(reader(zero_dates="null"))
    assert found == [
        (1, None, None, None),
        (2, date(2024, 1, 2), wall("2024-01-02"), datetime(2024, 1, 2, 3, 30, 0, 500_000, UTC)),
    ]


@pytest.mark.parametrize(
    ("kind", "wanted"), [("varchar(9)", "binary"), ("blob", "string"), ("blob", "int32"), ("point", "json")]
)
def test_a_type_that_cannot_hold_a_column_is_refused_with_its_name_before_a_row_is_read(sql, reader, kind, wanted):
    _table(sql, [kind])
    with pytest.raises(DativoError, match=r"column 'c0' is .* cannot hold it") as caught:
        reader({"c0": wanted}).split(STREAM, None)
    assert caught.value.error_code == "TYPE_NOT_HELD"


def test_a_whole_number_is_not_rounded_to_a_double_in_silence(sql, reader):
    _table(sql, ["bigint", "decimal(20,0)"])
    sql("INSERT INTO t VALUES (1, 9007199254740993, 9007199254740993), (2, 4, 4)")
    assert values(reader({"c0": "double", "c1": "double"})) == [(..., ...), (4.0, 4.0)]


def test_a_value_longer_than_a_packet_of_the_protocol_is_whole(sql, reader):
    sql("SET GLOBAL max_allowed_packet = 1073741824")
    sql("CREATE TABLE t (id int PRIMARY KEY, b longblob)")
    sizes = [0xFFFFFF - 10, 0xFFFFFF - 9, 0xFFFFFF, 2 * 0xFFFFFF, 5]
    for n, size in enumerate(sizes):
        sql(f"INSERT INTO t VALUES ({n}, CONCAT(REPEAT('x', {size - 1}), 'y'))")
    found = [value for _, value in values(reader())]
    assert [len(value) for value in found] == sizes
    assert all(value == b"x" * (len(value) - 1) + b"y" for value in found)


def test_names_of_any_letters_are_read(mariadb, database, sql):
    sql("CREATE TABLE `odd ``näme` (`se lect``` int, `%s` int)")
    sql("INSERT INTO `odd ``näme` VALUES (1, 2)")
    config = Config(**mariadb.options(database), tables="odd `näme")
    opened = Reader(config, context_of({"%s": "int32", "se lect`": "int32"}))
    assert values(opened) == [(2, 1)]


def test_a_query_of_the_job_is_drafted_by_its_result_and_cannot_write(sql, reader):
    _table(sql, ["bigint unsigned", "decimal(12,2)", "varbinary(5)", "datetime(6)", "bit(5)", "date"])
    sql("INSERT INTO t VALUES (1, ~0, 1.5, x'00', '2024-01-01 00:00:00.000001', b'11', '2024-01-01')")
    opened = reader(query="SELECT c0, c1 * 2 AS twice, c2, c3, c4, c5, COUNT(*) AS n FROM t GROUP BY id;")
    assert {f.name: str(f.type) for f in opened.context.contract.fields} == {
        "c0": "uint64", "twice": "decimal(13,2)", "c2": "binary", "c3": "timestamp", "c4": "uint64", "c5": "date",
        "n": "int64",
    }  # fmt: skip
    assert values(opened) == [
        (2**64 - 1, Decimal("3.00"), b"\0", wall("2024-01-01T00:00:00.000001"), 3, date(2024, 1, 1), 1)
    ]
    with pytest.raises(DativoError) as caught:
        reader({"x": "int32"}, query="DELETE FROM t").split(STREAM, None)
    assert caught.value.error_code == "BAD_QUERY"
    assert len(sql("SELECT * FROM t")) == 1


def test_tables_and_views_are_discovered_with_keys_comments_and_estimates(mariadb, database, sql):
    sql(
        "CREATE TABLE a_one (x int NOT NULL COMMENT 'how many', y varchar(5), z int, PRIMARY KEY (z, x)) COMMENT 'all'",
        "CREATE TABLE a_two (id int)",
        "CREATE TABLE b (id int)",
        "CREATE VIEW a_seen AS SELECT x, y FROM a_one",
    )
    opened = Reader(Config(**mariadb.options(database), tables=["a_*"]), context_of())
    one, seen, two = opened.discover()
    assert [s.name for s in (one, seen, two)] == [f"{database}.{n}" for n in ("a_one", "a_seen", "a_two")]
    assert one.primary_key == ("z", "x")
    assert one.description == "all"
    assert [(c.name, c.nullable, c.description) for c in one.columns] == [
        ("x", False, "how many"), ("y", True, ""), ("z", False, ""),
    ]  # fmt: skip
    assert one.properties["kind"] == "table"
    assert one.properties["rows"] == 0
    assert seen.properties["kind"] == "view"
    assert len(Reader(Config(**mariadb.options(database)), context_of()).discover()) == 4


GROWING = [
    ("bigint unsigned", "uint64", "1844674407370955{:04}"),
    ("decimal(30,10)", "decimal(30,10)", "12345678901234567890.{:010}"),
    ("varchar(30) collate utf8mb4_general_ci", "string", "'Ä{:05}'"),
]
INCREMENTAL = {"incremental": Incremental(strategy="updated_at", cursor_field="c"), "mode": "append"}


@pytest.mark.parametrize(("kind", "logical", "literal"), GROWING)
def test_windows_one_after_another_give_each_row_once(sql, reader, kind, logical, literal):
    sql(f"CREATE TABLE t (id int PRIMARY KEY, c {kind} NOT NULL) CHARACTER SET utf8mb4")
    cursor = None
    for start in (0, 3, 6):
        sql(f"INSERT INTO t VALUES {', '.join(f'({n}, {literal.format(n)})' for n in range(start, start + 3))}")
        ids, cursor = next_window(reader({"id": "int32", "c": logical}, context=INCREMENTAL), cursor)
        assert ids == [start, start + 1, start + 2]
    ids, after = next_window(reader({"id": "int32", "c": logical}, context=INCREMENTAL), cursor)
    assert (ids, after) == ([], cursor)


@pytest.mark.parametrize(("kind", "logical"), [("datetime(6)", "timestamp"), ("timestamp(6)", "timestamptz")])
def test_a_window_in_time_ends_at_the_server_s_clock_and_starts_at_the_very_microsecond(sql, reader, kind, logical):
    sql(f"CREATE TABLE t (id int PRIMARY KEY, c {kind} NOT NULL)")
    sql("SET time_zone='+00:00'", "INSERT INTO t SELECT seq, NOW(6) - INTERVAL seq MICROSECOND FROM seq_0_to_9")
    fields = {"id": "int32", "c": logical}
    ids, cursor = next_window(reader(fields, context=INCREMENTAL), None)
    assert sorted(ids) == list(range(10))
    end = cursor.value["value"].removesuffix("+00:00")
    sql(
        "SET time_zone='+00:00'",
        f"INSERT INTO t VALUES (20, '{end}'), (21, '{end}' - INTERVAL 1 MICROSECOND), (22, NOW(6) + INTERVAL 1 HOUR)",
    )
    assert next_window(reader(fields, context=INCREMENTAL), cursor)[0] == [20]


def test_a_part_in_time_is_half_open_and_a_part_of_values_compares_texts(sql, reader):
    sql("CREATE TABLE t (id int, at timestamp(6) NOT NULL, place varchar(5), n bigint) CHARACTER SET utf8mb4")
    sql(
        "SET time_zone='+00:00'",
        "INSERT INTO t VALUES (1, '2024-01-01 23:00:00', 'a', 9007199254740993), (2, '2024-01-02 23:00:00', 'A', 1), "
        "(3, '2024-01-02 22:59:59.999999', '😀', 9007199254740992)",
    )
    fields = {"id": "int32"}
    day = Slice(key="d", column="at", lower="2024-01-02T00:00:00+01:00", upper="2024-01-03T00:00:00+01:00")
    assert values(reader(fields, context={"slice": day})) == [(1,), (3,)]
    for column, words, expected in (("place", ("a", "😀"), [(1,), (3,)]), ("n", ("9007199254740993",), [(1,)])):
        part = Slice(key="p", column=column, values=words)
        assert values(reader(fields, context={"slice": part})) == expected


def test_rows_without_a_cursor_stop_the_run_unless_the_job_says_what_to_do(sql, reader):
    sql("CREATE TABLE t (id int PRIMARY KEY, c int)", "INSERT INTO t VALUES (1, 1), (2, NULL)")
    with pytest.raises(DativoError, match="1 rows have no c"):
        reader(context=INCREMENTAL).split(STREAM, None)


def test_parts_of_a_table_see_one_state_while_others_write(sql, reader):
    sql("CREATE TABLE t (id bigint PRIMARY KEY, n int NOT NULL)", "INSERT INTO t SELECT seq, 0 FROM seq_1_to_20000")
    opened = reader(splits=4)
    window = opened.split(STREAM, None)
    assert [u.id for u in window.units] == ["t/1of4", "t/2of4", "t/3of4", "t/4of4"]
    found, stop = [], threading.Event()

    def write():
        while not stop.is_set():
            sql("UPDATE t SET n = n + 1")

    def read(unit):
        found.extend((i, n) for b in opened.read(STREAM, unit) for i, n in zip(*map(list, b.columns), strict=True))

    threads = [threading.Thread(target=read, args=(unit,)) for unit in window.units]
    writer = threading.Thread(target=write)
    for thread in (writer, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    writer.join()
    opened.close()
    assert sorted(i.as_py() for i, _ in found) == list(range(1, 20001))
    assert len({n for _, n in found}) == 1


def test_a_job_with_one_snapshot_reads_all_of_its_tables_in_one_state(mariadb, database, sql):
    sql("CREATE TABLE a (n int)", "CREATE TABLE b (n int)", "INSERT INTO a VALUES (1)", "INSERT INTO b VALUES (1)")
    config = Config(**mariadb.options(database), snapshot="job")
    with open_session(config) as session:
        sql("UPDATE a SET n = 2", "UPDATE b SET n = 2")
        for name in ("a", "b", "a", "b", "a"):
            opened = Reader(config, context_of({"n": "int32"}, session=session, object=name))
            stream = Stream(name=name)
            [unit] = opened.split(stream, None).units
            assert [b["n"].to_pylist() for b in opened.read(stream, unit)] == [[1]]
    _gone(mariadb)


def _queries(mariadb, *, sleeping=False):
    """Give what our own sessions do at the server."""
    commands = ("Query", "Sleep") if sleeping else ("Query",)
    rows = mariadb.run("SELECT COMMAND, INFO, ID FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID()")
    return [row for row in rows if row[0] in commands]


def _gone(mariadb):
    """Wait until the server has no session of ours: it ends one a little after its client has left."""
    until(lambda: not _queries(mariadb, sleeping=True), 60)


SLOW = "SELECT x.seq AS n FROM seq_1_to_1000 x WHERE SLEEP(0.05) = 0"


def test_a_reader_that_is_left_early_leaves_no_query_behind(mariadb, reader):
    opened = reader({"n": "int64"}, query="SELECT x.seq AS n FROM seq_1_to_100000000 x")
    [unit] = opened.split(STREAM, None).units
    batches = opened.read(STREAM, unit)
    assert next(batches).num_rows
    assert _queries(mariadb)
    batches.close()
    _gone(mariadb)


def test_a_query_without_a_row_yet_is_ended_by_cancel(mariadb, reader):
    opened = reader({"n": "int64"}, query=SLOW)
    [unit] = opened.split(STREAM, None).units
    caught = []

    def read():
        try:
            list(opened.read(STREAM, unit))
        except DativoError as error:
            caught.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    until(lambda: [said for _, said, _ in _queries(mariadb) if "SLEEP" in (said or "")], 60)
    opened.cancel()
    thread.join(40)
    assert [error.error_code for error in caught] == ["CANCELLED"]
    _gone(mariadb)


def test_a_unit_that_waits_for_the_one_state_reads_nothing_once_the_run_is_cancelled(mariadb, database, sql, reader):
    sql("CREATE TABLE t (n int)", "INSERT INTO t VALUES (1)")
    config = Config(**mariadb.options(database), snapshot="job", splits=1)
    with open_session(config) as session:
        opened = Reader(config, context_of({"n": "int32"}, session=session))
        [unit] = opened.split(STREAM, None).units
        lent, caught = session.shared.take(), []

        def read():
            try:
                list(opened.read(STREAM, unit))
            except DativoError as error:
                caught.append(error.error_code)

        thread = threading.Thread(target=read)
        thread.start()
        until(lambda: opened._open, 60)
        opened.cancel()
        session.shared.give_back(lent)
        thread.join(20)
    assert caught == ["CANCELLED"]


def test_a_statement_that_takes_too_long_is_ended_and_may_be_tried_again(mariadb, reader):
    [unit] = reader({"n": "int64"}, query=SLOW).split(STREAM, None).units
    with pytest.raises(DativoError) as caught:
        list(reader({"n": "int64"}, query=SLOW, statement_timeout=0.2).read(STREAM, unit))
    assert (caught.value.error_code, caught.value.retryable) == ("STATEMENT_TIMEOUT", True)
    _gone(mariadb)


def test_a_server_that_goes_away_in_the_middle_is_told_and_the_run_tries_again(mariadb, reader):
    opened = reader({"n": "int64"}, query="SELECT x.seq AS n FROM seq_1_to_100000000 x")
    [unit] = opened.split(STREAM, None).units
    batches = opened.read(STREAM, unit)
    next(batches)
    [(_, _, session)] = _queries(mariadb)
    mariadb.run(f"KILL CONNECTION {session}")
    with pytest.raises(DativoError) as caught:
        list(batches)
    assert caught.value.retryable
    assert caught.value.error_code in {"CONNECTION_LOST", "SERVER_BUSY"}


WRONG = [
    ({"port": 1}, "CONNECTION_FAILED", True),
    ({"host": "no-such-host.invalid"}, "CONNECTION_FAILED", True),
    ({"user": "nobody", "password": "hidden-word"}, "AUTHENTICATION_FAILED", False),
    ({"database": "no_such"}, "DATABASE_NOT_FOUND", False),
    ({"tables": "no_such"}, "TABLE_NOT_FOUND", False),
    ({"tables": "mysql.user", "user": "little"}, "TABLE_NOT_FOUND", False),
    ({"user": "little"}, "PERMISSION_DENIED", False),
    ({"query": "SELEC 1"}, "BAD_QUERY", False),
    ({"query": "SELECT * FROM no_such"}, "TABLE_NOT_FOUND", False),
    ({"tls": {"mode": "verify-full"}}, "TLS_FAILED", False),
    ({"read_replica": True}, "NO_REPLICA", True),
]


@pytest.mark.parametrize(("options", "code", "retryable"), WRONG)
def test_a_check_tells_what_is_wrong_and_whether_a_retry_may_help(
    mariadb, database, sql, reader, options, code, retryable
):
    sql(
        "CREATE TABLE t (id int, hidden int)",
        "CREATE USER IF NOT EXISTS little@'127.0.0.1'",
        f"GRANT SELECT (id) ON {database}.t TO little@'127.0.0.1'",
    )
    if options.get("user") == "little" and "tables" not in options:
        sql(f"REVOKE SELECT (id) ON {database}.t FROM little@'127.0.0.1'")
    found = reader({"id": "int32"}, **options).check()
    assert (found.passed, found.code, found.retryable) == (False, code, retryable), found.message
    assert "hidden-word" not in found.message


def test_a_good_check_says_how_many_tables_there_are(sql, reader):
    sql("CREATE TABLE t (id int)")
    assert reader({"id": "int32"}).check().passed


@pytest.mark.parametrize("mode", ["disable", "prefer", "require", "verify-ca", "verify-full"])
def test_tls_is_as_the_job_says(mariadb, reader, mode):
    tls = {"mode": mode, **({"ca": str(mariadb.authority)} if mode.startswith("verify") else {})}
    query = "SELECT VARIABLE_VALUE AS v FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME = 'Ssl_cipher'"
    [(cipher,)] = values(reader({"v": "string"}, query=query, tls=tls))
    assert bool(cipher) == (mode != "disable")


def test_the_first_host_that_answers_is_read(sql, reader):
    sql("CREATE TABLE t (id int)", "INSERT INTO t VALUES (1)")
    assert values(reader(host=["127.0.0.2", "127.0.0.1"])) == [(1,)]
