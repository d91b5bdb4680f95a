import json
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from dativo_dagster.config.contract import Contract
from dativo_dagster.config.job import Evolution, Partition, TableSpec
from dativo_dagster.pipeline.assemble import QUARANTINE_COLUMNS
from dativo_dagster.storage import open_storage
from dativo_dagster.tables.files import Config, Table
from dativo_ingest.exceptions import CommitError, ConfigurationError, TransientError
from tests.fakes.lake import COLUMNS, KEY, ROWS, batch, ids, put, spec, stage, token

FUTURE = datetime.now(timezone.utc) + timedelta(days=1)  # from when the suite began, which may take an hour
PARTS = (Partition(column="ingest_date"), Partition(column="name"))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "orders"


@pytest.fixture
def open_table(folder):
    def opened(a_spec=None):
        return Table(Config(path=str(folder)), a_spec or spec())

    return opened


def data_files(folder):
    return sorted(p for p in folder.rglob("*.parquet") if "_dativo" not in p.parts)


class Flaky:
    """A store whose next puts of the manifest go wrong: each step says whether it lands before the error."""

    def __init__(self, storage, *steps):
        self.storage, self.steps = storage, list(steps)

    def __getattr__(self, name):
        return getattr(self.storage, name)

    def _put(self, verb, *args):
        lands, error = self.steps.pop(0) if self.steps else (True, None)
        done = getattr(self.storage, verb)(*args) if lands else False
        if error:
            raise error
        return done

    def put_if_absent(self, *args):
        return self._put("put_if_absent", *args)

    def put_if_match(self, *args):
        return self._put("put_if_match", *args)


@pytest.mark.parametrize("lands", [True, False])
@pytest.mark.parametrize("first", [True, False], ids=["new folder", "existing folder"])
def test_a_commit_with_a_lost_answer_is_made_exactly_once(open_table, lands, first):
    if not first:
        put(open_table(), spec(), [], token("0"))
    table = open_table()
    staged = stage(table, spec(), ROWS, token("a"))
    table.__dict__["_storage"] = Flaky(open_storage(table.location()), (lands, TransientError("lost")))
    table.__dict__.pop("_folder", None)

    assert table.commit(staged).fresh
    assert ids(open_table()) == [1, 2, 3]
    assert open_table().committed(token("a")).rows == 3


def test_a_store_that_refuses_is_not_asked_again(open_table):
    table = open_table()
    staged = stage(table, spec(), ROWS, token("a"))
    flaky = Flaky(open_storage(table.location()), *[(False, ConfigurationError("no"))] * 2)
    table.__dict__["_storage"] = flaky
    table.__dict__.pop("_folder", None)
    with pytest.raises(ConfigurationError):
        table.commit(staged)
    assert len(flaky.steps) == 1


def test_an_endless_conflict_ends_in_a_retryable_error(open_table, monkeypatch):
    table = open_table()
    staged = stage(table, spec(), ROWS, token("a"))
    table.__dict__["_storage"] = Flaky(open_storage(table.location()), *[(False, None)] * 999)
    table.__dict__.pop("_folder", None)
    monkeypatch.setattr("dativo_dagster.tables.files.commit.tries", lambda: iter(range(3)))
    with pytest.raises(CommitError) as caught:
        table.commit(staged)
    assert (caught.value.error_code, caught.value.retryable) == ("COMMIT_CONFLICT", True)


def test_on_a_disk_a_reader_of_the_plain_folder_sees_nothing_before_the_commit(open_table, folder):
    staged = stage(open_table(), spec(), ROWS, token("a"))
    assert data_files(folder) == []
    open_table().commit(staged)
    assert len(data_files(folder)) == 1
    assert ds.dataset(folder).to_table().num_rows == 3


def test_readers_of_the_plain_folder_find_hive_partitions(open_table, folder):
    put(open_table(spec(partitioning=PARTS)), spec(partitioning=PARTS), ROWS, token("a"))
    names = {str(p.parent.relative_to(folder)) for p in data_files(folder)}
    assert names == {
        "ingest_date=2026-01-05/name=%C3%84",
        "ingest_date=2026-01-05/name=c",
        "ingest_date=2026-01-05/name=__HIVE_DEFAULT_PARTITION__",
    }
    assert "ingest_date" not in pq.ParquetFile(data_files(folder)[0]).schema_arrow.names
    theirs = ds.dataset(folder, partitioning="hive").to_table()
    assert set(theirs.column("ingest_date").to_pylist()) == {"2026-01-05"}
    assert sorted(theirs.column("id").to_pylist()) == [1, 2, 3]


def test_overwritten_files_are_gone_from_the_plain_folder(open_table, folder):
    put(open_table(), spec(), ROWS, token("a"))
    old = data_files(folder)
    whole = spec(mode="overwrite")
    put(open_table(whole), whole, ROWS[:1], token("b"))
    assert not set(old) & set(data_files(folder))
    assert ds.dataset(folder).to_table().num_rows == 1


def test_a_window_that_an_overwrite_replaced_is_still_known(open_table):
    put(open_table(), spec(), ROWS, token("a"))
    whole = spec(mode="overwrite")
    put(open_table(whole), whole, ROWS[:1], token("b"))
    assert not put(open_table(), spec(), ROWS, token("a")).fresh
    assert ids(open_table()) == [1]


def test_a_commit_writes_the_same_amount_however_many_files_there_are(open_table, folder):
    put(open_table(), spec(), ROWS, token("0"))
    small = (folder / "_dativo/manifest.json").stat().st_size
    parts = (Partition(column="id"),)
    many = Table(Config(path=str(folder / "many")), spec(partitioning=parts))
    put(many, many.spec, [{**ROWS[0], "id": n} for n in range(200)], token("a"))
    assert (folder / "many/_dativo/manifest.json").stat().st_size < 2 * small


def test_staged_files_that_nobody_commits_are_orphans(open_table):
    written = open_table().writer(token("a")).write([batch(spec(), ROWS)], "unit")
    found = open_table().orphans(FUTURE)
    assert [f.path for f in found] == [f.path for f in written]
    assert found[0].bytes == written[0].bytes
    open_table().remove(found)
    assert open_table().orphans(FUTURE) == []


def test_segments_of_lost_commits_are_orphans_too(open_table, folder):
    put(open_table(), spec(), ROWS, token("a"))
    lost = folder / "_dativo/segments/lost.json"
    lost.write_text("{}")
    assert [f.path for f in open_table().orphans(FUTURE)] == [lost.as_uri()]


def test_strangers_files_are_never_orphans(open_table, folder):
    put(open_table(), spec(), ROWS, token("a"))
    (folder / "theirs.parquet").write_bytes(b"")
    (folder / "_dativo/notes.txt").write_text("")
    assert open_table().orphans(FUTURE) == []


def test_a_rename_needs_drop_because_files_have_no_field_ids(open_table):
    put(open_table(), spec(), ROWS, token("a"))
    renamed = spec({"id": "int64!", "title": "string", "day": "date"}, evolution=Evolution(rename={"name": "title"}))
    assert [(c.kind, c.column) for c in open_table(renamed).changes()] == [("drop", "name"), ("add", "title")]
    with pytest.raises(ConfigurationError, match="drop 'name'"):
        open_table(renamed).writer(token("b"))


def test_the_manifest_carries_the_tags_of_the_contract(open_table, folder):
    tagged = spec(properties={"governance.owner": "shop"})
    put(open_table(tagged), tagged, ROWS, token("a"))
    head = json.loads((folder / "_dativo/manifest.json").read_text())
    assert head["properties"] == {"governance.owner": "shop"}
    assert head["state"][KEY]["token"] == token("a")


def test_the_folder_can_be_moved(open_table, folder, tmp_path):
    put(open_table(), spec(), ROWS, token("a"))
    folder.rename(tmp_path / "elsewhere")
    assert ids(Table(Config(path=str(tmp_path / "elsewhere")), spec())) == [1, 2, 3]


def test_rejected_rows_are_kept_as_they_came(open_table):
    a_spec = spec(QUARANTINE_COLUMNS)
    row = dict.fromkeys(QUARANTINE_COLUMNS) | {
        "record": '{"id": "x"}',
        "violations": [{"rule": "id_type", "column": "id", "reason": "no number"}],
        "rejected_at": datetime(2026, 1, 1, tzinfo=timezone.utc),
    }
    put(open_table(a_spec), a_spec, [row], token("a"))
    assert open_table(a_spec).preview(5).to_pylist() == [row]


def test_more_than_one_kind_of_file_age_is_read_by_name(open_table):
    put(open_table(), spec(), ROWS, token("a"))
    other = spec({"extra": "string", "id": "int64!", "name": "string", "day": "date"})
    put(open_table(other), other, [{"extra": "e", "id": 4, "name": "n", "day": date(2026, 1, 1)}], token("b"))
    table = open_table(other).preview(10)
    assert table.column_names == ["extra", "id", "name", "day"]
    assert {r["id"]: r["extra"] for r in table.to_pylist()} == {1: None, 2: None, 3: None, 4: "e"}


def test_the_place_is_the_path_else_the_bucket_as_before_else_the_warehouse(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    a_spec = spec(identifier="shop.sales.orders")
    assert Table(Config(path="out"), a_spec).location() == (tmp_path / "out").as_uri()
    assert Table(Config(path="s3://lake/x/"), a_spec).location() == "s3://lake/x"
    assert Table(Config(connection={"s3": {"bucket": "lake"}}), a_spec).location() == "s3://lake/default/default/orders"
    assert (
        Table(Config(connection={"gcs": {"bucket": "lake"}}), a_spec).location() == "gs://lake/default/default/orders"
    )
    assert Table(Config(), a_spec).location() == (tmp_path / ".dativo/warehouse/shop/sales/orders").as_uri()
    monkeypatch.setenv("DATIVO_WAREHOUSE", str(tmp_path / "w"))
    assert Table(Config(), a_spec).location() == (tmp_path / "w/shop/sales/orders").as_uri()
    assert Table(Config(warehouse="s3://lake/w/"), a_spec).location() == "s3://lake/w/shop/sales/orders"
    with pytest.raises(ValidationError, match="give one"):
        Config(path="a", warehouse="b")


def test_two_tables_never_share_a_folder(open_table):
    put(open_table(), spec(), ROWS, token("a"))
    other = open_table(spec(identifier="shop.returns"))
    with pytest.raises(ConfigurationError, match=r"folder of table 'shop\.orders'") as caught:
        other.writer(token("b"))
    assert caught.value.error_code == "FOLDER_TAKEN"


def test_the_bucket_layout_uses_domain_and_data_product():
    contract = Contract(name="o", fields=spec().contract.fields, domain="sales", data_product="shop")
    a_spec = TableSpec(identifier="orders", contract=contract, base=Path(), run_date=date(2026, 1, 1))
    assert Table(Config(connection={"s3": {"bucket": "lake"}}), a_spec).location() == "s3://lake/sales/shop/orders"


def test_a_table_wider_than_its_earlier_files_keeps_its_types(open_table):
    put(open_table(), spec(), ROWS, token("a"))
    wider = spec({**COLUMNS, "tags": "list<struct<k: string>>"})
    put(open_table(wider), wider, [{**ROWS[0], "id": 4, "tags": [{"k": "v"}]}], token("b"))
    assert open_table(wider).preview(10).schema.field("tags").type == pa.list_(
        pa.field("element", pa.struct([pa.field("k", pa.string())]))
    )


def test_a_folder_has_no_branch_to_audit_a_run_on():
    with pytest.raises(ConfigurationError, match="no branches") as caught:
        Table(Config(), spec(audited=True))
    assert caught.value.error_code == "AUDIT_UNSUPPORTED"


@pytest.mark.parametrize("lands", [True, False])
def test_overwritten_files_are_gone_also_when_the_answer_was_lost(open_table, folder, lands):
    put(open_table(), spec(), ROWS, token("a"))
    whole = spec(mode="overwrite")
    table = open_table(whole)
    staged = stage(table, whole, ROWS[:1], token("b"))
    table.__dict__["_storage"] = Flaky(open_storage(table.location()), (lands, TransientError("lost")))
    table.__dict__.pop("_folder", None)
    assert table.commit(staged).fresh
    assert ds.dataset(folder).to_table().num_rows == 1
