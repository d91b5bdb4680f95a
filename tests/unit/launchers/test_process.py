"""A plugin in a child process behaves as if it were here."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from pydantic import ValidationError as BadConfig

from dativo_dagster.launchers import local, process
from dativo_ingest.exceptions import ConfigurationError, DativoError, PluginError, RateLimitError
from dativo_ingest.model import Cursor, PluginRef, Stream, Unit, Window
from tests.fakes.children import (
    LIMITS,
    PLUGIN,
    READER,
    STREAM,
    UNIT,
    WRITER,
    opened,
    read_all,
    reader_config,
    workers,
    writer_config,
    writing,
)

pytestmark = pytest.mark.usefixtures("no_child_left")


@pytest.fixture(params=["local", "process"])
def place(request):
    """Both places, to be told apart by nothing."""
    return {"local": local.Launcher(local.Config()), "process": process.Launcher(LIMITS)}[request.param]


def test_every_verb_of_a_reader_gives_what_the_plugin_gives(place):
    with place.reader(READER, reader_config()) as reader:
        check = reader.check()
        assert (check.name, check.passed, check.code) == ("connection", False, "SHOP_CLOSED")
        assert list(reader.discover()) == [Stream(name="orders", primary_key=("a",)), Stream(name="shops")]
        window = reader.split(STREAM, Cursor(value={"at": 3}))
        assert [unit.spec for unit in window.units] == [{"n": 0}, {"n": 1}]
        assert (window.before, window.after) == (Cursor(value={"at": 3}), Cursor(value={"stream": "orders"}))
        assert reader.split(STREAM, None).before is None
        assert read_all(reader) == [pa.record_batch({"a": [1, 2]})] * 3
        assert reader.position(UNIT) == 100
        assert reader.reached(window).value["reads"] == 1


def test_what_the_plugin_promises_of_a_retry_is_known(place):
    for promised in (True, False):
        with place.reader(READER, reader_config(repeatable=promised)) as reader:
            assert reader.repeatable is promised


def test_batches_may_have_schemas_of_their_own(place):
    with place.reader(READER, reader_config(fault="schemas")) as reader:
        assert [str(batch.schema.field("a").type) for batch in read_all(reader)][2:] == ["int64", "string", "int64"]


def test_an_error_of_the_plugin_arrives_whole(place):
    with place.reader(READER, reader_config(fault="raise")) as reader:
        with pytest.raises(RateLimitError, match="slow down") as raised:
            read_all(reader)
        assert (raised.value.retry_after, raised.value.retryable, raised.value.details["calls"]) == (30, True, 5)
        assert reader.check().name == "connection"


def test_a_plugin_that_cannot_start_fails_where_it_is_opened(place):
    with pytest.raises(PluginError, match="no such shop"), place.reader(READER, reader_config(broken_start=True)):
        pass


def test_a_plugin_that_is_not_there_fails_where_it_is_opened(place):
    missing = PluginRef(path=str(PLUGIN), name="Nobody")
    with pytest.raises(DativoError, match="Nobody"), place.reader(missing, reader_config()):
        pass


def test_a_writer_commits_what_it_wrote(place, tmp_path):
    batches = [pa.record_batch({"a": [n, n]}) for n in range(20)]
    with place.writer(WRITER, writer_config()) as writer:
        assert writer.commits is True
        assert writer.check().passed
        first = writer.write(iter(batches), f"{tmp_path}/", "one")
        with ThreadPoolExecutor(3) as pool:
            more = list(pool.map(lambda name: writer.write(batches[:1], f"{tmp_path}/", name), "abc"))
        assert [file.rows for file in (*first, *(f for files in more for f in files))] == [40, 2, 2, 2]
        assert first[0].partition == {"p": None}
        done = writer.commit("t1", first)
        assert done["rows"] == [n for n in range(20) for _ in range(2)] + [0] * 6
        writer.abort(first)
        assert (tmp_path / "one.aborted").exists()


def test_a_source_of_rows_that_fails_while_they_are_written_fails_with_its_own_error(place):
    class MineError(Exception):
        pass

    def rows():
        yield pa.record_batch({"a": [1]})
        raise MineError("rows broke their contract")

    with place.writer(WRITER, writer_config()) as writer:
        with pytest.raises((MineError, PluginError), match="rows broke their contract"):
            writer.write(rows(), "/nowhere/", "one")
        assert writer.commit("t", [])["token"] == "t"


# What only the process place has


def test_a_writer_that_commits_has_one_child_and_one_that_does_not_has_one_for_each_write():
    batch = pa.record_batch({"a": [1]})

    def pids(writer):
        together = threading.Barrier(2)

        def write(name):
            def rows():
                if not writer.commits:
                    together.wait(30)
                yield batch

            return writer.write(rows(), "/nowhere/", name)[0].bytes

        with ThreadPoolExecutor(2) as pool:
            return set(pool.map(write, "ab"))

    with writing(commits=True) as writer:
        assert len(pids(writer)) == 1
    with writing(commits=False) as writer:
        assert len(pids(writer)) == 2


def test_the_rows_of_a_failed_write_are_not_those_of_the_next():
    def rows():
        yield from [pa.record_batch({"a": [1]})] * 3
        raise KeyError("mine")

    with writing() as writer:
        with pytest.raises(KeyError):
            writer.write(rows(), "/nowhere/", "one")
        assert writer.write([pa.record_batch({"a": [7]})], "/nowhere/", "two")[0].rows == 1


def test_the_first_batch_is_there_before_the_plugin_has_made_the_last(tmp_path):
    end = tmp_path / "end"
    with opened(fault="wait", until=str(end)) as reader:
        batches = reader.read(STREAM, UNIT)
        for _ in range(10):
            next(batches)
        end.touch()
        assert sum(1 for _ in batches) < 100_000


def test_a_plugin_does_not_run_ahead_of_who_reads(tmp_path):
    """What is made and not read fits into a socket, not into memory."""
    with opened(fault="endless") as reader:
        batches = reader.read(STREAM, UNIT)
        next(batches)
        (pid,) = workers()
        assert any(_rests(pid) for _ in range(60)), "it fills the socket, and then it waits"
        batches.close()


def _rests(pid):
    before = _cpu_ticks(pid)
    time.sleep(0.5)
    return _cpu_ticks(pid) == before


def test_units_are_read_side_by_side_in_children_of_their_own():
    together = threading.Barrier(3)

    def read(reader, unit):
        batches = reader.read(STREAM, Unit(id=unit))
        next(batches)
        together.wait(30)
        return sum(b.num_rows for b in batches)

    with opened() as reader, ThreadPoolExecutor(3) as pool:
        assert list(pool.map(lambda unit: read(reader, unit), "abc")) == [4, 4, 4]
        assert len(workers()) == 3
        read_all(reader)
        assert len(workers()) == 3


def read_two_at_once(reader):
    """Read two units in a child each."""
    first, second = reader.read(STREAM, Unit(id="a")), reader.read(STREAM, Unit(id="b"))
    next(first)
    next(second)
    list(second)
    list(first)


WINDOW = Window(units=(), fingerprint="f")


def test_what_was_reached_is_asked_of_all_children_that_read():
    with opened(says="the same") as reader:
        read_two_at_once(reader)
        assert reader.reached(WINDOW).value == {"reads": 1}
        list(reader.read(STREAM, Unit(id="c")))
        with pytest.raises(ConfigurationError, match=r"PLACE_UNSUPPORTED.*parallelism: 1"):
            reader.reached(WINDOW)


def test_children_that_did_not_read_are_not_asked_what_was_reached():
    with opened() as reader:
        batches = reader.read(STREAM, UNIT)
        next(batches)
        assert reader.check().code == "SHOP_CLOSED"  # in another child
        list(batches)
        assert reader.reached(WINDOW).value["reads"] == 1


def test_a_large_batch_arrives_in_pieces_and_whole():
    with opened(process.Config(memory_mb=2000), fault="large batch") as reader:
        sizes = [batch.nbytes for batch in reader.read(STREAM, UNIT)]
    assert sum(sizes[3:]) == 200_000_000
    assert max(sizes) <= 64 * 1024 * 1024


@pytest.mark.parametrize("setting", [{"memory_mb": 0}, {"timeout_seconds": -1}, {"memory": 3}])
def test_a_limit_that_makes_no_sense_is_refused(setting):
    with pytest.raises(BadConfig):
        process.Config(**setting)


def _cpu_ticks(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
