from __future__ import annotations

import datetime as dt
import decimal
import json
import textwrap
import threading

import pyarrow as pa
import pytest

from dativo_ingest.exceptions import CommitError, PluginError
from dativo_ingest.loader import plugin_ref
from dativo_ingest.model import DataFile
from dativo_ingest.opening import open_writer

HEAD = """
from dativo_ingest import *
from pathlib import Path
import json
class Base(BaseWriter):
    def write_batch(self, records, file_counter):
        path = Path(self.output_base) / f"{file_counter}.json"
        path.write_text(json.dumps(records, default=str))
        return [{"path": str(path), "record_count": len(records), "size_bytes": 7, "mark": object()}]
"""


@pytest.fixture
def base(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.fixture
def opened(tmp_path, base):
    def open_(text="class W(Base): pass", **config):
        (tmp_path / "out.py").write_text(HEAD + textwrap.dedent(text))
        whole = {"asset": {"name": "people"}, "target": {"type": "custom"}, "output_base": str(base), **config}
        return open_writer(plugin_ref("out.py:W", tmp_path), whole)

    return open_


def _batch(*ids):
    return pa.record_batch({"id": pa.array(ids, pa.int64())})


def test_rows_arrive_as_native_values_and_files_are_counted_up(opened, base):
    with opened() as writer:
        assert writer.commits is True
        files = writer.write([_batch(1, 2), _batch(), _batch(3)], "", "a")
        files += writer.write([_batch(4)], "", "b")
    assert [(f.rows, f.bytes) for f in files] == [(2, 7), (1, 7), (1, 7)]
    assert [json.loads((base / f"{n}.json").read_text()) for n in range(3)] == [
        [{"id": 1}, {"id": 2}],
        [{"id": 3}],
        [{"id": 4}],
    ]


def test_values_are_those_of_python(opened):
    text = """
        class W(Base):
            def write_batch(self, records, file_counter):
                W.seen = records
                return super().write_batch(records, file_counter)
            def check_connection(self):
                return ConnectionTestResult(True, repr(W.seen))
        """
    moment = dt.datetime(2024, 2, 29, 12, 30, tzinfo=dt.timezone.utc)
    row = {
        "at": moment,
        "price": decimal.Decimal("1.10"),
        "day": moment.date(),
        "raw": b"x",
        "tags": ["a"],
        "none": None,
    }
    with opened(text) as writer:
        writer.write([pa.RecordBatch.from_pylist([row])], "", "a")
        assert writer.check().message == repr([row])


def test_commit_gets_the_very_dicts_that_were_returned_once(opened):
    text = """
        class W(Base):
            def write_batch(self, records, file_counter):
                self.given = [*getattr(self, "given", []), *super().write_batch(records, file_counter)]
                return self.given[-1:]
            def commit_files(self, metadata):
                assert all(a is b for a, b in zip(metadata, self.given, strict=True))
                return {"status": "success", "total": len(metadata)}
        """
    with opened(text) as writer:
        files = writer.write([_batch(1), _batch(2)], "", "a")
        again = [DataFile.loads(f.dumps()) for f in files]
        assert writer.commit("t", again) == {"status": "success", "total": 2}


def test_nothing_written_is_not_committed(opened):
    with opened("class W(Base):\n    def commit_files(self, metadata): raise AssertionError") as writer:
        assert writer.commit("t", writer.write([_batch()], "", "a")) == {}


@pytest.mark.parametrize(
    ("returned", "said"), [("{'status': 'failed', 'error': 'quota'}", "quota"), ("{'status': 'partial'}", "partial")]
)
def test_a_commit_that_says_it_failed_is_an_error(opened, returned, said):
    with opened(f"class W(Base):\n    def commit_files(self, metadata): return {returned}") as writer:
        files = writer.write([_batch(1)], "", "a")
        with pytest.raises(CommitError, match=said):
            writer.commit("t", files)


def test_another_instance_may_commit_only_if_the_class_says_so_or_has_no_commit_of_its_own(opened):
    own = """
        class W(Base):
            commit_anywhere = {may}
            def commit_files(self, metadata): return {{'files': metadata[0]['path']}}
        """
    with opened(own.format(may=False)) as writer:
        files = writer.write([_batch(1)], "", "a")
    with opened(own.format(may=False)) as writer, pytest.raises(PluginError) as caught:
        writer.commit("t", files)
    assert caught.value.error_code == "PLUGIN_WRITER_GONE"
    assert "commit_anywhere" in caught.value.message
    with opened(own.format(may=True)) as writer:
        assert writer.commit("t", files) == {"files": files[0].path}
    with opened() as writer:
        assert writer.commit("t", files)["files_added"] == 1


@pytest.mark.parametrize(
    ("returned", "code"),
    [
        ("None", "PLUGIN_BAD_RESULT"),
        ("[{'record_count': 1}]", "PLUGIN_BAD_RESULT"),
        ("['path']", "PLUGIN_BAD_RESULT"),
        ("[]", "PLUGIN_LOST_ROWS"),
        ("[{'path': 'x', 'record_count': 1}]", "PLUGIN_LOST_ROWS"),
        ("[{'path': 'x', 'record_count': 3}]", "PLUGIN_LOST_ROWS"),
        ("[{'path': 'x', 'record_count': 3}, {'path': 'y'}]", "PLUGIN_LOST_ROWS"),
    ],
)
def test_a_result_that_cannot_be_is_refused(opened, returned, code):
    text = f"class W(Base):\n    def write_batch(self, r, n): return {returned}"
    with opened(text) as writer, pytest.raises(PluginError) as caught:
        writer.write([_batch(1, 2)], "", "a")
    assert caught.value.error_code == code


def test_a_file_that_does_not_say_its_rows_has_what_the_others_leave(opened, base):
    (base / "x").write_text("12345")
    text = """
        class W(Base):
            def write_batch(self, records, n):
                return [{'path': self.output_base + '/x'}, {'path': 'y', 'record_count': 1}]
        """
    with opened(text) as writer:
        assert [(f.rows, f.bytes) for f in writer.write([_batch(1, 2, 3)], "", "a")] == [(2, 5), (1, 0)]


def test_a_writer_may_keep_rows_back_within_one_unit(opened):
    text = """
        class W(Base):
            kept = 0
            def write_batch(self, records, n):
                self.kept += len(records)
                if self.kept < 3:
                    return []
                return [{"path": "all", "record_count": self.kept}]
        """
    with opened(text) as writer:
        assert [f.rows for f in writer.write([_batch(1), _batch(2), _batch(3)], "", "a")] == [3]


def test_a_failing_write_leaves_no_file_of_its_call(opened, base):
    def batches():
        yield _batch(1)
        raise ValueError("the source broke")

    with opened() as writer:
        kept = writer.write([_batch(0)], "", "a")
        with pytest.raises(ValueError, match="the source broke"):
            writer.write(batches(), "", "b")
    assert [str(p) for p in base.iterdir()] == [kept[0].path]


def test_without_a_hook_only_local_files_below_the_base_are_removed(opened, base, tmp_path, caplog):
    (tmp_path / "other").write_text("x")
    with opened() as writer:
        files = writer.write([_batch(1)], "", "a")
        strange = [DataFile(path=str(tmp_path / "other"), rows=0, bytes=0), DataFile(path="s3://b/k", rows=0, bytes=0)]
        writer.abort([*files, *strange])
    assert list(base.iterdir()) == []
    assert (tmp_path / "other").exists()
    assert "s3://b/k" in caplog.text


def test_the_plugins_own_abort_is_asked(opened, base):
    text = """
        class W(Base):
            def abort_files(self, metadata):
                Path(self.output_base, 'aborted').write_text(metadata[0]['path'])
        """
    with opened(text) as writer:
        files = writer.write([_batch(1)], "", "a")
        writer.abort(files)
    assert (base / "aborted").read_text() == files[0].path


def test_a_writer_of_arrow_gets_batches_and_no_rows(opened):
    text = """
        class W(BaseWriter):
            def write_arrow(self, batch, file_counter):
                return [{"path": f"{file_counter}", "record_count": batch.num_rows, "type": type(batch).__name__}]
        """
    with opened(text) as writer:
        (file,) = writer.write([_batch(1, 2)], "", "a")
    assert (file.path, file.rows, file.statistics["metadata"]["type"]) == ("0", 2, "RecordBatch")


def test_units_in_several_threads_are_one_after_the_other_in_the_plugin(opened):
    text = """
        import threading
        class W(Base):
            def __init__(self, *given):
                super().__init__(*given)
                self.home = threading.get_ident()
            def write_batch(self, records, n):
                assert threading.get_ident() == self.home
                return super().write_batch(records, n)
        """
    with opened(text) as writer:
        found = []
        threads = [
            threading.Thread(target=lambda i=i: found.extend(writer.write([_batch(i)] * 10, "", str(i))))
            for i in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len({f.path for f in found}) == 40


def test_an_error_of_the_plugins_names_its_line(opened):
    said = r"write failed with ZeroDivisionError: .* \(.*out.py:\d+ in write_batch\)"
    text = "class W(Base):\n    def write_batch(self, records, n): return 1 / 0"
    with opened(text) as writer, pytest.raises(PluginError, match=said):
        writer.write([_batch(1)], "", "a")


def test_a_table_cannot_commit_what_commits_itself(opened):
    with pytest.raises(PluginError, match="leave out the `connector`"), opened(commits=False):
        pass


DIRECT = """
class W:
    commits = False
    def __init__(self, asset, target, output_base): self.base = output_base
    def check(self): return CheckResult(name="target", passed=True)
    def write(self, batches, base, name):
        return [DataFile(path=base + name, rows=sum(b.num_rows for b in batches), bytes=1)]
    def commit(self, token, files): return None
    def abort(self, files): raise KeyError("gone")
"""


def test_a_class_that_fits_the_protocol_is_used_as_it_is(opened):
    with opened(DIRECT, commits=False) as writer:
        assert (writer.commits, writer.check().passed) == (False, True)
        (file,) = writer.write([_batch(1, 2)], "base/", "a")
        assert (file.path, file.rows) == ("base/a", 2)
        assert writer.commit("t", [file]) == {}
        with pytest.raises(PluginError, match="abort failed with KeyError"):
            writer.abort([file])
    with pytest.raises(PluginError, match="nothing commits them"), opened(DIRECT, commits=True):
        pass
