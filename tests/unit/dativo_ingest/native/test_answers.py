"""JSON of a plugin becomes a value of the model, or an error that says where it is none."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dativo_ingest.exceptions import PluginError, get_error_code
from dativo_ingest.model import CheckResult, Column, Cursor, DataFile, Stream, Unit, Window
from dativo_ingest.native import errors as native_errors
from dativo_ingest.native.answers import mapping, value, values
from dativo_ingest.native.errors import Call

CALL = Call("/lib.so", "split", "rows")
GOOD = [
    Stream(
        name="s", columns=(Column(name="a"), Column(name="b", type="int64")), primary_key=("a",), properties={"k": 1}
    ),
    Unit(id="a", spec={"x": [1, {"y": None}]}, rows=3),
    Window(units=(Unit(id="a"), Unit(id="b")), fingerprint="f", before=Cursor(value={"n": 1}), after=None),
    DataFile(path="/a", rows=1, bytes=2, partition={"p": None, "q": "1"}),
    CheckResult(name="plugin", passed=False, message="no", details={"a": 1}),
]

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("good", GOOD, ids=lambda v: type(v).__name__)
def test_what_a_value_gives_as_json_is_taken_back(good):
    assert value(type(good), json.loads(good.dumps()), CALL) == good
    assert value(type(good), {**good.to_json(), "of a newer version": 1}, CALL) == good


@given(st.data())
def test_whatever_stands_in_place_of_a_part_is_a_value_or_a_bad_answer(data):
    good = data.draw(st.sampled_from(GOOD))
    answer = good.to_json()
    key = data.draw(st.sampled_from([f.name for f in dataclasses.fields(good)]))
    answer[key] = data.draw(_json)
    try:
        found = value(type(good), answer, CALL)
    except PluginError as error:
        assert error.error_code == "PLUGIN_BAD_ANSWER"
        assert f".{key}" in error.message
    else:
        assert type(good).loads(found.dumps()) == found


FILE = {"path": "", "rows": 1, "bytes": 1}
WRONG = {
    "Window.units[1].id: expected str, found int": (Window, {"units": [{"id": "a"}, {"id": 2}], "fingerprint": ""}),
    "Window.fingerprint: is missing": (Window, {"units": []}),
    "Window.units: expected a list, found dict": (Window, {"units": {}, "fingerprint": ""}),
    "Cursor.value: expected an object, found list": (Cursor, {"value": []}),
    "Window.after: expected an object, found int": (Window, {"units": [], "fingerprint": "", "after": 1}),
    "DataFile.rows: expected int, found bool": (DataFile, {**FILE, "rows": True}),
    "DataFile.partition[p]: expected str, found int": (DataFile, {**FILE, "partition": {"p": 1}}),
    "CheckResult: expected an object, found nothing": (CheckResult, None),
}  # fmt: skip


@pytest.mark.parametrize("words", WRONG)
def test_the_error_says_where_and_what(words):
    kind, answer = WRONG[words]
    with pytest.raises(PluginError) as caught:
        value(kind, answer, CALL)
    assert caught.value.message.endswith(words)
    assert caught.value.message.startswith("/lib.so: split of stream 'rows': ")


@pytest.mark.parametrize("answer", [None, [], {}, {"files": None}, {"files": {}}, {"files": [1]}])
def test_a_list_of_values_is_one(answer):
    with pytest.raises(PluginError):
        values(DataFile, answer, "files", CALL)


def test_an_answer_is_an_object():
    assert mapping({"a": 1}, CALL) == {"a": 1}
    with pytest.raises(PluginError, match="found str"):
        mapping("a", CALL)


@pytest.mark.parametrize("code", native_errors._CLASS)
def test_a_code_that_everybody_uses_has_its_class(code):
    said = {"code": code, "message": "m", "details": {"a": 1}, "retryable": True, "retry_after": 3}
    error = CALL.failed(said)
    assert get_error_code(error) == code
    assert error.retryable
    assert error.details == {"a": 1, "plugin": "/lib.so", "verb": "split", "stream": "rows", "retry_after": 3}
    assert code in native_errors._CLASSES[type(error)]


@given(st.dictionaries(st.sampled_from(["code", "message", "details", "retryable", "retry_after"]), _json))
def test_whatever_a_plugin_says_is_an_error_that_names_it(said):
    error = CALL.failed({k: v for k, v in said.items() if k != "retry_after" or isinstance(v, int)})
    assert error.message.startswith("/lib.so: split of stream 'rows': ")
    assert len(error.message) < native_errors.MAX_MESSAGE + 100
    json.dumps(error.to_dict())


def test_an_unknown_code_is_transient_when_the_plugin_says_so():
    assert type(CALL.failed({"code": "ODD", "retryable": True})).__name__ == "TransientError"
    assert type(CALL.failed({"code": "ODD"})).__name__ == "PluginError"
