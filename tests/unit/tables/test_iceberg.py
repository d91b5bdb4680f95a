import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException, ForbiddenError
from pyiceberg.expressions import EqualTo

from dativo_dagster.config.job import Evolution, Partition
from dativo_dagster.state import patience
from dativo_dagster.tables.iceberg import Catalog, Config, Table
from dativo_dagster.tables.iceberg.config import resolve
from dativo_ingest.exceptions import CommitError, ConfigurationError
from tests.fakes.flaky import Flaky
from tests.fakes.lake import COLUMNS, KEY, ROWS, batch, ids, put, spec, stage, token


@pytest.fixture(autouse=True)
def lake(tmp_path, monkeypatch):
    monkeypatch.setenv("DATIVO_WAREHOUSE", str(tmp_path / "lake"))
    return tmp_path / "lake"


def open_table(a_spec=None):
    return Table(Config(), a_spec or spec())


def flaky_table(*steps):
    table = open_table()
    table._catalog = Flaky(table._catalog, steps)
    return table


LOST = [CommitStateUnknownException("500"), ConnectionResetError("gone"), TimeoutError("slow"), KeyError("a bug")]


@pytest.mark.parametrize("lost", LOST, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("first", [True, False], ids=["new table", "existing table"])
def test_a_commit_that_landed_and_was_reported_lost_is_not_made_twice(lost, first):
    if not first:
        put(open_table(), spec(), [], token("0"))
    staged = stage(open_table(), spec(), ROWS, token("a"))
    table = flaky_table((True, lost))

    snapshot = table.commit(staged)

    assert snapshot.fresh
    assert table._catalog.commits == 1
    assert ids(open_table()) == [1, 2, 3]


@pytest.mark.parametrize("lost", LOST, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("first", [True, False], ids=["new table", "existing table"])
def test_a_commit_that_was_lost_and_did_not_land_is_made_again(lost, first):
    if not first:
        put(open_table(), spec(), [], token("0"))
    staged = stage(open_table(), spec(), ROWS, token("a"))
    table = flaky_table((False, lost), (False, lost))

    assert table.commit(staged).fresh
    assert table._catalog.commits == 3
    assert ids(open_table()) == [1, 2, 3]


def test_conflicts_are_tried_again_until_the_commit_comes_through():
    put(open_table(), spec(), [], token("0"))
    staged = stage(open_table(), spec(), ROWS, token("a"))
    table = flaky_table(*[(False, CommitFailedException("moved"))] * 3)
    assert table.commit(staged).fresh
    assert ids(open_table()) == [1, 2, 3]


def test_a_window_that_landed_is_found_by_the_next_run():
    put(open_table(), spec(), [], token("0"))
    staged = stage(open_table(), spec(), ROWS, token("a"))
    open_table().commit(staged)
    assert not open_table().commit(staged).fresh
    assert ids(open_table()) == [1, 2, 3]


def test_a_catalog_that_never_answers_well_ends_in_a_retryable_error_that_says_what_to_do():
    put(open_table(), spec(), [], token("0"))
    staged = stage(open_table(), spec(), ROWS, token("a"))
    table = flaky_table(*[(False, TimeoutError("slow"))] * 99)
    with pytest.raises(CommitError, match="running again repeats nothing") as caught:
        table.commit(staged)
    assert (caught.value.error_code, caught.value.retryable) == ("COMMIT_UNKNOWN", True)
    assert open_table().commit(staged).fresh
    assert ids(open_table()) == [1, 2, 3]


def test_endless_conflicts_end_in_a_retryable_error(monkeypatch):
    put(open_table(), spec(), [], token("0"))
    staged = stage(open_table(), spec(), ROWS, token("a"))
    monkeypatch.setattr("dativo_dagster.tables.iceberg.commit.tries", lambda: patience.tries(0.05))
    with pytest.raises(CommitError) as caught:
        flaky_table(*[(False, CommitFailedException("moved"))] * 999).commit(staged)
    assert (caught.value.error_code, caught.value.retryable) == ("COMMIT_CONFLICT", True)


def test_a_refused_commit_is_not_tried_again():
    put(open_table(), spec(), [], token("0"))
    staged = stage(open_table(), spec(), ROWS, token("a"))
    table = flaky_table((False, ForbiddenError("no")))
    with pytest.raises(CommitError) as caught:
        table.commit(staged)
    assert (caught.value.error_code, caught.value.retryable) == ("COMMIT_REFUSED", False)
    assert table._catalog.commits == 1


def test_a_schema_that_moved_while_files_were_written_plans_the_stream_again():
    put(open_table(), spec(), ROWS, token("a"))
    wider = spec({**COLUMNS, "price": "double"})
    staged = stage(open_table(wider), wider, [{**ROWS[0], "id": 4, "price": 1.0}], token("b"))
    other = spec({**COLUMNS, "colour": "string", "price": "double"})
    put(open_table(other), other, [{**ROWS[0], "id": 5, "colour": "red", "price": 2.0}], token("c"))

    both = spec({**COLUMNS, "colour": "string", "price": "double"})
    with pytest.raises(CommitError, match="Run it again") as caught:
        open_table(both).commit(staged)
    assert (caught.value.error_code, caught.value.retryable) == ("SCHEMA_MOVED", True)
    assert ids(open_table()) == [1, 2, 3, 5]


def test_two_first_runs_of_different_windows_at_once_share_one_table():
    staged = [stage(open_table(), spec(), [{**ROWS[0], "id": n}], token(str(n))) for n in (1, 2)]
    assert all(open_table().commit(s).fresh for s in staged)
    assert ids(open_table()) == [1, 2]


def test_a_commit_opens_no_data_file(monkeypatch):
    staged = stage(open_table(), spec(), ROWS, token("a"))
    hidden = Path(staged.files[0].path.removeprefix("file://"))
    hidden.rename(hidden.with_suffix(".away"))
    assert open_table().commit(staged).fresh


def test_the_manifest_has_counts_and_bounds_by_field_id():
    a_spec = spec({"id": "int64!", "name": "string", "x": "double"})
    rows = [{"id": n, "name": name, "x": x} for n, name, x in [(1, "b", 1.5), (5, None, float("nan")), (3, "a", -2.0)]]
    put(open_table(a_spec), a_spec, rows, token("a"))

    file = next(iter(open_table(a_spec)._load().scan().plan_files())).file
    assert file.record_count == 3
    assert dict(file.value_counts) == {1: 3, 2: 3, 3: 3}
    assert dict(file.null_value_counts) == {1: 0, 2: 1, 3: 0}
    assert dict(file.nan_value_counts) == {3: 1}
    assert set(file.column_sizes) == {1, 2, 3}
    assert (file.lower_bounds[1], file.upper_bounds[1]) == ((1).to_bytes(8, "little"), (5).to_bytes(8, "little"))
    assert (file.lower_bounds[2], file.upper_bounds[2]) == (b"a", b"b")
    assert file.file_size_in_bytes == Path(file.file_path.removeprefix("file://")).stat().st_size


def test_files_are_pruned_by_their_statistics_and_partitions():
    parts = (Partition(column="name"),)
    a_spec = spec(partitioning=parts)
    put(open_table(a_spec), a_spec, ROWS, token("a"))
    theirs = open_table(a_spec)._load()
    assert len(list(theirs.scan().plan_files())) == 3
    assert len(list(theirs.scan(row_filter=EqualTo("name", "c")).plan_files())) == 1
    assert len(list(theirs.scan(row_filter="id = 1").plan_files())) == 1


@pytest.mark.parametrize("end", ["\ud7ff", "\ud7ff\U0010ffff", "\ud7ff" * 16, "\U0010ffff" * 16, "\ue000", "\ud7fe"])
def test_a_text_that_no_plain_next_one_follows_is_written_and_found(end):
    long = end.rjust(16, "a") + "tail"
    put(open_table(), spec(), [{"id": 1, "name": long, "day": None}], token("a"))
    found = open_table()._load()
    assert found.scan(row_filter=EqualTo("name", long)).to_arrow().column("id").to_pylist() == [1]
    file = next(iter(found.scan().plan_files())).file
    bound = (file.upper_bounds or {}).get(found.schema().find_field("name").field_id)
    assert bound is None if set(end) == {"\U0010ffff"} else bound.decode() > long


def test_data_files_are_zstd_parquet_with_field_ids(lake):
    put(open_table(), spec(), ROWS, token("a"))
    file = pq.ParquetFile(next(lake.rglob("*.parquet")))
    assert [f.metadata[b"PARQUET:field_id"] for f in file.schema_arrow] == [b"1", b"2", b"3"]
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"


def test_a_rename_keeps_the_values_of_earlier_rows():
    put(open_table(), spec(), ROWS, token("a"))
    renamed = spec({"id": "int64!", "title": "string", "day": "date"}, evolution=Evolution(rename={"name": "title"}))
    assert [(c.kind, c.before, c.after) for c in open_table(renamed).changes()] == [("rename", "name", "title")]
    put(open_table(renamed), renamed, [{"id": 4, "title": "d", "day": None}], token("b"))
    assert {r["id"]: r["title"] for r in open_table(renamed).preview(9).to_pylist()} == {
        1: "Ä",
        2: None,
        3: "c",
        4: "d",
    }
    assert open_table(renamed).changes() == ()


def test_a_field_of_a_struct_is_added():
    small, large = (
        spec({"id": "int64", "s": "struct<a: int32>"}),
        spec({"id": "int64", "s": "struct<a: int64, b: string>"}),
    )
    put(open_table(small), small, [{"id": 1, "s": {"a": 1}}], token("a"))
    put(open_table(large), large, [{"id": 2, "s": {"a": 2**40, "b": "x"}}], token("b"))
    rows = {r["id"]: r["s"] for r in open_table(large).preview(9).to_pylist()}
    assert rows == {1: {"a": 1, "b": None}, 2: {"a": 2**40, "b": "x"}}


def test_a_snapshot_tells_which_run_made_it():
    put(open_table(), spec(properties={"governance.owner": "shop"}), ROWS, token("a"))
    table = open_table(spec(properties={"governance.owner": "shop"}))
    put(table, table.spec, ROWS, token("b"))
    theirs = table._load()
    summary = theirs.current_snapshot().summary
    assert summary["dativo.commit-token"] == token("b")
    assert (summary["dativo.job"], summary["dativo.key"], summary["dativo.rows-written"]) == ("shop", KEY, "3")
    assert theirs.properties["governance.owner"] == "shop"
    assert "commit.retry.num-retries" not in theirs.properties
    assert theirs.format_version == 2


def test_the_state_survives_the_expiry_of_its_snapshot():
    put(open_table(), spec(), ROWS, token("a"), cursor=1)
    other = open_table(spec())
    staged = stage(other, spec(), ROWS, token("b"))
    other.commit(staged.from_json({**staged.to_json(), "key": "acme.shop.other"}))
    theirs = open_table()._load()
    theirs.maintenance.expire_snapshots().by_id(int(open_table().committed(token("a")).id)).commit()

    assert open_table().state(KEY).cursor.value == {"at": 1}
    assert open_table().committed(token("a")).id == "expired"
    assert not put(open_table(), spec(), ROWS, token("a")).fresh


def test_a_table_that_was_rolled_back_behind_its_cursor_is_not_taken_for_up_to_date():
    first = put(open_table(), spec(), ROWS, token("a"), cursor=1)
    put(open_table(), spec(), ROWS, token("b"), cursor=2)
    theirs = open_table()._load()
    with theirs.manage_snapshots() as manage:
        manage.rollback_to_snapshot(int(first.id))

    with pytest.raises(ConfigurationError, match="rolled back") as caught:
        open_table().state(KEY)
    assert caught.value.error_code == "TABLE_ROLLED_BACK"
    assert open_table().committed(token("b")) is None


def test_orphans_are_files_of_ours_that_no_snapshot_names_not_only_the_current_one(lake):
    put(open_table(), spec(), ROWS, token("a"))
    whole = spec(mode="overwrite")
    put(open_table(whole), whole, ROWS, token("b"))
    stranger = lake / "shop/orders/data/00000-0-somebody-else.parquet"
    stranger.write_bytes(b"")
    assert open_table().orphans(datetime.now(timezone.utc) + timedelta(hours=1)) == []


def test_files_of_a_table_that_was_never_made_are_orphans():
    written = open_table().writer(token("a")).write([batch(spec(), ROWS)], "unit")
    found = open_table().orphans(datetime.now(timezone.utc) + timedelta(hours=1))
    assert [f.path for f in found] == [f.path for f in written]


def test_a_reader_that_breaks_leaves_no_file(lake):
    def rows():
        yield batch(spec(), ROWS)
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError, match="the source broke"):
        open_table(spec(file_size_bytes=1)).writer(token("a")).write(rows(), "unit")
    assert [p for p in lake.rglob("*") if p.is_file() and p.name != "catalog.db"] == []


def test_a_missing_required_value_is_an_error_without_the_row_in_it():
    table = open_table()
    wrong = pa.record_batch(
        {"id": pa.array([None], pa.int64()), "name": ["secret"], "day": pa.array([None], pa.date32())}
    )
    with pytest.raises(CommitError) as caught:
        table.writer(token("a")).write([wrong], "unit")
    assert caught.value.error_code == "WRITE_FAILED"
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("name", ["orders", ".orders", "shop.", ""])
def test_a_table_without_a_namespace_is_refused(name):
    with pytest.raises(ConfigurationError, match=r"namespace\.table"):
        Table(Config(), spec(identifier=name))


def test_a_column_that_iceberg_cannot_hold_is_refused_before_anything_is_written():
    exact = spec({"at": "timestamp[ns]"})
    with pytest.raises(ConfigurationError, match=r"column 'at'.*say \[us\]") as caught:
        open_table(exact).writer(token("a"))
    assert caught.value.error_code == "TYPE_UNSUPPORTED"


def test_the_embedded_catalog_lies_in_the_working_directory_unless_the_environment_says(lake, monkeypatch, tmp_path):
    assert resolve(Config()).warehouse == lake.as_uri()
    monkeypatch.delenv("DATIVO_WAREHOUSE")
    monkeypatch.chdir(tmp_path)
    assert resolve(Config()).warehouse == (tmp_path / ".dativo/warehouse").as_uri()
    assert resolve(Config()).uri == f"sqlite:///{tmp_path}/.dativo/warehouse/catalog.db"
    assert resolve(Config(connection={"s3": {"bucket": "lake"}})).warehouse == "s3://lake"


def test_many_may_open_a_new_embedded_catalog_at_once(monkeypatch, tmp_path):
    for attempt in range(5):
        monkeypatch.setenv("DATIVO_WAREHOUSE", str(tmp_path / str(attempt)))
        start = threading.Barrier(6)

        def look(start=start):
            start.wait()
            return open_table().state(KEY)

        with ThreadPoolExecutor(6) as pool:
            assert [f.result() for f in [pool.submit(look) for _ in range(6)]] == [None] * 6


@pytest.mark.parametrize(
    ("said", "kind", "uri"),
    [
        ("http://c:8181", "rest", "http://c:8181"),
        ({"uri": "https://c"}, "rest", "https://c"),
        ({"uri": "postgresql://u:p@db/c", "warehouse": "s3://x"}, "sql", "postgresql://u:p@db/c"),
        ({"type": "glue"}, "glue", None),
    ],
)
def test_the_kind_of_a_catalog_is_told_by_its_uri(said, kind, uri):
    found = resolve(Config.model_validate({"catalog": said}))
    assert (found.type, found.uri) == (kind, uri)


def test_a_catalog_by_name_is_found_in_the_connection_as_the_earlier_system_had_it(monkeypatch):
    config = {"catalog": "nessie", "branch": "acme", "connection": {"nessie": {"uri": "http://n:19120/api/v1"}}}
    found = resolve(Config.model_validate(config))
    assert (found.uri, found.type, found.properties) == ("http://n:19120", "rest", {"ref": "acme"})
    monkeypatch.setenv("NESSIE_URI", "http://env")
    assert resolve(Config(catalog="nessie")).uri == "http://env"


@pytest.mark.parametrize(
    "config", [{"catalog": "nessie"}, {"catalog": {"type": "rest"}}, {"catalog": {"uri": "postgresql://db/c"}}]
)
def test_an_incomplete_catalog_says_what_is_missing(config):
    with pytest.raises(ConfigurationError, match=r"uri|warehouse") as caught:
        resolve(Config.model_validate(config))
    assert caught.value.error_code == "CATALOG_INCOMPLETE"


def test_properties_of_pyiceberg_pass_and_misspelt_keys_do_not():
    catalog = Catalog.model_validate({"uri": "http://c", "rest.sigv4-enabled": True, "credential": "a:b"})
    assert catalog.all_properties == {"rest.sigv4-enabled": "true", "credential": "a:b"}
    with pytest.raises(ValidationError, match="did you mean 'warehouse'"):
        Catalog.model_validate({"warehose": "s3://x"})


def test_no_password_of_a_catalog_is_in_a_message():
    config = {"catalog": {"uri": "postgresql://user:hunter2@127.0.0.1:9/db", "warehouse": "/tmp/x"}}
    result = Table(Config.model_validate(config), spec()).check()
    assert (result.passed, result.code, result.retryable) == (False, "CATALOG_UNREACHABLE", True)
    assert "hunter2" not in json.dumps(result.to_json())


def test_a_partition_of_nan_is_replaced_like_any_other():
    keyed = spec({"id": "int64", "k": "double"}, mode="overwrite_partitions", partitioning=(Partition(column="k"),))
    put(open_table(keyed), keyed, [{"id": 1, "k": float("nan")}, {"id": 2, "k": 1.5}], token("a"))
    put(open_table(keyed), keyed, [{"id": 3, "k": float("nan")}], token("b"))
    assert ids(open_table(keyed)) == [2, 3]


def test_a_partitioning_that_moved_while_files_were_written_plans_the_stream_again():
    put(open_table(), spec(), ROWS, token("a"))
    staged = stage(open_table(), spec(), ROWS, token("b"))
    with open_table()._load().update_spec() as change:
        change.add_identity("name")
    with pytest.raises(CommitError, match="partition") as error:
        open_table().commit(staged)
    assert (error.value.error_code, error.value.retryable) == ("SCHEMA_MOVED", True)
