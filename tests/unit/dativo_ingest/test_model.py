"""The nouns cross a border as JSON and come back equal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dativo_ingest.model import (
    CheckResult,
    Column,
    Counts,
    Cursor,
    DataFile,
    SchemaChange,
    Snapshot,
    Staged,
    State,
    Stream,
    Unit,
    Violation,
    Window,
)
from dativo_ingest.result import JobResult, StreamResult

text = st.text(max_size=20)
counts = st.builds(Counts, read=st.integers(0), written=st.integers(0), rejected=st.integers(0))
cursors = st.none() | st.builds(Cursor, value=st.dictionaries(text, text | st.integers() | st.none(), max_size=3))
files = st.builds(DataFile, path=text, rows=st.integers(0), bytes=st.integers(0), partition=st.dictionaries(text, text))
violations = st.builds(
    Violation, rule=text, column=st.none() | text, count=st.integers(0), sample=st.lists(text, max_size=3).map(tuple)
)
staged = st.builds(
    Staged,
    token=text,
    key=text,
    mode=text,
    files=st.lists(files, max_size=3).map(tuple),
    quarantine=st.lists(files, max_size=2).map(tuple),
    cursor=cursors,
    counts=counts,
    violations=st.lists(violations, max_size=2).map(tuple),
)


@given(staged)
def test_staged_comes_back_equal_from_its_text(value):
    assert Staged.loads(value.dumps()) == value


@given(staged)
def test_equal_values_give_equal_text(value):
    assert Staged.loads(value.dumps()).dumps() == value.dumps()


def test_nested_results_come_back_equal():
    result = JobResult(
        job="j",
        tenant="t",
        run_id="r",
        streams=(
            StreamResult(
                job="j",
                tenant="t",
                stream="s",
                table="a.b",
                status="committed",
                snapshot=Snapshot(id="1", table="a.b", token="x"),
                columns=(Column(name="a", type="int64"),),
                checks=(CheckResult(name="schema", passed=True, details={"n": [1, {"deep": None}]}),),
            ),
        ),
    )
    assert JobResult.loads(result.dumps()) == result


def test_windows_and_streams_come_back_equal():
    window = Window(units=(Unit(id="a", spec={"x": [1]}, bytes=3),), fingerprint="f", after=Cursor(value={"n": 1}))
    stream = Stream(name="s", columns=(Column(name="a"),), primary_key=("a",))
    assert Window.loads(window.dumps()) == window
    assert Stream.loads(stream.dumps()) == stream
    assert State.loads(State(token="t", cursor=window.after).dumps()).cursor == window.after
    assert SchemaChange.from_json({"kind": "add", "column": "c"}).allowed is True


def test_a_key_of_a_newer_version_is_ignored():
    assert Counts.from_json({"read": 1, "invented_later": 2}) == Counts(read=1)


def test_counts_add_up_field_by_field():
    total = Counts(read=3, written=2, rejected=1) + Counts(read=1, nulled=1, bytes_read=9)
    assert total == Counts(read=4, written=2, rejected=1, nulled=1, bytes_read=9)
