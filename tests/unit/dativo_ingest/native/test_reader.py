"""A reader behind the C ABI: its rows arrive, all it holds is released once, and each fault has a code and a name."""

from __future__ import annotations

import ctypes
import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from dativo_ingest import exceptions as e
from dativo_ingest import native
from dativo_ingest.exceptions import ConfigurationError, PluginError, RateLimitError
from dativo_ingest.model import Cursor, Stream, Unit
from dativo_ingest.native import abi
from dativo_ingest.native import handle as native_handle
from dativo_ingest.native.errors import Call
from dativo_ingest.protocols import Reader
from tests.clibrary import c_library
from tests.waiting import until

STREAM, ALL = Stream(name="numbers"), Unit(id="all")


def _reader(fault="", **limits):
    return native.load_library(c_library("v1")).reader("create_reader", {"source": {"fault": fault, "limits": limits}})


class Counters:
    """What the C plugin counted since it was looked at first."""

    def __init__(self):
        gc.collect()
        self.library = ctypes.CDLL(str(c_library("v1")))
        self.before = self._now()

    def _now(self):
        names = (
            "opened",
            "waiting",
            *(f"{n}_released" for n in ("instances", "readings", "streams", "arrays", "jsons", "errors")),
        )
        return {name: ctypes.c_int.in_dll(self.library, name).value for name in names}

    def __getattr__(self, name):
        return self._now()[name] - self.before[name]

    def order(self):
        return (ctypes.c_char_p.in_dll(self.library, "order").value or b"").decode()


def test_it_is_a_reader_and_answers_every_verb():
    with _reader("splits") as reader:
        assert isinstance(reader, Reader)
        assert reader.check().passed
        assert [s.name for s in reader.discover()] == ["numbers"]
        window = reader.split(STREAM, Cursor(value={"n": 0}))
        assert [u.id for u in window.units] == ["a", "b"]
        assert window.after == Cursor(value={"n": 5})
        assert reader.reached(window) == Cursor(value={"n": 9})
        assert [b.to_pydict() for b in reader.read(STREAM, window.units[0])] == [{"n": [0, 1, 2]}, {"n": [3, 4, 5]}]


def test_a_reader_that_cannot_split_is_one_unit_anew_in_each_plan():
    with _reader() as reader:
        since = Cursor(value={"n": 1})
        first, second = reader.split(STREAM, since), reader.split(STREAM, since)
        assert [u.to_json() for u in first.units] == [{"id": "all", "spec": {}, "rows": 6, "bytes": None}]
        assert first.fingerprint != second.fingerprint
        assert (first.before, first.after) == (since, since)
        assert reader.reached(first) is None  # the plugin says null, and may


def test_a_plugin_with_nothing_but_a_release_has_done_its_part():
    counters = Counters()
    with _reader("nothing but release") as reader:
        assert reader.check().passed
        assert reader.discover() == []
        window = reader.split(STREAM, None)
        assert window.units[0].rows is None
        assert reader.reached(window) == window.after
        assert reader.position(window.units[0]) == 0
        reader.cancel()
        with pytest.raises(PluginError, match="reads nothing"):
            next(reader.read(STREAM, ALL))
    assert counters.instances_released == counters.opened == 1


def test_slots_behind_the_size_that_a_plugin_filled_are_not_called():
    with _reader("smaller") as reader:
        assert sum(b.num_rows for b in reader.read(STREAM, ALL)) == 6


def test_a_reading_of_several_streams_is_read_to_its_end():
    counters = Counters()
    with _reader("two streams") as reader:
        assert [b.num_rows for b in reader.read(STREAM, ALL)] == [3, 3, 3, 3]
    assert counters.streams_released == 2
    assert counters.order().endswith("ssri")


@pytest.mark.parametrize("when", ["at once", "in the middle", "dropped", "never begun"])
def test_all_is_released_once_and_innermost_first_however_a_read_ends(when):
    counters = Counters()
    with _reader("two streams") as reader:
        rows = reader.read(STREAM, ALL)
        if when != "never begun":
            next(rows)
        if when == "at once":
            rows.close()
        if when == "dropped":
            del rows
            gc.collect()
    began = 0 if when == "never begun" else 1
    assert (counters.readings_released, counters.streams_released) == (began, began)
    assert counters.instances_released == counters.opened == 1
    assert counters.order().endswith("sri" if began else "i")


def test_a_reader_that_nobody_closes_is_released_with_its_object():
    counters = Counters()
    opened = _reader()
    opened.__enter__()
    assert counters.opened == 1
    del opened
    gc.collect()
    assert counters.instances_released == 1


def test_batches_outlive_the_reading_and_the_instance():
    counters = Counters()
    with _reader() as reader:
        batches = list(reader.read(STREAM, ALL))
    gc.collect()
    assert (counters.instances_released, counters.arrays_released) == (1, 0)
    assert [b.column("n").to_pylist() for b in batches] == [[0, 1, 2], [3, 4, 5]]
    del batches
    gc.collect()
    assert counters.arrays_released == 2


def test_a_plugin_that_fills_a_buffer_again_before_its_batch_is_released_changes_the_batch():
    """Nothing can forbid it: the batch is the plugin's memory. The conformance suite looks for it."""
    with _reader("reuses") as reader:
        rows = reader.read(STREAM, ALL)
        first = next(rows)
        before = first.column("n").to_pylist()
        next(rows)
        assert before != first.column("n").to_pylist()


def test_a_release_that_does_not_say_so_is_not_called_again():
    counters = Counters()
    with _reader("forgets") as reader:
        list(reader.read(STREAM, ALL))
    assert counters.readings_released == 1


FAULTS = {
    # verb, fault: class, code, words of the message
    ("open", "open refuses"): (e.AuthenticationError, "AUTH_FAILED", "the key was refused"),
    ("open", "no role"): (PluginError, "PLUGIN_ERROR", "no such role"),
    ("open", "open empty"): (PluginError, "PLUGIN_BAD_ANSWER", "has no release"),
    ("open", "size 0"): (PluginError, "PLUGIN_BAD_ANSWER", "0 bytes"),
    ("open", "size huge"): (PluginError, "PLUGIN_BAD_ANSWER", "bytes"),
    ("open", "size odd"): (PluginError, "PLUGIN_BAD_ANSWER", "bytes"),
    ("check", "answers 77"): (PluginError, "PLUGIN_BAD_ANSWER", "status 77"),
    ("check", "no words"): (PluginError, "PLUGIN_ERROR", "does not say why"),
    ("check", "no error"): (PluginError, "PLUGIN_ERROR", "does not say why"),
    ("check", "odd code"): (PluginError, "PLUGIN_ERROR", "odd"),
    ("check", "empty answer"): (PluginError, "PLUGIN_BAD_ANSWER", "has no release"),
    ("check", "no JSON"): (PluginError, "PLUGIN_BAD_ANSWER", "no JSON"),
    ("check", "no UTF-8"): (PluginError, "PLUGIN_BAD_ANSWER", "not UTF-8"),
    ("check", "other shape"): (PluginError, "PLUGIN_BAD_ANSWER", "passed: expected bool, found str"),
    ("check", "a list"): (PluginError, "PLUGIN_BAD_ANSWER", "expected an object, found list"),
    ("check", "unreachable"): (e.ConnectionError, "CONNECTION_FAILED", "no route to host"),
    ("discover", "other shape"): (PluginError, "PLUGIN_BAD_ANSWER", "Stream.name: is missing"),
    ("split", "other shape"): (PluginError, "PLUGIN_BAD_ANSWER", "Unit.rows: expected int, found str"),
    ("read", "read refuses"): (ConfigurationError, "FILE_NOT_FOUND", "no such file"),
    ("read", "reading empty"): (PluginError, "PLUGIN_BAD_ANSWER", "DativoReading empty"),
    ("read", "reading without next"): (PluginError, "PLUGIN_BAD_ANSWER", "has no `next`"),
    ("read", "next answers 77"): (PluginError, "PLUGIN_BAD_ANSWER", "status 77"),
    ("read", "next refuses"): (e.ValidationError, "BAD_CSV", "line 7"),
    ("read", "stream empty"): (PluginError, "PLUGIN_BAD_ANSWER", "ArrowArrayStream empty"),
    ("read", "schema fails"): (RateLimitError, "RATE_LIMIT_EXCEEDED", "429"),
    ("read", "schema empty"): (PluginError, "PLUGIN_BAD_ANSWER", "ArrowSchema empty"),
    ("read", "schema nonsense"): (PluginError, "PLUGIN_BAD_DATA", "a schema that is none"),
    ("read", "next fails"): (RateLimitError, "RATE_LIMIT_EXCEEDED", "429"),
    ("read", "next fails without a word"): (PluginError, "PLUGIN_ERROR", "number 5"),
    ("read", "stream's words"): (PluginError, "PLUGIN_ERROR", "the stream's own words"),
    ("read", "panic"): (PluginError, "PLUGIN_PANIC", "index out of bounds"),
    ("read", "offsets"): (PluginError, "PLUGIN_BAD_DATA", "Negative offsets"),
    ("read", "null buffer"): (PluginError, "PLUGIN_BAD_DATA", "null"),
    ("read", "two columns"): (PluginError, "PLUGIN_BAD_DATA", "children"),
    ("read", "short child"): (PluginError, "PLUGIN_BAD_DATA", "rows"),
    ("read", "negative length"): (PluginError, "PLUGIN_BAD_DATA", "-1"),
}
VERBS = {
    "open": lambda reader: None,
    "check": lambda reader: reader.check(),
    "discover": lambda reader: reader.discover(),
    "split": lambda reader: reader.split(STREAM, None),
    "read": lambda reader: list(reader.read(STREAM, ALL)),
}


@pytest.mark.parametrize(("verb", "fault"), FAULTS)
def test_a_fault_is_an_error_that_names_plugin_verb_and_stream(verb, fault):
    kind, code, words = FAULTS[verb, fault]
    counters = Counters()
    with pytest.raises(Exception, match=words) as caught, _reader(fault) as reader:
        VERBS[verb](reader)
    error = caught.value
    assert type(error) is kind
    assert error.error_code == code
    about = "estimate" if verb == "split" else verb
    assert str(c_library("v1")) in error.message
    assert f": {about}" in error.message
    assert (error.details["plugin"], error.details["verb"]) == (str(c_library("v1")), about)
    assert ("stream 'numbers'" in error.message) == (verb in {"read", "split"})
    if not fault.startswith("size"):
        assert counters.instances_released == counters.opened
    assert counters.streams_released <= 1


def test_an_error_keeps_details_flag_and_seconds():
    with _reader("next fails") as reader, pytest.raises(RateLimitError) as caught:
        list(reader.read(STREAM, ALL))
    assert caught.value.retryable
    assert caught.value.retry_after == 30
    assert caught.value.details["status"] == 429
    with _reader("odd code") as reader, pytest.raises(PluginError) as odd:
        reader.check()
    assert odd.value.details["plugin_code"] == "not a code!"
    assert odd.value.details["details"] == "no JSON"


def test_an_instance_that_panicked_is_not_used_again():
    counters = Counters()
    with _reader("panic") as reader:
        with pytest.raises(PluginError, match="index out of bounds"):
            list(reader.read(STREAM, ALL))
        assert (counters.opened, counters.instances_released) == (1, 1)
        reader.discover()
        assert counters.opened == 2


@pytest.mark.parametrize(
    ("fault", "limit", "value"),
    [
        ("endless", "max_rows", 100),
        ("endless", "max_batches", 7),
        ("endless", "max_seconds", 0.01),
        ("endless empty", "max_empty", 9),
    ],
)
def test_an_endless_reader_is_bounded(fault, limit, value):
    with _reader(fault, **{limit: value}) as reader, pytest.raises(PluginError, match=limit) as caught:
        for _ in reader.read(STREAM, ALL):
            pass
    assert caught.value.error_code == "ENDLESS_READER"


@pytest.mark.parametrize("limits", [{"max_row": 1}, {"max_rows": 0}, {"max_rows": "9"}, {"full_check": 1}])
def test_limits_that_are_none_are_refused(limits):
    with pytest.raises(ConfigurationError, match=r"source\.limits"), _reader(**limits):
        pass


def test_units_read_at_once_have_an_instance_each_and_one_after_the_other_share_one():
    counters = Counters()
    with _reader("slow") as reader:
        for _ in range(2):
            list(reader.read(STREAM, ALL))
        assert counters.opened == 1
        together = threading.Barrier(4, timeout=60)

        def read(_):
            rows = reader.read(STREAM, ALL)
            first = next(rows)
            together.wait()
            return first.num_rows + sum(batch.num_rows for batch in rows)

        with ThreadPoolExecutor(4) as threads:
            assert list(threads.map(read, range(4))) == [6] * 4
    assert counters.opened == 4
    assert counters.instances_released == counters.opened
    assert ctypes.c_int.in_dll(counters.library, "most_concurrent").value == 1


def test_a_position_is_told_while_a_unit_is_read_and_afterwards():
    with _reader() as reader:
        assert reader.position(ALL) == 0
        rows = reader.read(STREAM, ALL)
        next(rows)
        assert reader.position(ALL) == 100
        list(rows)
        assert reader.position(ALL) == 200


def test_a_read_that_waits_is_cancelled_from_another_thread():
    counters = Counters()
    with ThreadPoolExecutor() as threads, _reader("waits for cancel") as reader:
        reading = threads.submit(lambda: list(reader.read(STREAM, ALL)))
        until(lambda: counters.waiting, 60)
        reader.cancel()
        with pytest.raises(PluginError, match="was cancelled") as caught:
            reading.result()
    assert caught.value.error_code == "CANCELLED"


def test_a_reader_that_is_closed_while_another_thread_reads_cancels_and_waits():
    counters = Counters()
    with ThreadPoolExecutor() as threads:
        with _reader("waits for cancel") as reader:
            reading = threads.submit(lambda: list(reader.read(STREAM, ALL)))
            until(lambda: counters.waiting, 60)
        with pytest.raises(PluginError) as caught:
            reading.result()
    assert caught.value.error_code == "CANCELLED"
    assert counters.instances_released == counters.opened
    assert counters.readings_released == 1


def test_a_plugin_that_does_not_stop_is_left_alone_and_told_of(monkeypatch):
    monkeypatch.setattr(native_handle, "PATIENCE_SECONDS", 0.05)
    handle = native_handle.Handle(abi.DativoInstance(), Call("/lib.so", "read"))
    handle.lock.acquire()
    caught: list[PluginError] = []

    def release():
        with pytest.raises(PluginError) as error:
            handle.release()
        caught.append(error.value)

    thread = threading.Thread(target=release)
    thread.start()
    thread.join()
    assert caught[0].error_code == "PLUGIN_STUCK"


def test_a_generator_that_outlives_its_reader_says_so():
    with _reader() as reader:
        rows = reader.read(STREAM, ALL)
        next(rows)
    with pytest.raises(PluginError, match="was closed while it was in use"):
        next(rows)


def test_a_full_check_looks_inside():
    with _reader(full_check=True) as reader:
        assert sum(b.num_rows for b in reader.read(STREAM, ALL)) == 6
