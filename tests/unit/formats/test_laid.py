from __future__ import annotations

import dataclasses

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dativo_dagster.config.job import Partition
from dativo_dagster.formats.laid import Laid
from dativo_dagster.formats.rolling import OURS, Layout
from dativo_dagster.formats.units import Units
from dativo_dagster.storage import local_path, open_storage
from dativo_ingest.exceptions import PluginError
from tests.fakes.plugins import Encoder

SCHEMA = pa.schema(
    [
        pa.field("id", pa.int64(), metadata={"PARQUET:field_id": "1"}),
        pa.field("name", pa.string(), metadata={"PARQUET:field_id": "2"}),
    ]
)
TOKEN = "a" * 24


@pytest.fixture
def layout(tmp_path):
    base = tmp_path.as_uri() + "/data/"
    return Layout(open_storage(base), base, SCHEMA, (), 1 << 20, "zstd", keep=SCHEMA.names)


def rows(*ids: int, names: str = "n") -> pa.RecordBatch:
    return pa.record_batch({"id": pa.array(ids, pa.int64()), "name": [names] * len(ids)})


def files_in(layout) -> list[str]:
    return [f.path for f in layout.storage.list(layout.base)]


def test_the_plugin_gets_the_tables_columns_and_its_files_are_described(layout):
    (file,) = Laid(layout, Encoder(), TOKEN, "unit").write([rows(1, 2), rows(3)])
    assert (file.rows, file.footer.num_rows, file.bytes) == (3, 3, local_path(file.path).stat().st_size)
    assert pq.read_schema(local_path(file.path)).field("id").metadata[b"PARQUET:field_id"] == b"1"


def test_such_files_are_known_as_ours_when_nobody_commits_them(layout):
    (file,) = Laid(layout, Encoder(), TOKEN, "a unit/x").write([rows(1)])
    assert OURS.fullmatch(file.path.rpartition("/")[2])


def test_seconds_are_kept_as_milliseconds_because_parquet_has_none(layout):
    schema = pa.schema([pa.field("at", pa.timestamp("s")), pa.field("zoned", pa.timestamp("s", "UTC"))])
    by_second = dataclasses.replace(layout, schema=schema, keep=schema.names)
    rows = pa.record_batch([pa.array([0], pa.timestamp("s")), pa.array([0], pa.timestamp("s", "UTC"))], schema=schema)
    assert [file.rows for file in Laid(by_second, Encoder(), TOKEN, "unit").write([rows])] == [1]


def test_with_partitions_each_file_has_one(layout):
    by_name = dataclasses.replace(layout, partitioning=(Partition(column="name"),))
    made = Laid(by_name, Encoder(), TOKEN, "unit").write([rows(1, names="x"), rows(2, names="y"), rows(3, names="x")])
    assert {file.values: file.rows for file in made} == {("x",): 2, ("y",): 1}
    assert all(f"name={file.values[0]}/" in file.path for file in made)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda t: t.slice(1), "PLUGIN_LOST_ROWS"),
        (lambda t: pa.concat_tables([t, t]), "PLUGIN_LOST_ROWS"),
        (lambda t: t.drop_columns(["name"]), "PLUGIN_BAD_FILE"),
        (lambda t: t.set_column(0, "id", t.column("id").cast(pa.int32())), "PLUGIN_BAD_FILE"),
        (lambda t: t.replace_schema_metadata(None).cast(pa.schema([pa.field(f.name, f.type) for f in t.schema])),
         "PLUGIN_BAD_FILE"),
    ],
    ids=["rows lost", "rows doubled", "column lost", "other type", "no field ids"],
)  # fmt: skip
def test_a_file_that_is_not_what_was_given_is_refused_and_removed(layout, spoil, code):
    with pytest.raises(PluginError) as caught:
        Laid(layout, Encoder(spoil=spoil), TOKEN, "unit").write([rows(1, 2)])
    assert caught.value.error_code == code
    assert files_in(layout) == []


def test_a_file_that_is_no_parquet_is_refused(layout):
    class Liar(Encoder):
        def write(self, batches, base, name):
            (file,) = super().write(batches, base, name)
            local_path(file.path).write_bytes(b"PAR1")
            return [file]

    with pytest.raises(PluginError, match="no readable Parquet"):
        Laid(layout, Liar(), TOKEN, "unit").write([rows(1)])
    assert files_in(layout) == []


def test_an_error_in_the_rows_comes_through_and_leaves_no_file(layout):
    def broken():
        yield rows(1)
        raise ValueError("the source broke")

    with pytest.raises(ValueError, match="the source broke"):
        Laid(layout, Encoder(), TOKEN, "unit").write(broken())
    assert files_in(layout) == []


def test_a_writer_that_dies_leaves_no_file_half_written(layout):
    class Dying(Encoder):
        def write(self, batches, base, name):
            (local_path(base)).mkdir(parents=True, exist_ok=True)
            local_path(f"{base}{name}-00000.parquet").write_bytes(b"PAR1")
            local_path(f"{base}.{name}-00001.parquet.part").write_bytes(b"PAR1")
            raise PluginError("it died", "PLUGIN_CRASHED")

        def abort(self, files):
            raise PluginError("it is gone", "PLUGIN_CRASHED")

    stranger = local_path(layout.base + "other-00000.parquet")
    stranger.parent.mkdir(parents=True)
    stranger.write_bytes(b"")
    with pytest.raises(PluginError, match="it died"):
        Laid(layout, Dying(), TOKEN, "unit").write([rows(1)])
    assert list(stranger.parent.iterdir()) == [stranger]


def test_the_custom_writer_of_a_commit_is_opened_once_and_closed(layout):
    plugin = Encoder()
    units = Units(layout, TOKEN, plugin.opened)
    units.write([rows(1)], "a")
    units.write([rows(2)], "b")
    assert (plugin.open, plugin.calls) == (1, 2)
    units.close()
    assert plugin.open == 0


def test_a_file_that_is_named_twice_is_refused(layout):
    class Twice(Encoder):
        def write(self, batches, base, name):
            return super().write(batches, base, name) * 2

    with pytest.raises(PluginError) as caught:
        Laid(layout, Twice(), TOKEN, "unit").write([rows(1)])
    assert caught.value.error_code == "PLUGIN_BAD_FILE"


def test_a_file_under_a_name_of_the_writers_own_is_refused_because_the_next_call_would_write_over_it(layout):
    class OneName(Encoder):
        def write(self, batches, base, name):
            return super().write(batches, base, "data")

    with pytest.raises(PluginError, match="its name does not start with"):
        Laid(layout, OneName(), TOKEN, "unit").write([rows(1)])
    assert files_in(layout) == []
