"""What is Delta's own: types, partitions, what the log keeps, and what is refused."""

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import deltalake
import pytest

from dativo_dagster.config.job import Evolution, Merge, Partition, Slice
from dativo_dagster.config.types import parse_type
from dativo_dagster.tables.delta import Config, Table, types
from dativo_dagster.validation.typemap import arrow_type, from_python
from dativo_ingest.exceptions import ConfigurationError, ValidationError
from dativo_ingest.model import BY_HAND, Cursor, State, StateChange
from tests.fakes.lake import KEY, ROWS, ids, put, spec, stage, token

FUTURE = datetime.now(timezone.utc) + timedelta(days=1)  # from when the suite began, which may take an hour
BY_DAY = (Partition(column="day"),)


@pytest.fixture
def open_table(tmp_path):
    def opened(a_spec=None):
        return Table(Config(path=str(tmp_path / "orders")), a_spec or spec())

    return opened


@pytest.fixture
def theirs(tmp_path):
    """Read the table by its own library alone."""
    return lambda: deltalake.DeltaTable(str(tmp_path / "orders"))


KINDS = {
    "id": "int64!", "b": "boolean", "i8": "int8", "u8": "uint8", "u16": "uint16", "u32": "uint32", "u64": "uint64",
    "f": "float32", "x": "double", "d": "decimal(38,9)", "s": "string", "y": "binary", "g": "uuid", "day": "date",
    "ts": "timestamp[ms]", "tz": "timestamptz", "j": "json", "l": "list<string>", "lg": "list<uint32>",
    "m": "map<string,int64>", "st": "struct<a: uint32, b: list<string>>",
}  # fmt: skip
ROW = {
    "id": 1, "b": True, "i8": -3, "u8": 255, "u16": 2**16 - 1, "u32": 2**32 - 1, "u64": 2**64 - 1, "f": 1.5,
    "x": 1e300, "d": Decimal("-0.000000001"), "s": "😀", "y": b"\x00", "g": UUID(int=7), "day": date(1, 1, 1),
    "ts": datetime.min,  # noqa: DTZ901 - without a zone on purpose
    "tz": datetime(9999, 12, 31, tzinfo=timezone.utc), "j": '{"a": 1}', "l": ["a", None], "lg": [2**32 - 1, None],
    "m": [("k", 1)], "st": {"a": 2**32 - 1, "b": ["x"]},
}  # fmt: skip


def as_bytes(value):
    """Give uuids as Arrow takes them."""
    if isinstance(value, UUID):
        return value.bytes
    if isinstance(value, list) and value and isinstance(value[0], UUID):
        return [v and v.bytes for v in value]
    return {k: as_bytes(v) for k, v in value.items()} if isinstance(value, dict) else value


def test_every_type_comes_back_as_it_went_in(open_table, theirs):
    a_spec = spec(KINDS)
    empty = {**dict.fromkeys(ROW), "id": 2}
    put(open_table(a_spec), a_spec, [as_bytes(ROW), empty], token("a"))

    assert open_table(a_spec).preview(2).to_pylist() == [ROW, empty]
    assert list(open_table(a_spec).changes()) == []
    assert [c.type for c in open_table(a_spec).columns()] == [str(f.type) for f in a_spec.contract.fields]
    row = theirs().to_pyarrow_table().to_pylist()[0]
    assert (row["u64"], row["g"], row["d"], row["j"]) == (2**64 - 1, str(UUID(int=7)), ROW["d"], ROW["j"])
    assert (row["ts"], row["tz"], row["m"]) == (ROW["ts"], ROW["tz"], ROW["m"])


def test_a_uuid_is_text_also_inside_of_others():
    kind = parse_type('struct<"my uuid": uuid, l: list<uuid>, m: map<uuid, uuid>>')
    one, other = UUID(int=1), UUID(int=2)
    value = {"my uuid": one.bytes, "l": [other.bytes, None], "m": [(one.bytes, None)]}
    array = from_python([value, None], arrow_type(kind))

    kept = types.stored(array, kind)
    assert kept.to_pylist()[0] == {"my uuid": str(one), "l": [str(other), None], "m": [(str(one), None)]}
    assert types.restored(kept, kind).equals(array)


@pytest.mark.parametrize("kind", ["time", "timestamp[ns]", "list<timestamptz[ns]>", "struct<a: time[ms]>"])
def test_a_type_that_delta_does_not_have_is_refused_by_name(open_table, kind):
    a_spec = spec({"id": "int64!", "at": kind})
    with pytest.raises(ConfigurationError, match="'at'") as caught:
        open_table(a_spec).writer(token("a"))
    assert caught.value.error_code == "TYPE_UNSUPPORTED"


def test_overwrite_partitions_replaces_only_the_partitions_that_the_rows_are_in(open_table, theirs):
    by_day = spec(partitioning=BY_DAY)
    put(open_table(by_day), by_day, ROWS, token("a"))
    over = spec(partitioning=BY_DAY, mode="overwrite_partitions")
    rows = [{"id": 20, "name": "x", "day": date(2026, 1, 2)}, {"id": 30, "name": "y", "day": None}]
    put(open_table(over), over, rows, token("b"))

    assert ids(open_table(over)) == [1, 20, 30]
    assert theirs().count() == 3
    assert theirs().version() == 1


def test_partition_values_with_letters_that_paths_do_not_take_are_kept(open_table, theirs):
    a_spec = spec(partitioning=(Partition(column="name"), Partition(column="ingest_date")))
    names = ["a b", "a/b%20", "ä=+:", None]
    put(open_table(a_spec), a_spec, [{"id": n, "name": name, "day": None} for n, name in enumerate(names)], token("a"))
    assert sorted(theirs().to_pyarrow_table()["name"].to_pylist(), key=str) == sorted(names, key=str)
    assert {r["ingest_date"] for r in open_table(a_spec).preview(9).to_pylist()} == {a_spec.run_date}
    over = spec(partitioning=a_spec.partitioning, mode="overwrite_partitions")
    put(open_table(over), over, [{"id": 9, "name": "a/b%20", "day": None}], token("b"))
    assert ids(open_table(over)) == [0, 2, 3, 9]


def test_empty_text_in_a_partition_column_is_refused_and_leaves_no_file(open_table):
    a_spec = spec(partitioning=(Partition(column="name"),))
    with pytest.raises(ValidationError) as caught:
        stage(open_table(a_spec), a_spec, [{"id": 1, "name": "", "day": None}], token("a"))
    assert caught.value.error_code == "BAD_PARTITION_VALUE"
    assert list(open_table(a_spec).orphans(FUTURE)) == []


def test_a_transform_is_refused(open_table):
    a_spec = spec(partitioning=(Partition(column="day", transform="month"),))
    with pytest.raises(ConfigurationError) as caught:
        open_table(a_spec).writer(token("a"))
    assert caught.value.error_code == "BAD_PARTITION"


def test_token_and_cursor_survive_a_checkpoint_and_a_cleaned_log(open_table, theirs, tmp_path):
    put(open_table(), spec(), ROWS, token("a"), cursor="2026-01-01")
    theirs().create_checkpoint()
    (tmp_path / "orders" / "_delta_log" / f"{0:020d}.json").unlink()
    theirs().vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)

    assert open_table().state(KEY).cursor.value == {"at": "2026-01-01"}
    assert open_table().committed(token("a")) is not None
    assert ids(open_table()) == [1, 2, 3]
    assert not put(open_table(), spec(), ROWS, token("a")).fresh


def test_what_is_said_of_a_table_is_said_with_each_commit(open_table, theirs):
    a_spec = spec(properties={"governance.owner": "shop"})
    put(open_table(a_spec), a_spec, ROWS, token("a"))
    assert theirs().history(1)[0]["governance.owner"] == "shop"


def test_a_cursor_of_a_commit_that_failed_is_none(open_table, tmp_path):
    put(open_table(), spec(), ROWS, token("a"), cursor="2026-01-01")
    (memory,) = (tmp_path / "orders").rglob("_dativo/state/*/*.json")
    (memory.parent / f"1-{token('b')}.json").write_text(memory.read_text().replace("2026-01-01", "2027-01-01"))
    assert open_table().state(KEY).cursor.value == {"at": "2026-01-01"}


def test_overwritten_files_are_no_orphans_since_time_travel_reads_them(open_table, theirs):
    put(open_table(), spec(), ROWS, token("a"))
    over = spec(mode="overwrite")
    put(open_table(over), over, ROWS[:1], token("b"))
    assert list(open_table().orphans(FUTURE)) == []
    theirs().create_checkpoint()
    assert list(open_table().orphans(FUTURE)) == []
    earlier = theirs()
    earlier.load_as_version(0)
    assert earlier.count() == 3


def test_a_change_that_needs_all_rows_anew_is_refused_in_append_and_made_by_overwrite(open_table):
    put(open_table(), spec(), ROWS, token("a"))
    fewer = {"id": "int64!", "day": "date"}
    refused = spec(fewer, evolution=Evolution(drop=True))
    with pytest.raises(ConfigurationError, match="written anew: drop 'name'") as caught:
        open_table(refused).writer(token("b"))
    assert caught.value.error_code == "SCHEMA_CHANGE_REFUSED"

    over = spec(fewer, evolution=Evolution(drop=True), mode="overwrite")
    put(open_table(over), over, [{"id": 4, "day": None}], token("c"))
    assert [c.name for c in open_table(over).columns()] == ["id", "day"]
    assert ids(open_table(over)) == [4]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"audited": True}, "AUDIT_UNSUPPORTED"),
        ({"mode": "merge", "merge": Merge(key=("id",))}, "MODE_UNSUPPORTED"),
        ({"mode": "overwrite", "slice": Slice(key="a", column="name", values=("a",))}, "MODE_UNSUPPORTED"),
    ],
)
def test_what_delta_cannot_do_is_refused_when_the_table_is_opened(open_table, more, code):
    with pytest.raises(ConfigurationError) as caught:
        open_table(spec(**more))
    assert caught.value.error_code == code


@pytest.mark.parametrize("broken", ["", "{half", "[]", '{"no": "key"}', None])
@pytest.mark.parametrize(
    "after", [None, State(token=f"{BY_HAND}1", cursor=Cursor(value={"at": 2}))], ids=["reset", "set"]
)
def test_a_memory_that_is_lost_or_broken_stops_the_stream_until_a_person_mends_it(broken, after, open_table, tmp_path):
    put(open_table(), spec(), ROWS, token("a"), cursor=1)
    (memory,) = tmp_path.rglob("_dativo/state/*/*.json")
    memory.unlink() if broken is None else memory.write_text(broken)
    with pytest.raises(ConfigurationError) as caught:
        open_table().state(KEY)
    assert caught.value.error_code == "STATE_CORRUPT"

    memory.unlink(missing_ok=True)
    change = StateChange(key=KEY, action="set", before=None, after=after, by="me", reason="lost", at="2026-01-01")
    open_table().set_state(change)
    open_table().set_state(change)
    assert open_table().state(KEY) == after
    assert open_table().state_changes(KEY) == [change]
