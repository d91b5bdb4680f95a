from __future__ import annotations

import contextlib
import json
import textwrap
import threading
import time

import pyarrow as pa
import pytest

from dativo_ingest.adapters import guard as adapter_guard
from dativo_ingest.exceptions import ConfigurationError, PluginError, RateLimitError, SandboxError
from dativo_ingest.loader import plugin_ref
from dativo_ingest.model import Column, Cursor, Stream, Unit, Window
from dativo_ingest.opening import open_reader

STREAM = Stream(name="users", columns=(Column(name="id", type="int64"),))
HEAD = """
from dativo_ingest import *
import sys, sqlite3, threading, time
"""


@pytest.fixture
def opened(tmp_path):
    """Open class `R` of a source text; further keys are the source's."""

    def open_(text, **source):
        (tmp_path / "api.py").write_text(HEAD + textwrap.dedent(text))
        return open_reader(plugin_ref("api.py:R", tmp_path), {"source": {"type": "custom", **source}})

    return open_


def _rows(reader, unit=None):
    unit = unit or Unit(id="all")
    return [row for batch in reader.read(STREAM, unit) for row in batch.to_pylist()]


def test_pages_are_read_in_one_unit_with_the_plugins_own_estimate(opened):
    with opened(
        """
        class R(BaseReader):
            def extract(self, state_manager=None):
                for name in self.source_config.objects:
                    yield [{"id": 1, "name": name}]
            def get_total_records_estimate(self):
                return 2
        """,
        objects=["a", "b"],
    ) as reader:
        window = reader.split(STREAM, None)
        assert [(u.id, u.rows) for u in window.units] == [("all", 2)]
        assert (window.before, window.after) == (None, None)
        assert _rows(reader, window.units[0]) == [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]
        assert reader.reached(window) is None
        assert reader.position(window.units[0]) == 0


def test_each_plan_has_a_fingerprint_of_its_own_since_nobody_knows_what_is_new(opened):
    with opened("class R(BaseReader):\n    def extract(self, state_manager=None): yield []") as reader:
        assert reader.split(STREAM, None).fingerprint != reader.split(STREAM, None).fingerprint


@pytest.mark.parametrize(
    ("signature", "given"),
    [
        ("self, state_manager=None", "state_manager"),
        ("self, state_manager", "state_manager"),
        ("self, **options", "options['state_manager']"),
        ("self", "'not asked for'"),
    ],
)
def test_extract_gets_a_state_manager_by_keyword_if_it_takes_one(opened, tmp_path, signature, given):
    text = f"""
        class R(BaseReader):
            def extract({signature}):
                yield [{{"id": str(type({given}).__name__)}}]
        """
    kinds = []
    for more in ({}, {"incremental": {"state_path": str(tmp_path / "s.json")}}):
        with opened(text, **more) as reader:
            kinds.append(_rows(reader)[0]["id"])
    assert kinds == (["str", "str"] if "not asked" in given else ["NoneType", "IncrementalStateManager"])


COUNTING = """
class R(BaseReader):
    def __init__(self, source_config):
        super().__init__(source_config)
        self.path = source_config.incremental["state_path"]
        from dativo_ingest.validator import IncrementalStateManager
        self.start = IncrementalStateManager.read_state(self.path).get("at", 0)   # as old plugins do
    def extract(self, state_manager=None):
        state_manager.write_state(self.path, {"at": self.start + 2})
        yield [{"id": self.start}, {"id": self.start + 1}]
        if self.start >= 4:
            raise RuntimeError("lost in the middle")
"""


def _run(opened, real, cursor):
    """Plan in one instance and read in another, with nothing between them but JSON."""
    with opened(COUNTING, incremental={"state_path": str(real)}) as reader:
        window = Window.loads(reader.split(STREAM, cursor).dumps())
    with opened(COUNTING, incremental={"state_path": str(real)}) as reader:
        rows = _rows(reader, window.units[0])
        return [r["id"] for r in rows], reader.reached(window)


def test_state_advances_only_with_the_cursor_that_is_committed(opened, tmp_path):
    real = tmp_path / "acme" / "api.state.json"
    rows, cursor = _run(opened, real, None)
    assert (rows, cursor) == ([0, 1], Cursor(value={"state": {"at": 2}}))
    assert _run(opened, real, None)[0] == [0, 1], "not committed, so read again"
    assert _run(opened, real, cursor) == ([2, 3], Cursor(value={"state": {"at": 4}}))
    with pytest.raises(PluginError):
        _run(opened, real, Cursor(value={"state": {"at": 4}}))
    assert not real.exists(), "the file of the job is never written"


def test_a_state_file_of_the_earlier_system_is_where_the_first_run_starts(opened, tmp_path):
    real = tmp_path / "api.state.json"
    real.write_text(json.dumps({"at": 3}))
    assert _run(opened, real, None)[0] == [3, 4]
    assert json.loads(real.read_text()) == {"at": 3}
    assert _run(opened, real, Cursor(value={"state": {"at": 1}}))[0] == [1, 2], "the cursor rules"


def test_a_state_that_is_no_json_comes_back_byte_for_byte(opened, tmp_path):
    text = """
        class R(BaseReader):
            def extract(self, state_manager=None):
                from pathlib import Path
                file = Path(self.source_config.incremental["state_path"])
                before = file.read_bytes() if file.exists() else b"\\xff"
                file.write_bytes(before + b"\\x00")
                yield [{"id": len(before)}]
        """
    cursor = None
    for length in (1, 2, 3):
        with opened(text, incremental={"state_path": "none/s.bin"}) as reader:
            window = reader.split(STREAM, cursor)
            assert _rows(reader, window.units[0]) == [{"id": length}]
            cursor = Cursor.loads(reader.reached(window).dumps())


def test_a_corrupt_state_file_of_the_earlier_system_is_an_error(opened, tmp_path):
    (tmp_path / "s.json").write_text("{broken")
    with pytest.raises(ConfigurationError) as caught:
        _run(opened, tmp_path / "s.json", None)
    assert caught.value.error_code == "STATE_CORRUPT"


def test_a_plugin_that_keeps_no_state_keeps_the_cursor_that_there_was(opened):
    before = Cursor(value={})
    with opened(
        "class R(BaseReader):\n    def extract(self, state_manager=None): yield []", incremental={"strategy": "created"}
    ) as reader:
        window = reader.split(STREAM, before)
        assert _rows(reader, window.units[0]) == []
        assert reader.reached(window) == before


def test_check_and_discover_keep_all_that_the_plugin_says(opened):
    with opened(
        """
        class R(BaseReader):
            def extract(self, state_manager=None): yield []
            def check_connection(self):
                return ConnectionTestResult(False, "no answer", "TIMEOUT_ERROR", {"host": "h"})
            def discover(self):
                return DiscoveryResult([
                    {"name": "a", "type": "table", "description": "d", "columns": [
                        {"name": "id", "type": "integer", "required": True, "description": "key"}, "plain"]},
                    {"name": "b", "type": "api", "schema": {"type": "object", "required": ["x"],
                        "properties": {"x": {"type": ["integer", "null"]}, "y": {"type": "string"}}}},
                    {"name": "c", "type": "api", "columns": {"z": "date"}, "more": 1},
                ], {"api_version": "v1"})
        """
    ) as reader:
        result = reader.check()
        assert (result.passed, result.message, result.code) == (False, "no answer", "TIMEOUT_ERROR")
        assert (result.retryable, result.details) == (True, {"host": "h"})
        a, b, c = reader.discover()
    assert (a.name, a.description, a.properties["type"]) == ("a", "d", "table")
    assert a.columns == (
        Column(name="id", type="integer", nullable=False, description="key"),
        Column(name="plain"),
    )
    assert b.columns == (Column(name="x", type="integer", nullable=False), Column(name="y"))
    assert b.properties["schema"]["required"] == ["x"]
    assert (c.columns, c.properties["more"]) == ((Column(name="z", type="date"),), 1)
    assert a.properties["metadata"] == {"api_version": "v1"}


@pytest.mark.parametrize(
    ("result", "code"),
    [
        ("DiscoveryResult([], {'error': 'refused'})", "PLUGIN_FAILED"),
        ("None", "PLUGIN_BAD_RESULT"),
        ("DiscoveryResult([{'type': 'table'}])", "PLUGIN_BAD_RESULT"),
    ],
)
def test_an_error_that_discover_hides_in_an_empty_answer_is_an_error(opened, result, code):
    with (
        opened(
            f"""
        class R(BaseReader):
            def extract(self): yield []
            def discover(self): return {result}
        """
        ) as reader,
        pytest.raises(PluginError) as caught,
    ):
        reader.discover()
    assert caught.value.error_code == code


def test_an_authentication_failure_is_not_retryable_unless_the_plugin_says_so(opened):
    text = """
        class R(BaseReader):
            def extract(self, state_manager=None): yield []
            def check_connection(self):
                return ConnectionTestResult(False, "no", "AUTH_FAILED", {details})
        """
    for details, retryable in (("None", False), ("{'retryable': True}", True)):
        with opened(text.replace("{details}", details)) as reader:
            assert reader.check().retryable is retryable


@pytest.mark.parametrize(
    "method",
    [
        "extract_metadata(self): return {'tags': {'email': 'PII'}}",
        "extract_metadata(self): return {'source_tags': {'email': 'PII'}}",
        "get_source_tags(self): return {'email': 'PII'}",
    ],
)
def test_classes_that_a_plugin_gives_its_columns_are_in_the_plan(opened, method):
    with opened(f"""
        class R(BaseReader):
            def extract(self): yield []
            def {method}
    """) as reader:
        assert reader.split(STREAM, None).units[0].spec == {"source_tags": {"email": "PII"}}


FAULTS = """
class R(BaseReader):
    def extract(self, state_manager=None):
        yield [{"id": 1}]
        self.deep()
    def deep(self):
        {fault}
"""


@pytest.mark.parametrize(
    ("fault", "retryable"),
    [
        ("raise ValueError('bad page')", False),
        ("{}['x']", False),
        ("raise ConnectionResetError('gone')", True),
        ("raise TimeoutError('slow')", True),
        ("raise SystemExit(3)", False),
        (
            "try: raise ConnectionRefusedError('no')\n        except OSError as e: raise RuntimeError(f'failed: {e}')",
            True,
        ),
    ],
)
def test_an_error_of_the_plugins_names_its_line_and_says_whether_it_may_pass(opened, fault, retryable):
    with opened(FAULTS.replace("{fault}", fault)) as reader, pytest.raises(PluginError) as caught:
        _rows(reader)
    error = caught.value
    assert (error.error_code, error.retryable) == ("PLUGIN_FAILED", retryable)
    assert "api.py:R: read of stream 'users' failed with" in error.message
    assert "in deep" in error.message
    assert error.details["original_error"] == type(error.__cause__).__name__


def test_errors_of_ours_pass_as_they_are(opened):
    fault = "raise RateLimitError('slow down', retry_after=7)"
    with opened(FAULTS.replace("{fault}", fault)) as reader, pytest.raises(RateLimitError) as caught:
        _rows(reader)
    assert caught.value.retry_after == 7


def test_running_out_of_memory_has_its_own_code(opened):
    with opened(FAULTS.replace("{fault}", "raise MemoryError")) as reader, pytest.raises(SandboxError) as caught:
        _rows(reader)
    assert caught.value.error_code == "PLUGIN_OUT_OF_MEMORY"


def test_rows_before_an_error_are_not_taken_for_all(opened):
    with opened(FAULTS.replace("{fault}", "yield_ = 1 / 0")) as reader:
        batches = reader.read(STREAM, Unit(id="all"))
        with pytest.raises(PluginError):
            list(batches)


def test_a_constructor_that_fails_says_so_when_the_reader_is_opened(opened):
    text = """
        class R(BaseReader):
            def __init__(self, config): raise ValueError('base_url is required')
            def extract(self): pass
        """
    with pytest.raises(PluginError, match="open failed with ValueError: base_url is required"):
        opened(text).__enter__()


def test_all_of_a_plugin_runs_in_one_thread_as_a_sqlite_connection_needs(opened):
    with opened(
        """
        class R(BaseReader):
            def __init__(self, config):
                super().__init__(config)
                self.db = sqlite3.connect(":memory:")
            def check_connection(self):
                self.db.execute("select 1")
                return ConnectionTestResult(True, "ok")
            def extract(self, state_manager=None):
                for (n,) in self.db.execute("select 1 union all select 2"):
                    yield [{"id": n}]
            def close(self):
                self.db.close()
        """
    ) as reader:
        found = []
        thread = threading.Thread(target=lambda: found.extend(_rows(reader)))
        thread.start()
        thread.join()
        assert found == [{"id": 1}, {"id": 2}]
        assert reader.check().passed


def test_the_plugin_is_closed_once_and_its_generator_before_it(opened, tmp_path):
    with opened(
        f"""
        class R(BaseReader):
            def say(self, word):
                with open({str(tmp_path / "log")!r}, "a") as f: f.write(word + " ")
            def extract(self, state_manager=None):
                try:
                    while True: yield [{{"id": 1}}] * 70000
                finally:
                    self.say("generator")
            def close(self): self.say("close")
        """
    ) as reader:
        batches = reader.read(STREAM, Unit(id="all"))
        next(batches)
        batches.close()
    assert (tmp_path / "log").read_text() == "generator close "


def test_the_plugin_can_be_asked_while_it_is_read_and_be_closed_before_its_end(opened, tmp_path):
    with opened(
        f"""
        class R(BaseReader):
            def extract(self, state_manager=None):
                try:
                    while True: yield [{{"id": 1}}] * 70000
                finally:
                    Path({str(tmp_path / "log")!r}).write_text("generator")
            def close(self):
                with open({str(tmp_path / "log")!r}, "a") as log: log.write(" close")
        from pathlib import Path
        """
    ) as reader:
        batches = reader.read(STREAM, Unit(id="all"))
        next(batches)
        time.sleep(0.3)
        assert reader.check().passed
        assert next(batches).num_rows
    assert (tmp_path / "log").read_text() == "generator close"


def test_a_plugin_that_hangs_does_not_keep_its_closing_waiting_for_ever(opened, monkeypatch, caplog):
    monkeypatch.setattr(adapter_guard, "PATIENCE_SECONDS", 0.2)
    hangs, release = threading.Event(), threading.Event()
    monkeypatch.setattr(threading, "hang_of_this_test", (hangs, release), raising=False)
    text = """
        class R(BaseReader):
            def extract(self, state_manager=None):
                yield [{"id": 1}] * 70000
                hangs, release = threading.hang_of_this_test
                hangs.set()
                release.wait(60)
        """
    started = time.monotonic()
    with opened(text) as reader:
        batches = reader.read(STREAM, Unit(id="all"))
        next(batches)
        assert hangs.wait(60)
        batches.close()
    assert time.monotonic() - started < 50
    assert "still busy" in caplog.text
    release.set()


def test_arrow_is_handed_on_as_it_is(opened):
    with opened(
        """
        import pyarrow as pa
        class R(BaseReader):
            def extract(self, state_manager=None):
                return pa.table({"id": [1, 2]})
        """
    ) as reader:
        (batch,) = reader.read(STREAM, Unit(id="all"))
    assert isinstance(batch, pa.RecordBatch)
    assert batch.to_pylist() == [{"id": 1}, {"id": 2}]


PROTOCOL = """
class R:
    def __init__(self, source): self.source = source
    def check(self): return CheckResult(name="connection", passed=True)
    def discover(self): return [Stream(name="a")]
    def split(self, stream, since):
        return Window(units=(Unit(id="1"), Unit(id="2")), fingerprint="f", after=Cursor(value={"n": 2}))
    def read(self, stream, unit):
        import pyarrow as pa
        yield pa.record_batch({"id": [int(unit.id)]})
        if unit.id == "2": raise KeyError("x")
    def position(self, unit): return 7
    def reached(self, window): return window.after
    def close(self): self.source.closed.append(True)
"""


def test_a_class_that_fits_the_protocol_is_used_as_it_is_with_its_errors_named(opened):
    closed = []
    with opened(PROTOCOL, closed=closed) as reader:
        assert reader.check().passed
        assert [s.name for s in reader.discover()] == ["a"]
        one, two = reader.split(STREAM, None).units
        assert _rows(reader, one) == [{"id": 1}]
        assert reader.position(one) == 7
        assert reader.reached(reader.split(STREAM, None)) == Cursor(value={"n": 2})
        with pytest.raises(PluginError, match="read of stream 'users' failed with KeyError"):
            _rows(reader, two)
    assert closed == [True]


def test_a_class_that_fits_nothing_is_told_what_it_lacks(opened):
    with pytest.raises(PluginError) as caught, contextlib.ExitStack() as stack:
        stack.enter_context(opened("class R:\n    def read(self, stream, unit): pass"))
    assert caught.value.error_code == "PLUGIN_WRONG_CLASS"
    assert "it lacks check, discover, position, reached, split" in caught.value.message
