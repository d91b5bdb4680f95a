"""Builders and doubles give what a plugin meets: configurations, states, batches, a writer in memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from dativo_ingest.exceptions import ConfigurationError
from dativo_ingest.model import Stream
from dativo_ingest.testing import (
    EVERY_TYPE,
    HostileReader,
    MemoryWriter,
    arrow_table,
    arrow_type,
    asset_definition,
    batches,
    frozen_state,
    http_server,
    read_rows,
    reader_options,
    source_config,
    stream,
    target_config,
    writer_options,
)


def test_a_configuration_has_empty_mappings_where_readers_look_and_what_was_said():
    source = source_config(connection={"base_url": "http://x"}, objects=["users"], page=3)
    assert (source.connection["base_url"], source.credentials, source.objects, source.page) == (
        "http://x",
        {},
        ["users"],
        3,
    )
    target = target_config(engine={"options": {"format": "jsonl"}})
    assert (target.type, target.engine.get("options"), target.connection) == ("custom", {"format": "jsonl"}, {})


def test_an_asset_has_its_columns_as_the_earlier_system_writes_them():
    asset = asset_definition({"id": "integer", "name": "string"}, name="people")
    assert asset.name == "people"
    assert asset.schema == [
        {"name": "id", "type": "integer", "required": False},
        {"name": "name", "type": "string", "required": False},
    ]


def test_a_stream_says_what_is_required_by_an_exclamation_mark():
    made = stream("users", {"id": "int64!", "name": "string"}, primary_key=("id",))
    assert [(c.name, c.type, c.nullable) for c in made.columns] == [("id", "int64", False), ("name", "string", True)]
    assert made.primary_key == ("id",)


def test_options_are_plain_json():
    made = stream("users", {"id": "int64!"})
    for options in (reader_options(made, files=["a.csv"]), writer_options(made, "/out", commits=True, engine={})):
        assert json.loads(json.dumps(options)) == options
        assert Stream.from_json(options["stream"]) == made


def test_a_frozen_state_is_what_the_state_manager_reads():
    with frozen_state(file_a={"last_modified": "2024-01-01"}) as (manager, path):
        assert manager.read_state(path) == {"file_a": {"last_modified": "2024-01-01"}}
        assert manager.should_skip_file("a", "2024-01-01", path)
    assert not path.exists()


@pytest.mark.parametrize("kind", [*EVERY_TYPE.values(), "timestamp[ns]", "time[s]", "list<struct<a: timestamptz[ms]>>"])
def test_a_table_has_awkward_values_of_a_type_and_nulls(kind):
    table = arrow_table({"x": kind}, rows=60)
    table.validate(full=True)
    column = table.column(0).combine_chunks()
    assert column.null_count
    assert len(column) == 60
    if not pa.types.is_nested(column.type) and not isinstance(column.type, pa.BaseExtensionType):
        assert len(column.unique()) > 2


def test_a_required_column_has_no_null():
    assert arrow_table(stream(columns={"x": "string!"})).column(0).null_count == 0


def test_batches_are_cut_and_number_their_fields():
    found = batches({"x": "int64"}, rows=10, batch_rows=4, field_ids=True)
    assert [b.num_rows for b in found] == [4, 4, 2]
    assert found[0].schema.field(0).metadata[b"PARQUET:field_id"] == b"1"
    assert [b.num_rows for b in batches({"x": "int64"}, rows=0)] == [0]


@pytest.mark.parametrize(
    "text", ["", "strin", "decimal", "decimal(1,2,3)", "list<", "list<int64", "struct<a int64>", "int64 x", "list"]
)
def test_a_text_that_is_no_type_is_refused(text):
    with pytest.raises(ConfigurationError) as refused:
        arrow_type(text)
    assert refused.value.error_code == "BAD_TYPE"


def test_a_writer_in_memory_shows_rows_once_they_are_committed():
    writer = MemoryWriter()
    files = writer.write(batches({"id": "int64"}, rows=3), "file:///out/", "a")
    assert (writer.rows, sum(f.rows for f in files)) == ([], 3)
    writer.commit("token", files)
    writer.commit("token", files)
    assert len(writer.rows) == 3
    gone = writer.write(batches({"id": "int64"}, rows=3), "file:///out/", "b")
    writer.abort(gone)
    writer.commit("other", gone)
    assert len(writer.rows) == 3
    assert writer.calls == ["write", "commit", "commit", "write", "abort", "commit"]


def test_all_rows_of_a_reader_are_read_as_dicts():
    rows = read_rows(HostileReader(), Stream(name="things"))
    assert (len(rows), rows[0], rows[-1]) == (90, {"id": 0, "name": "0"}, {"id": 89, "name": "89"})


def test_the_doubles_that_need_no_arrow_need_no_package_at_all():
    """An author's own script may use them with nothing installed but the SDK."""
    names = "source_config, http_server, frozen_state, stream, HostileReader, MemoryWriter"
    code = f"import sys; sys.path.insert(0, {str(Path.cwd())!r}); from dativo_ingest.testing import {names}"
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert http_server.__module__ == "dativo_ingest.testing.server"
