"""A plugin in a child process behaves as if it were here, and what it does to its process stays there."""

from __future__ import annotations

import contextlib
import gc
import logging
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from pydantic import ValidationError as BadConfig

from dativo_dagster.launchers import local, process
from dativo_dagster.owner import running
from dativo_ingest.exceptions import ConfigurationError, DativoError, PluginError, RateLimitError, SandboxError
from dativo_ingest.model import Cursor, DataFile, PluginRef, Stream, Unit, Window
from tests.fakes.children import workers

ROOT = Path(__file__).parents[3]
PLUGIN = ROOT / "tests" / "fakes" / "hostile.py"
READER = PluginRef(path=str(PLUGIN), name="Reader")
WRITER = PluginRef(path=str(PLUGIN), name="Writer")
STREAM = Stream(name="orders")
UNIT = Unit(id="all")
SECRET = "sk-canary-93151"
LIMITS = process.Config(memory_mb=400, idle_seconds=60, output_mb=1)


def reader_config(**source):
    return {"source": {"credentials": {"api": SECRET}, **source}, "stream": STREAM.to_json()}


def writer_config(**target):
    return {"target": {"type": "custom", **target}, "asset": {"name": "orders"}, "output_base": "/tmp/x", "stream": {}}


def opened(limits=LIMITS, **source):
    return process.Launcher(limits).reader(READER, reader_config(**source))


def writing(**target):
    return process.Launcher(LIMITS).writer(WRITER, writer_config(**target))


def read_all(reader, unit=UNIT):
    return list(reader.read(STREAM, unit))


def open_files() -> list[str]:
    gc.collect()
    found = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(str(link.readlink()))
    return sorted(name for name in found if name.startswith(("socket:", "pipe:", "/memfd", "/dev/shm")))


@pytest.fixture(autouse=True)
def _nothing_is_left():
    """No process, no descriptor and no thread of a test outlives it."""
    before = workers(), open_files(), threading.active_count()
    yield
    assert (workers(), open_files(), threading.active_count()) == before


@pytest.fixture(params=["local", "process"])
def place(request):
    """Both places, to be told apart by nothing."""
    return {"local": local.Launcher(local.Config()), "process": process.Launcher(LIMITS)}[request.param]


# The same behaviour in every place


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


# Faults: (fault, limits, class, code, what the message says, retryable)

ENDS = [
    ("segfault", {}, PluginError, "PLUGIN_CRASHED", "SIGSEGV", False),
    ("abort", {}, PluginError, "PLUGIN_CRASHED", "SIGABRT", False),
    ("exit", {}, PluginError, "PLUGIN_CRASHED", "status 0", False),
    ("sys.exit", {}, PluginError, None, "SystemExit", False),
    ("grandchild", {}, PluginError, "PLUGIN_CRASHED", "SIGSEGV", False),
    ("killed", {}, SandboxError, "PLUGIN_KILLED", "SIGKILL", True),
    ("signal of real time", {}, PluginError, "PLUGIN_CRASHED", "signal 40", False),
    ("hang", {"idle_seconds": 0.5}, SandboxError, "PLUGIN_HUNG", "idle_seconds = 0.5", True),
    ("hang outside Python", {"idle_seconds": 0.5}, SandboxError, "PLUGIN_HUNG", "idle_seconds = 0.5", True),
    ("ignores SIGTERM", {"idle_seconds": 0.5}, SandboxError, "PLUGIN_HUNG", "idle_seconds = 0.5", True),
    ("endless", {"timeout_seconds": 0.7}, SandboxError, "PLUGIN_TIMEOUT", "timeout_seconds = 0.7", False),
    ("grow", {}, SandboxError, "PLUGIN_OUT_OF_MEMORY", "memory_mb = 400", False),
    ("one allocation", {}, SandboxError, "PLUGIN_OUT_OF_MEMORY", "memory", False),
    ("print", {}, SandboxError, "STDOUT_FLOOD", "output_mb = 1", False),
    ("log", {}, SandboxError, "STDOUT_FLOOD", "output_mb = 1", False),
    ("no frame", {}, SandboxError, "WIRE_BROKEN", "no frame", False),
]


@pytest.mark.parametrize(("fault", "limits", "error", "code", "said", "retryable"), ENDS, ids=[e[0] for e in ENDS])
def test_a_fault_ends_the_child_and_is_an_error_that_says_what_happened_and_where(
    fault, limits, error, code, said, retryable
):
    with opened(LIMITS.model_copy(update=limits), fault=fault) as reader:
        batches = reader.read(STREAM, UNIT)
        rows = [next(batches).num_rows for _ in range(3)]
        with pytest.raises(PluginError) as raised:
            for _ in batches:
                pass
        found = raised.value
        assert rows == [2, 2, 2]
        assert (type(found), found.retryable) == (error, retryable)
        assert code in {None, found.error_code}
        assert said in found.message
        assert str(READER) in found.message
        assert "orders" in found.message
        assert {k: found.details[k] for k in ("plugin", "verb")} == {
            "plugin": str(READER),
            "verb": found.details["verb"],
        }
        assert reader.check().name == "connection"


@pytest.mark.parametrize("fault", ["segfault", "hang", "grow"])
def test_a_fault_of_a_writer_ends_its_child_and_what_it_left_can_be_removed(fault, tmp_path):
    limits = LIMITS.model_copy(update={"idle_seconds": 0.5})
    batches = [pa.record_batch({"a": [1]})] * 100
    with process.Launcher(limits).writer(WRITER, writer_config(fault=fault)) as writer:
        with pytest.raises(PluginError) as raised:
            writer.write(batches, f"{tmp_path}/", "one")
        assert raised.value.details["verb"] == "write"
        writer.abort([DataFile(path=str(tmp_path / "one"), rows=1, bytes=1)])
        assert (tmp_path / "one.aborted").exists()


def test_a_worker_that_answered_nonsense_is_not_asked_again():
    with writing(commits=False, fault="odd files") as writer:
        with pytest.raises(SandboxError) as raised:
            writer.write(iter([pa.record_batch({"a": [1]})]), "/tmp/", "one")
        assert raised.value.error_code == "WIRE_BROKEN"
        assert writer.check().passed


def test_the_message_of_a_crash_has_the_line_of_the_plugin():
    with opened(fault="segfault") as reader, pytest.raises(PluginError) as raised:
        read_all(reader)
    assert f'File "{PLUGIN}", line' in raised.value.message
    assert raised.value.details["signal"] == "SIGSEGV"


def test_a_plugin_that_never_opens_is_ended():
    with (
        pytest.raises(SandboxError, match=r"start_seconds = 0\.5") as raised,
        opened(LIMITS.model_copy(update={"start_seconds": 0.5}), slow_start=True),
    ):
        pass
    assert raised.value.error_code == "PLUGIN_TIMEOUT"


def test_a_slow_host_is_no_reason_to_end_a_plugin():
    with opened(LIMITS.model_copy(update={"idle_seconds": 0.3})) as reader:
        batches = reader.read(STREAM, UNIT)
        next(batches)
        time.sleep(0.6)
        assert sum(1 for _ in batches) == 2


# The end


def test_a_read_that_is_broken_off_ends_a_plugin_that_goes_on_logging():
    with opened(fault="log now and then") as reader:
        rows = reader.read(STREAM, UNIT)
        for _ in range(3):
            next(rows)
        rows.close()
        assert workers() == set()


def test_a_read_that_is_broken_off_lets_the_plugin_clean_up_and_ends_its_child(tmp_path):
    end = tmp_path / "end"
    with opened(fault="wait", until=str(end)) as reader:
        batches = reader.read(STREAM, UNIT)
        for _ in range(5):
            next(batches)
        batches.close()
        assert (tmp_path / "end.closed").exists()
        assert workers() == set()


@pytest.mark.parametrize(("way", "said"), [("crash", "status -11"), ("raise", "RuntimeError: cannot close")])
def test_a_plugin_that_does_not_close_well_is_heard_of_and_harms_nothing(way, said, caplog):
    with opened(on_close=way) as reader:
        assert len(read_all(reader)) == 3
    assert said in caplog.text


@pytest.mark.parametrize("fault", ["hang", "hang outside Python", "ignores SIGTERM", "endless"])
def test_an_interrupt_ends_the_child_whatever_it_does(fault):
    main = threading.main_thread().ident
    with opened(fault=fault) as reader:
        timer = threading.Timer(1.0, signal.pthread_kill, (main, signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            for _ in reader.read(STREAM, UNIT):
                pass
        interrupted = time.monotonic()
        timer.join()
        assert workers() == set()
    assert time.monotonic() - interrupted < 5


def test_a_read_that_nobody_finished_is_over_when_the_place_is_closed():
    with opened(fault="endless") as reader:
        batches = reader.read(STREAM, UNIT)
        next(batches)
    assert workers() == set()
    with pytest.raises(SandboxError, match="closed") as raised:
        for _ in batches:
            pass
    assert raised.value.error_code == "CANCELLED"


HOST = """
import sys, time
from dativo_dagster.launchers import process
from dativo_ingest.model import PluginRef, Stream, Unit
with process.Launcher(process.Config()).reader(PluginRef(path={path!r}, name="Reader"), {config!r}) as reader:
    for number, batch in enumerate(reader.read(Stream(name="orders"), Unit(id="all"))):
        if number == 2:
            print(open("/proc/self/task/%d/children" % __import__("os").getpid()).read(), flush=True)
"""


@pytest.mark.parametrize("fault", ["hang", "hang outside Python", "endless"])
def test_a_host_that_is_killed_takes_its_children_with_it(fault):
    code = HOST.format(path=str(PLUGIN), config=reader_config(fault=fault))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT) as host:
        child = int(host.stdout.readline())
        host.kill()
    deadline = time.monotonic() + 20
    while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        if (Path(f"/proc/{child}/status").read_text().split("State:\t")[1][0]) == "Z":
            break  # whoever adopted it has not yet looked
        time.sleep(0.05)
    assert time.monotonic() < deadline


# What is heard


@pytest.fixture
def heard(caplog):
    caplog.set_level(logging.INFO, "dativo_ingest.plugin")
    return caplog


def test_what_a_plugin_prints_logs_and_warns_is_logged_with_where_it_comes_from(heard):
    with opened(say="hello") as reader:
        reader.check()
    records = {record.message.splitlines()[0]: record for record in heard.records}
    assert records["hello"].levelno == logging.INFO
    assert records["hello"].fields == {"plugin": str(READER), "verb": "check"}
    assert records["logged hello"].fields["logger"] == "shop"
    assert records["logged hello"].levelno == logging.WARNING
    assert any("UserWarning: deprecated thing" in message for message in records)
    assert "not of interest" not in records


def test_every_line_says_for_which_try_of_which_run_whatever_thread_asks(heard):
    with running("run-7", 2), opened(fault="endless", say="hello") as reader, ThreadPoolExecutor() as threads:
        rows = reader.read(STREAM, UNIT)
        next(rows)
        threads.submit(reader.check).result(60)  # in a child of its own, while the first one is busy
        rows.close()
    said = [record.fields for record in heard.records if record.name == "dativo_ingest.plugin"]
    assert {(fields["run"], fields["attempt"]) for fields in said} == {("run-7", 2)}


def test_a_chatty_plugin_is_cut_short_in_the_log_and_not_in_the_count(heard):
    with opened(fault="print") as reader, pytest.raises(SandboxError):
        read_all(reader)
    assert 50 <= len(heard.records) <= 2000


def test_an_error_repeats_the_start_of_a_long_line_and_its_details_have_the_line(heard):
    with opened(fault="long line") as reader, pytest.raises(PluginError) as raised:
        read_all(reader)
    [line] = raised.value.details["output"]
    assert line == "x" * 3000
    assert len(raised.value.message) < 500


def test_no_secret_is_in_an_error_or_in_the_log(heard):
    with opened(fault="secret") as reader, pytest.raises(DativoError) as raised:
        read_all(reader)
    told = str(raised.value.to_dict()) + str(raised.value) + str(raised.value.args) + heard.text
    assert "connecting with ***" in told
    assert "refused: ***" in told
    assert SECRET not in told


def test_no_secret_is_on_the_command_line_or_in_the_environment_of_a_child():
    with opened():
        (pid,) = workers()
        shown = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
    assert SECRET.encode() not in shown


def test_variables_of_the_place_are_set_in_the_child():
    with opened(LIMITS.model_copy(update={"environment": {"DATIVO_CANARY": "yes"}})):
        (pid,) = workers()
        assert b"DATIVO_CANARY=yes" in Path(f"/proc/{pid}/environ").read_bytes()


def test_a_child_inherits_no_file_of_its_host(tmp_path):
    with (tmp_path / "open").open("w"), opened():
        (pid,) = workers()
        links = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]
    assert str(tmp_path / "open") not in links


def test_a_module_in_the_working_directory_does_not_stand_in_for_one_of_the_workers(tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise RuntimeError('the wrong json')")
    monkeypatch.chdir(tmp_path)
    with opened() as reader:
        assert reader.check().code == "SHOP_CLOSED"


@pytest.mark.parametrize("setting", [{"memory_mb": 0}, {"timeout_seconds": -1}, {"memory": 3}])
def test_a_limit_that_makes_no_sense_is_refused(setting):
    with pytest.raises(BadConfig):
        process.Config(**setting)


def _cpu_ticks(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
