from __future__ import annotations

import datetime as dt
import decimal
import json
import math
import uuid
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.io.pyarrow import (
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
)

from dativo_dagster.config.contract import Contract, Field
from dativo_dagster.config.types import parse_type
from dativo_dagster.formats.laid import Laid
from dativo_dagster.formats.rolling import Layout, Rolling
from dativo_dagster.storage import local_path, open_storage
from dativo_dagster.tables.iceberg import Config, Table
from dativo_dagster.tables.iceberg.schema import arrow as iceberg_arrow
from dativo_dagster.validation.icebergmap import iceberg_schema
from dativo_dagster.validation.typemap import arrow_field
from dativo_ingest.exceptions import ConfigurationError, DativoError
from dativo_ingest.native import load_library
from tests.fakes import lake as lake_of
from tests.native import native_library

if TYPE_CHECKING:
    from pyiceberg.schema import Schema

pytestmark = pytest.mark.rust

D = decimal.Decimal
UTC = dt.timezone.utc
NAN, INF = float("nan"), math.inf
LONG = "ä€𝄞" * 40


def moment(*parts: int) -> dt.datetime:
    return dt.datetime(*parts)  # noqa: DTZ001 - a timestamp without a zone is what is meant


VALUES = {
    "boolean": [True, False, None],
    "int8": [-128, 127, 0, None],
    "int16": [-(2**15), 2**15 - 1, None],
    "int32": [-(2**31), 2**31 - 1, None],
    "int64": [-(2**63), 2**63 - 1, None],
    "uint8": [0, 255, None],
    "uint16": [0, 2**16 - 1, None],
    "uint32": [0, 2**32 - 1, None],
    "uint64": [0, 2**63, 2**64 - 1, None],
    "float32": [1.5, -0.0, 0.0, NAN, INF, -INF, None],
    "double": [5e-324, -1.7976931348623157e308, -0.0, NAN, None],
    "string": ["", "a", LONG, "\x00", "\U0010ffff" * 30, None],
    "json": ['{"a": [1, null]}', "null", None],
    "binary": [b"", b"\xff" * 100, b"\x00", None],
    "uuid": [uuid.UUID(int=0).bytes, uuid.UUID(int=2**128 - 1).bytes, None],
    "date": [dt.date(1, 1, 1), dt.date(9999, 12, 31), dt.date(1969, 12, 31), None],
    "decimal(1,0)": [D(9), D(-9), None],
    "decimal(9,2)": [D("9999999.99"), D("-9999999.99"), D("0.00"), None],
    "decimal(18,6)": [D("999999999999.999999"), D("-0.000001"), None],
    "decimal(19,0)": [D(10**19 - 1), D(-(10**19) + 1), None],
    "decimal(38,0)": [D(10**38 - 1), D(-(10**38) + 1), D(0), None],
    "decimal(38,38)": [D("0." + "9" * 38), D("-0." + "0" * 37 + "1"), None],
    "time[s]": [dt.time(0), dt.time(23, 59, 59), None],
    "time[ms]": [dt.time(0), dt.time(23, 59, 59, 999000), None],
    "time[us]": [dt.time(0), dt.time(23, 59, 59, 999999), None],
    "time[ns]": [0, 86_399_999_999_999, None],
    "timestamp[s]": [moment(1, 1, 1), moment(9999, 12, 31, 23, 59, 59), None],
    "timestamp[ms]": [moment(1969, 12, 31, 23, 59, 59, 999000), None],
    "timestamp[us]": [moment(1, 1, 1), moment(9999, 12, 31, 23, 59, 59, 999999), None],
    "timestamp[ns]": [-(2**63) + 1, -1, 0, 1, 2**63 - 1, None],
    "timestamptz[us]": [dt.datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), None],
    "timestamptz[ns]": [-1, 2**63 - 1, None],
    "list<string>": [[], [""], [None, "x"], None],
    "list<double>": [[NAN, None, 1.0], [], None],
    "list<list<int32>>": [[[1], [], None, [None, 2]], [], None],
    "map<string,int64>": [[("a", 1), ("b", None)], [], None],
    "struct<a: int32, b: string>": [{"a": 1, "b": None}, {"a": None, "b": ""}, None],
    "struct<a: struct<b: list<decimal(38,2)>>>": [{"a": {"b": [D("1.00"), None]}}, {"a": None}, None],
    "list<struct<k: string, v: timestamp[us]>>": [[{"k": "x", "v": moment(2000, 1, 1)}, None], [], None],
}  # fmt: skip


@pytest.fixture(scope="session")
def library():
    return load_library(native_library("parquet_writer"))


def column(kind: str) -> pa.Array:
    field = arrow_field("value", parse_type(kind))
    return pa.array(VALUES[kind], field.type)


def rows(kind: str) -> pa.Table:
    values = column(kind)
    return pa.table([pa.array(range(len(values)), pa.int64()), values], names=["id", "value"])


def written(library, folder, table: pa.Table, **target) -> list:
    config = {"target": target, "output_base": str(folder), "commits": False}
    with library.writer("create_writer", config) as writer:
        return writer.write(table.to_batches(), f"{folder.as_uri()}/", "part")


def both(library, folder, table: pa.Table, **target):
    """Write a table with the plugin, and as the built-in writer does with pyarrow."""
    (made,) = written(library, folder, table, **target)
    peer = folder / "peer.parquet"
    pq.write_table(table, peer, store_decimal_as_integer=True, write_page_index=True, compression="zstd")
    return pq.ParquetFile(local_path(made.path)), pq.ParquetFile(peer)


def shape(file: pq.ParquetFile) -> list[tuple]:
    """Give what a file's schema says of each leaf column."""
    columns = (file.schema.column(i) for i in range(file.metadata.num_columns))
    return [
        (c.path, c.physical_type, str(c.logical_type), c.length, c.max_definition_level, c.max_repetition_level)
        for c in columns
    ]


@pytest.mark.parametrize("kind", VALUES)
def test_every_type_is_read_back_as_from_pyarrows_file(library, tmp_path, kind):
    ours, theirs = both(library, tmp_path, rows(kind))
    assert shape(ours) == shape(theirs)
    assert ours.schema_arrow.equals(theirs.schema_arrow)
    assert repr(ours.read().to_pydict()) == repr(theirs.read().to_pydict())


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("encoding", ["plain", "delta"])
def test_duckdb_reads_the_same_from_both_files(library, tmp_path, kind, encoding):
    both(library, tmp_path, rows(kind), encoding=encoding)
    found = [
        duckdb.sql(f"SELECT id, value::VARCHAR, typeof(value) FROM '{tmp_path}/{name}' ORDER BY id").fetchall()
        for name in ("part-00001.parquet", "peer.parquet")
    ]
    assert len(found[0]) == len(VALUES[kind])
    assert found[0] == found[1]


@pytest.mark.parametrize("kind", VALUES)
def test_statistics_are_those_of_pyarrow(library, tmp_path, kind):
    ours, theirs = both(library, tmp_path, rows(kind))
    for at in range(ours.metadata.num_columns):
        a, b = (file.metadata.row_group(0).column(at) for file in (ours, theirs))
        if kind in {"string", "binary"} and a.path_in_schema == "value":
            assert a.statistics.min <= b.statistics.min
            assert a.statistics.max >= b.statistics.max
            assert len(a.statistics.max) <= max(64, len(max(v for v in VALUES[kind] if v is not None)))
        elif b.statistics is not None:
            assert repr(a.statistics.to_dict()) == repr(b.statistics.to_dict())


def iceberg_table() -> Schema:
    """Give the schema of a table with a column of every type that Iceberg has."""
    kinds = [kind for kind in VALUES if "[ns]" not in kind]
    fields = [Field(name=f"c{at}", type=parse_type(kind)) for at, kind in enumerate(kinds)]
    return iceberg_schema(Contract(name="all", fields=tuple(fields)))


def in_columns(schema: pa.Schema) -> pa.RecordBatch:
    """Give rows of a table's Arrow schema, with the edge values of each column's type."""
    kinds = [kind for kind in VALUES if "[ns]" not in kind]
    values = [column(kind) for kind in kinds]
    longest = max(map(len, values))
    padded = [pa.concat_arrays([v, pa.nulls(longest - len(v), v.type)]) for v in values]
    return pa.record_batch(padded, names=schema.names).cast(schema)


def by_both(library, folder, schema: pa.Schema, batch: pa.RecordBatch):
    """Have a unit written by the plugin and by the built-in writer, as a table does."""
    base = f"{folder.as_uri()}/data/"
    layout = Layout(open_storage(base), base, schema, (), 1 << 20, "zstd", keep=schema.names)
    config = {"target": {}, "output_base": str(folder), "commits": False}
    with library.writer("create_writer", config) as writer:
        (ours,) = Laid(layout, writer, "a" * 24, "unit").write([batch])
    (theirs,) = Rolling(layout, "b" * 24, "unit").write([batch])
    return ours, theirs


def test_a_tables_files_have_the_field_ids_of_the_built_in_writer(library, tmp_path):
    schema = iceberg_arrow(iceberg_table())
    ours, theirs = by_both(library, tmp_path, schema, in_columns(schema))
    lines = [str(file.footer.schema).splitlines()[2:] for file in (ours, theirs)]
    assert lines[0] == lines[1]
    assert all("field_id=-1" not in line for line in lines[0] if "repeated" not in line and "}" not in line)
    assert ours.nans == theirs.nans


def test_pyiceberg_takes_the_same_statistics_from_both_footers(library, tmp_path):
    table = iceberg_table()
    schema = iceberg_arrow(table)
    plan, ids = compute_statistics_plan(table, {}), parquet_path_to_id_mapping(table)
    found = [
        data_file_statistics_from_parquet_metadata(file.footer, plan, ids).to_serialized_dict()
        for file in by_both(library, tmp_path, schema, in_columns(schema))
    ]
    for facts in found:
        assert len(facts.pop("column_sizes")) == len(ids)
        facts.pop("split_offsets")
    assert found[0] == found[1]
    assert len(found[0]["lower_bounds"]) > 20


@pytest.fixture
def lake(tmp_path, monkeypatch):
    monkeypatch.setenv("DATIVO_WAREHOUSE", str(tmp_path / "lake"))


@pytest.mark.usefixtures("lake")
def test_an_iceberg_table_commits_its_files(library, tmp_path):
    config = {"target": {}, "output_base": str(tmp_path), "commits": False}
    made = lake_of.spec(plugin=lambda: library.writer("create_writer", config))
    lake_of.put(Table(Config(), made), made, lake_of.ROWS, lake_of.token("a"))
    assert lake_of.ids(Table(Config(), lake_of.spec())) == [1, 2, 3]


def test_files_are_rolled_at_their_size_and_hold_every_row(library, tmp_path):
    table = pa.table({"n": pa.array(range(300_000)), "text": [f"text {n * 7919 % 300_000}" for n in range(300_000)]})
    config = {"target": {"compression": "none"}, "output_base": str(tmp_path), "commits": False}
    with library.writer("create_writer", config | {"file_size_bytes": 500_000}) as writer:
        made = writer.write(table.to_batches(max_chunksize=70_000), f"{tmp_path}/", "part")
    assert [file.path for file in made] == [f"{tmp_path}/part-{at:05}.parquet" for at in range(1, len(made) + 1)]
    assert len(made) > 5
    assert all(file.bytes < 1_250_000 for file in made)
    assert pa.concat_tables([pq.read_table(file.path) for file in made]).equals(table)


@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "lz4", "zstd", "brotli"])
def test_pyarrow_reads_every_codec(library, tmp_path, codec):
    table = pa.table({"n": range(50_000), "text": ["same"] * 50_000})
    (made,) = written(library, tmp_path, table, compression=codec)
    assert pq.read_table(local_path(made.path)).equals(table)


def test_pages_can_be_skipped_by_their_bounds(library, tmp_path):
    (made,) = written(library, tmp_path, pa.table({"n": range(100_000)}))
    chunk = pq.read_metadata(local_path(made.path)).row_group(0).column(0)
    assert chunk.has_column_index
    assert chunk.has_offset_index
    (bare,) = written(library, tmp_path, pa.table({"n": range(10)}), statistics="none")
    assert not pq.read_metadata(local_path(bare.path)).row_group(0).column(0).is_stats_set


def test_columns_that_differ_by_row_group_have_a_dictionary_where_it_helps(library, tmp_path):
    values = ["few"] * 20_000 + [f"value {n}" for n in range(20_000)]
    (made,) = written(library, tmp_path, pa.table({"v": values}), row_group_rows=20_000)
    footer = pq.read_metadata(local_path(made.path))
    assert [footer.row_group(at).column(0).has_dictionary_page for at in (0, 1)] == [True, False]


def test_rows_that_break_off_leave_no_file_and_their_own_error(library, tmp_path):
    def batches():
        yield pa.record_batch({"n": range(100_000)})
        raise RuntimeError("the source is gone")

    config = {"target": {}, "output_base": str(tmp_path), "commits": False, "file_size_bytes": 1000}
    with library.writer("create_writer", config) as writer, pytest.raises(RuntimeError, match="source is gone"):
        writer.write(batches(), f"{tmp_path}/", "part")
    assert list(tmp_path.iterdir()) == []


def test_a_type_that_parquet_lacks_is_refused_by_column(library, tmp_path):
    mixed = pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])])
    with pytest.raises(DativoError, match="'mixed'") as caught:
        written(library, tmp_path, pa.table({"mixed": mixed}))
    assert caught.value.error_code == "TYPE_UNSUPPORTED"


@pytest.mark.parametrize(
    "target", [{"compression": "zip"}, {"engine": {"options": {"row_group_rows": 0}}}, {"compression_level": 3}]
)
def test_an_option_that_does_not_fit_is_refused_when_it_is_opened(library, tmp_path, target):
    target = {"compression": "snappy"} | target
    with (
        pytest.raises(ConfigurationError, match=r"target\."),
        library.writer("create_writer", {"target": target, "output_base": str(tmp_path)}) as writer,
    ):
        writer.check()


def test_alone_it_commits_by_a_manifest(library, tmp_path):
    config = {"target": {}, "output_base": str(tmp_path), "commits": True}
    with library.writer("create_writer", config) as writer:
        made = writer.write(pa.table({"n": [1, 2]}).to_batches(), f"{tmp_path}/", "part")
        answers = [writer.commit("token", made) for _ in range(2)]
    assert answers[0] == answers[1]
    manifest = json.loads((tmp_path / "_dativo_manifest-token.json").read_text())
    assert (manifest["token"], [file["rows"] for file in manifest["files"]]) == ("token", [2])
    assert pq.read_table(tmp_path).column("n").to_pylist() == [1, 2]
