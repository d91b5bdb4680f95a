"""A reader of the older JSON ABI: it runs as it is, and no failure of it looks like the end."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys

import pytest

from dativo_ingest import exceptions as e
from dativo_ingest import native
from dativo_ingest.exceptions import PluginError
from dativo_ingest.model import Column, Cursor, Stream, Unit, Window
from dativo_ingest.native_json.reader import reader_words
from dativo_ingest.protocols import Reader
from tests.clibrary import ROOT, c_library
from tests.native import native_library

ALL = Unit(id="all")
STREAM = Stream(name="rows", columns=(Column(name="n", type="int64"), Column(name="s", type="string")))
LEGACY = Stream(name="rows", columns=(Column(name="id", type="int64"), Column(name="amount", type="decimal(12,2)")))


def _source(fault="", **more):
    limits = more.pop("limits", {})
    return {"source": {"engine": {"options": {"fault": fault, **more}}, "limits": limits}}


def _read(fault="", *defines, **more):
    with native.load_library(c_library("old", *defines)).reader("create_reader", _source(fault, **more)) as reader:
        return [row for batch in reader.read(STREAM, ALL) for row in batch.to_pylist()]


def _counted(*names, defines=()):
    library = ctypes.CDLL(str(c_library("old", *defines)))
    return [ctypes.c_int.in_dll(library, name).value for name in names]


ROWS = [{"n": 0, "s": "a},{b"}, {"n": 1, "s": None}, {"n": 2, "s": "a},{b"}, {"n": 3, "s": None}]


@pytest.mark.parametrize("fault", ["", "chatty", "ends with a list", "prints"])
def test_rows_arrive_up_to_null_or_an_empty_list(fault):
    """The third and fourth print while they run; who runs a plugin beside others cannot tell whose words those are."""
    assert _read(fault) == ROWS


def test_it_is_a_reader_and_every_verb_that_the_abi_lacks_has_an_answer():
    with native.load_library(c_library("old")).reader("create_reader", _source()) as reader:
        assert isinstance(reader, Reader)
        assert reader.check().passed
        assert reader.discover() == []
        since = Cursor(value={"n": 1})
        window = reader.split(STREAM, since)
        assert [u.id for u in window.units] == ["all"]
        assert reader.split(STREAM, since).fingerprint != window.fingerprint
        assert reader.reached(window) == since
        assert reader.position(ALL) == 0


def test_every_text_and_every_reader_is_given_back():
    before = _counted("made", "texts_out")
    freed = _counted("freed", "texts_back")
    _read()
    with pytest.raises(PluginError):
        _read("NaN")
    with native.load_library(c_library("old")).reader("create_reader", _source()) as reader:
        next(reader.read(STREAM, ALL))
    assert [b - a for a, b in zip(before, _counted("made", "texts_out"), strict=True)] == [
        b - a for a, b in zip(freed, _counted("freed", "texts_back"), strict=True)
    ]
    assert _counted("made")[0] == before[0] + 3


def test_the_configuration_has_every_key_and_no_null():
    words = {"connection": {}, "credentials": {}, "objects": [], "files": [], "incremental": {}, "engine": {}}
    assert reader_words({}) == {"type": "custom", **words}
    source = {"type": "csv", "files": [{"path": "a.csv"}], "objects": None, "tables": [{"name": "t"}], "dsn": "x"}
    assert reader_words({"source": source}) == {"type": "csv", **words, "files": [{"path": "a.csv"}]}


REFUSED = {
    "refuses": ("PLUGIN_REFUSED", "create_reader answered NULL"),
    "NULL": ("PLUGIN_READ_FAILED", "allow_empty"),
    "twice": ("PLUGIN_BAD_DATA", "a name twice"),
    "NaN": ("PLUGIN_BAD_DATA", "NaN"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_a_failure_names_plugin_verb_and_stream(fault):
    code, words = REFUSED[fault]
    with pytest.raises(PluginError, match=words) as caught:
        _read(fault)
    assert caught.value.error_code == code
    assert f"{c_library('old')}: read of stream 'rows': " in caught.value.message


def test_nothing_is_a_list_or_allowed():
    assert _read("empty") == []
    assert _read("NULL", allow_empty=True) == []


def test_a_library_that_can_say_what_went_wrong_is_asked():
    assert _read("", "LAST_ERROR") == ROWS
    with pytest.raises(e.ConnectionError, match="no answer") as caught:
        _read("says", "LAST_ERROR")
    assert caught.value.retryable
    with pytest.raises(e.AuthenticationError, match="the key was refused"):
        _read("refuses", "LAST_ERROR")
    assert _read("NULL", "LAST_ERROR") == []
    assert len(set(_counted("texts_out", "texts_back", defines=("LAST_ERROR",)))) == 1


def test_null_is_no_end_while_a_file_of_the_job_is_unreadable(tmp_path):
    (tmp_path / "a.csv").touch()
    files = [{"path": str(tmp_path / "a.csv")}, {"file": str(tmp_path / "b.csv")}]
    library = native.load_library(c_library("old"))
    with library.reader("create_reader", {"source": {"files": files}}) as reader:
        with pytest.raises(PluginError, match=r"no reading .*b\.csv"):
            list(reader.read(STREAM, ALL))
        (tmp_path / "b.csv").touch()
        assert len(list(reader.read(STREAM, ALL))) == 2


def test_paths_that_are_none_say_nothing():
    files = [{"path": "some/table"}, {"path": "s3://bucket/x"}, {"path": "data/*.csv"}, {"id": "7"}, "another"]
    with native.load_library(c_library("old")).reader("create_reader", {"source": {"files": files}}) as reader:
        assert len(list(reader.read(STREAM, ALL))) == 2


@pytest.mark.parametrize(("fault", "fails"), [("", False), ("chatty", False), ("prints", True), ("refuses", True)])
def test_where_stderr_is_the_plugins_alone_its_words_are_evidence(fault, fails):
    program = f"""
from dativo_ingest import native
from dativo_ingest.native import stderr as native_stderr
from tests.unit.dativo_ingest.native_json import test_reader as here
native_stderr.own()
with native.load_library({str(c_library("old"))!r}).reader("create_reader", here._source({fault!r})) as reader:
    print(sum(b.num_rows for b in reader.read(here.STREAM, here.ALL)))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode != 0) == fails, done.stderr
    if fails:
        word = {"prints": "the disk went away", "refuses": "the key was refused"}[fault]
        assert f"it printed: old: {word}" in done.stderr
        assert done.stderr.startswith(f"old: {word}"), "what is printed still arrives"


@pytest.mark.parametrize("name", ["create_reader_of_mine", "", "create reader"])
def test_a_constructor_that_is_not_there_is_named(name):
    library = native.load_library(c_library("old"))
    with pytest.raises(PluginError) as caught, library.reader(name, {}):
        pass
    assert caught.value.error_code == "NOT_A_PLUGIN"
    assert repr(name) in caught.value.message


def test_a_library_that_cannot_free_is_refused():
    library = native.load_library(c_library("old", "NO_FREE"))
    with pytest.raises(PluginError, match="free_reader"), library.reader("create_reader", {}):
        pass


# --- a plugin of the earlier system, in Rust


def _legacy(fault="none", **more):
    library = native.load_library(native_library("legacy_json"))
    return library.reader("create_reader", _source(fault, **more))


@pytest.mark.rust
def test_a_rust_plugin_of_the_earlier_system_is_read_whole():
    with _legacy(rows=25_000) as reader:
        batches = list(reader.read(LEGACY, ALL))
    assert [b.num_rows for b in batches] == [10_000, 10_000, 5_000]
    assert [i for b in batches for i in b["id"].to_pylist()] == list(range(25_000))
    assert str(batches[0].schema.field("amount").type) == "decimal128(12, 2)"
    assert batches[0]["created_at"][0].as_py() == "2024-05-17T08:30:00"


LEGACY_FAULTS = {
    "create": ("PLUGIN_REFUSED", "create_reader answered NULL"),
    "invalid_json": ("PLUGIN_BAD_DATA", "is no JSON"),
    "truncated_utf8": ("PLUGIN_BAD_DATA", "not UTF-8"),
    "no_list": ("PLUGIN_BAD_DATA", "no array of objects"),
    "no_object": ("PLUGIN_BAD_DATA", "no array of objects"),
    "repeat": ("ENDLESS_READER", "max_repeats"),
    "endless": ("ENDLESS_READER", "max_rows"),
}


@pytest.mark.rust
@pytest.mark.parametrize("fault", LEGACY_FAULTS)
def test_a_fault_of_a_rust_plugin_fails_the_read(fault):
    code, words = LEGACY_FAULTS[fault]
    limits = {"max_rows": 5000}
    with _legacy(fault, batch_size=10, limits=limits) as reader, pytest.raises(PluginError, match=words) as caught:
        list(reader.read(LEGACY, ALL))
    assert caught.value.error_code == code


@pytest.mark.rust
def test_the_reader_of_the_guide_gives_its_rows_for_ever_and_is_stopped():
    library = native.load_library(native_library("seed_guide"))
    stream = Stream(name="data", columns=(Column(name="id", type="int64"), Column(name="name", type="string")))
    source = {"connection": {"path": "/data/input"}, "objects": ["data"]}
    with library.reader("create_reader", {"source": source}) as reader:
        rows = reader.read(stream, ALL)
        assert next(rows).to_pylist() == [{"id": 1, "name": "Record 1"}, {"id": 2, "name": "Record 2"}]
        with pytest.raises(PluginError, match="does it ever end") as caught:
            list(rows)
    assert caught.value.error_code == "ENDLESS_READER"
    assert json.dumps(caught.value.to_dict())


def _counting(real, cursor):
    """Plan in one instance and read in another, with nothing between them but JSON."""
    config = _source("counts")
    config["source"]["incremental"] = {"strategy": "incremental", "state_path": str(real)}
    library = native.load_library(c_library("old"))
    with library.reader("create_reader", config) as reader:
        window = Window.loads(reader.split(STREAM, cursor).dumps())
    with library.reader("create_reader", config) as reader:
        (batch,) = reader.read(STREAM, window.units[0])
        return batch.column("n").to_pylist(), reader.reached(window)


def test_the_state_of_a_library_is_a_copy_until_its_rows_are_committed(tmp_path):
    real = tmp_path / "old.state.json"
    assert _counting(real, None) == ([0], Cursor(value={"state": {"next": 1}}))
    assert _counting(real, Cursor(value={"state": {"next": 4}})) == ([4], Cursor(value={"state": {"next": 5}}))
    assert not real.exists()

    real.write_text('{"next": 7}')
    assert _counting(real, None)[0] == [7]
    assert real.read_text() == '{"next": 7}'


def test_a_state_that_was_cut_short_never_reaches_a_library(tmp_path):
    real = tmp_path / "old.state.json"
    real.write_text('{"next"')
    with pytest.raises(e.ConfigurationError) as caught:
        _counting(real, None)
    assert caught.value.error_code == "STATE_CORRUPT"
