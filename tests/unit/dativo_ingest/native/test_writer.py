"""A writer behind the C ABI: it pulls rows one by one, and nothing that it leaves out goes unseen."""

from __future__ import annotations

import pyarrow as pa
import pytest

from dativo_ingest import native
from dativo_ingest.exceptions import CommitError, PluginError, ValidationError
from dativo_ingest.model import DataFile
from dativo_ingest.protocols import WriterPlugin
from tests.clibrary import c_library

BATCHES = [pa.record_batch({"n": pa.array([1, 2, 3])}), pa.record_batch({"n": pa.array([4])})]


def _writer(fault="", *, commits=False):
    config = {"target": {"fault": fault}, "commits": commits}
    return native.load_library(c_library("v1")).writer("create_writer", config)


def test_it_is_a_writer_and_answers_every_verb():
    with _writer(commits=True) as writer:
        assert isinstance(writer, WriterPlugin)
        assert writer.commits
        assert writer.check().passed
        files = writer.write(iter(BATCHES), "/out/", "a")
        assert files == [DataFile(path="/out/a.parquet", rows=4, bytes=10)]
        assert writer.commit("token", files) == {"done": True}
        assert writer.abort(files) is None


def test_nothing_to_write_is_no_call():
    with _writer("leaves the rows") as writer:
        assert writer.write([], "/out/", "a") == []


def test_a_plugin_without_the_verbs_says_so_or_has_nothing_to_do():
    with _writer("nothing but release") as writer:
        with pytest.raises(PluginError, match="writes nothing"):
            writer.write(BATCHES, "/out/", "a")
        assert writer.commit("token", []) == {}


def test_batches_are_pulled_one_by_one():
    pulled = []

    def batches():
        for batch in BATCHES:
            pulled.append(batch.num_rows)
            yield batch

    with _writer("stops early") as writer, pytest.raises(PluginError, match="more were there"):
        writer.write(batches(), "/out/", "a")
    assert pulled == [3]


def test_batches_of_other_libraries_are_taken_too():
    class Foreign:
        def __arrow_c_array__(self, requested_schema=None):
            return BATCHES[0].__arrow_c_array__(requested_schema)

    with _writer() as writer:
        assert writer.write([Foreign()], "/out/", "a")[0].rows == 3


@pytest.mark.parametrize("fault", ["", "swallows"])
def test_an_error_of_whoever_makes_the_rows_comes_back_as_it_was(fault):
    class OurError(Exception):
        pass

    error = OurError("the source broke off")

    def batches():
        yield BATCHES[0]
        raise error

    with _writer(fault) as writer, pytest.raises(OurError) as caught:
        writer.write(batches(), "/out/", "a")
    assert caught.value is error


def test_an_error_of_the_plugin_names_it_and_the_rows_are_taken_back():
    with _writer("leaves the rows") as writer, pytest.raises(CommitError, match="disk full") as caught:
        writer.write(BATCHES, "/out/", "a")
    assert caught.value.error_code == "WRITE_FAILED"
    assert f"{c_library('v1')}: write: " in caught.value.message


@pytest.mark.parametrize("fault", ["stops early", "miscounts"])
def test_rows_that_a_writer_loses_fail_it(fault):
    with _writer(fault) as writer, pytest.raises(PluginError) as caught:
        writer.write(BATCHES, "/out/", "a")
    assert caught.value.error_code == "ROWS_LOST"


def test_a_writer_that_commits_by_itself_counts_as_it_likes():
    with _writer("miscounts", commits=True) as writer:
        assert writer.write(BATCHES, "/out/", "a")[0].rows == 3


def test_batches_with_other_columns_are_refused():
    other = pa.record_batch({"m": pa.array([4])})
    with _writer() as writer, pytest.raises(ValidationError) as caught:
        writer.write([BATCHES[0], other], "/out/", "a")
    assert caught.value.error_code == "COLUMNS_DIFFER"
