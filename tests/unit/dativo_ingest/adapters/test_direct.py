from __future__ import annotations

import textwrap

import pyarrow as pa
import pytest

from dativo_ingest.exceptions import PluginError, ValidationError
from dativo_ingest.loader import plugin_ref
from dativo_ingest.model import Stream, Unit
from dativo_ingest.opening import open_reader, open_writer

HEAD = """
from dativo_ingest.model import DataFile
from pathlib import Path
class Base:
    commits = False
    def __init__(self, asset, target, output_base):
        self.removed = Path(output_base) / "removed"
    def check(self): ...
    def commit(self, token, files): ...
    def abort(self, files):
        self.removed.write_text("".join(f.path for f in files))
"""


@pytest.fixture
def opened(tmp_path):
    def open_(text):
        (tmp_path / "out.py").write_text(HEAD + textwrap.dedent(text))
        whole = {"asset": {"name": "a"}, "target": {"type": "custom"}, "output_base": str(tmp_path), "commits": False}
        return open_writer(plugin_ref("out.py:W", tmp_path), whole)

    return open_


def _batch(*ids):
    return pa.record_batch({"id": pa.array(ids, pa.int64())})


def test_a_writer_that_does_not_take_all_rows_has_lost_them(opened, tmp_path):
    text = """
    class W(Base):
        def write(self, batches, base, name):
            return [DataFile(path="half", rows=next(batches).num_rows, bytes=1)]
    """
    with opened(text) as writer, pytest.raises(PluginError) as caught:
        writer.write(iter([_batch(1), _batch(2)]), "base/", "name")
    assert caught.value.error_code == "PLUGIN_LOST_ROWS"
    assert (tmp_path / "removed").read_text() == "half"


def test_a_writer_may_leave_batches_that_have_no_rows(opened):
    text = """
    class W(Base):
        def write(self, batches, base, name):
            return [DataFile(path="all", rows=next(batches).num_rows, bytes=1)]
    """
    with opened(text) as writer:
        assert [f.rows for f in writer.write(iter([_batch(1), _batch()]), "base/", "name")] == [1]


@pytest.mark.parametrize("after", ["pass", "raise ValueError('the writer has another idea of it')"])
def test_an_error_in_the_rows_cannot_be_hidden_by_the_writer(opened, after):
    def broken():
        yield _batch(1)
        raise KeyError("the source broke")

    text = f"""
    class W(Base):
        def write(self, batches, base, name):
            try:
                return [DataFile(path="half", rows=b.num_rows, bytes=1) for b in batches]
            except KeyError:
                {after}
            return []
    """
    with opened(text) as writer, pytest.raises(KeyError, match="the source broke"):
        writer.write(broken(), "base/", "name")


def test_an_error_of_ours_in_the_rows_is_not_told_as_if_it_were_the_writers(opened):
    def broken():
        yield _batch(1)
        raise ValidationError("3 rows broke the contract")

    text = """
    class W(Base):
        def write(self, batches, base, name):
            return [DataFile(path="half", rows=b.num_rows, bytes=1) for b in batches]
    """
    with opened(text) as writer, pytest.raises(ValidationError) as caught:
        writer.write(broken(), "base/", "name")
    assert caught.value.message == "3 rows broke the contract"


READER = """
import pyarrow as pa
from dativo_ingest.model import Unit

class Reader:
    def __init__(self, source): self.at = 0
    def check(self): pass
    def discover(self): return []
    def split(self, stream, since): pass
    def read(self, stream, unit):
        for self.at in range(2):
            yield pa.table({"id": pa.chunked_array([[self.at], [self.at]], pa.int64())})
    def position(self, unit): return 0
    def reached(self, window): return None
"""
REST = "    def rest(self, unit): return Unit(id=unit.id, spec={'from': self.at + 1})\n"


def reader(tmp_path, code):
    (tmp_path / "reader.py").write_text(code)
    return open_reader(plugin_ref("reader.py:Reader", tmp_path), {"source": {"type": "custom"}})


def test_a_reader_is_asked_what_is_left_only_where_it_knows_what_was_taken(tmp_path):
    unit = Unit(id="1")
    with reader(tmp_path, READER + REST) as opened:
        left = [opened.rest(unit) for _ in opened.read(Stream(name="s"), unit)]
    assert left == [None, Unit(id="1", spec={"from": 1}), None, Unit(id="1", spec={"from": 2})]


def test_a_reader_that_cannot_stop_in_the_middle_is_never_asked(tmp_path):
    with reader(tmp_path, READER) as opened:
        assert opened.rest is None
        assert len(list(opened.read(Stream(name="s"), Unit(id="1")))) == 4
