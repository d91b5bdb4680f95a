from __future__ import annotations

import array
import collections
import datetime as dt
import decimal
import enum
import json
import types
import uuid
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest

from dativo_ingest.batches.columns import column
from dativo_ingest.batches.wanted import ANY, want

D = decimal.Decimal
UTC = dt.timezone.utc
EAST = dt.timezone(dt.timedelta(hours=2))
NAIVE = dt.datetime.fromisoformat("2024-02-29T12:30:15.123456")


class Color(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Text(str):
    __slots__ = ()


def _column(values, kind=None):
    bad = {}
    found = column(values, want(kind) if kind else ANY, bad)
    found.validate(full=True)
    assert bad == {}
    return found


EXACT = [
    ([1, None, -(2**63)], pa.int64()),
    ([1.5, 2, None], pa.float64()),
    ([2.5, float("inf")], pa.float64()),
    (["a", None, Text("b"), ""], pa.string()),
    ([True, None, False], pa.bool_()),
    ([b"a", bytearray(b"b"), memoryview(b"c")], pa.binary()),
    ([D("1.10"), D(100), 7], pa.decimal128(5, 2)),
    ([D("1e50")], pa.decimal256(51, 0)),
    ([dt.date(2024, 2, 29), None], pa.date32()),
    ([dt.time(1, 2, 3, 4)], pa.time64("us")),
    ([dt.timedelta(microseconds=1)], pa.duration("us")),
    ([NAIVE, dt.datetime.min, dt.datetime.max], pa.timestamp("us")),  # noqa: DTZ901 - these it must hold
    ([NAIVE.replace(tzinfo=EAST), NAIVE.replace(tzinfo=ZoneInfo("Europe/Berlin"))], pa.timestamp("us", "UTC")),
    ([Level.HIGH, 4], pa.int64()),
    ([None, None], pa.null()),
    ([[1, 2], None, []], pa.list_(pa.int64())),
    ([{"a": 1, "b": "x"}, None, {"a": None, "b": None}], pa.struct([("a", pa.int64()), ("b", pa.string())])),
    ([[{"a": [1.5]}]], pa.list_(pa.struct([("a", pa.list_(pa.float64()))]))),
]


@pytest.mark.parametrize(("values", "kind"), EXACT, ids=[str(kind) for _, kind in EXACT])
def test_values_of_one_kind_are_that_kind_and_come_back_the_same(values, kind):
    found = _column(values)
    assert found.type.equals(kind) or str(found.type) == str(kind)
    assert found.to_pylist() == values


def test_a_uuid_is_a_uuid():
    values = [uuid.UUID(int=5), None]
    assert (_column(values).type, _column(values).to_pylist()) == (pa.uuid(), values)


def test_foreign_values_are_taken_for_what_they_are():
    assert _column([Color.RED, None]).to_pylist() == ["red", None]
    assert _column([np.int64(3), np.uint8(4), 5]).to_pylist() == [3, 4, 5]
    assert _column([np.float32(0.1), np.float64(0.5)]).to_pylist() == [float(np.float32(0.1)), 0.5]
    assert _column([np.bool_(1), False]).to_pylist() == [True, False]
    assert _column([np.str_("a")]).to_pylist() == ["a"]
    assert _column([np.datetime64("2024-02-29"), None]).to_pylist() == [dt.date(2024, 2, 29), None]
    assert _column([np.datetime64("NaT"), np.datetime64("2024-02-29", "us")]).type == pa.timestamp("us")
    assert _column([np.array([1, 2]), [3]]).to_pylist() == [[1, 2], [3]]
    assert _column([(1, 2), {3}, frozenset([4]), range(2)]).to_pylist() == [[1, 2], [3], [4], [0, 1]]
    assert _column([array.array("i", [1]), collections.deque([2])]).to_pylist() == [[1], [2]]
    assert _column([types.MappingProxyType({"a": 1})]).to_pylist() == [{"a": 1}]


def test_moments_of_pandas_keep_their_nanoseconds():
    pd = pytest.importorskip("pandas")
    assert _column([pd.Timestamp("2024-02-29 12:00"), NAIVE, pd.NaT]).type == pa.timestamp("us")
    assert _column([pd.Timestamp("2024-02-29", tz="UTC")]).type == pa.timestamp("us", "UTC")
    assert _column([pd.Timestamp(1, unit="ns")]).to_pylist() == ["1970-01-01T00:00:00.000000001"]
    assert _column([pd.NA, 1]).to_pylist() == [None, 1]
    assert _column([pd.Timedelta(1, "s")]).to_pylist() == [dt.timedelta(seconds=1)]


MIXED = [
    ([1, True], ["1", "true"]),
    ([1.5, False], ["1.5", "false"]),
    (["a", 1, None], ["a", "1", None]),
    (["a", float("nan")], ["a", "NaN"]),
    ([2**53 + 1, 0.5], ["9007199254740993", "0.5"]),
    ([2**63, -1], ["9223372036854775808", "-1"]),
    ([D("1.50"), 2.5], ["1.50", "2.5"]),
    ([D("NaN"), D(1)], ["NaN", "1"]),
    ([NAIVE, NAIVE.replace(tzinfo=EAST)], ["2024-02-29T12:30:15.123456", "2024-02-29T12:30:15.123456+02:00"]),
    ([dt.date(2024, 2, 29), NAIVE], ["2024-02-29", "2024-02-29T12:30:15.123456"]),
    ([dt.time(1, tzinfo=EAST)], ["01:00:00+02:00"]),
    ([b"a", "b"], ["YQ==", "b"]),
    ([np.datetime64("2024-02-29T00:00:00.000000001")], ["2024-02-29T00:00:00.000000001"]),
    ([{"a": 1}, [1]], ['{"a":1}', "[1]"]),
    ([{1: 2}], ['{"1":2}']),
    ([{}], ["{}"]),
    ([uuid.UUID(int=5), 1], ["00000000-0000-0000-0000-000000000005", "1"]),
    (
        [{"a": D("1.10"), "b": [dt.date(2024, 2, 29)], "c": "\u6f22"}, 5],
        ['{"a":1.10,"b":["2024-02-29"],"c":"\u6f22"}', "5"],
    ),
]


@pytest.mark.parametrize(("values", "texts"), MIXED, ids=[repr(v)[:40] for v, _ in MIXED])
def test_mixtures_are_text_that_says_exactly_what_they_were(values, texts):
    assert _column(values).to_pylist() == texts
    assert _column(values).type == pa.string()


def test_mixtures_in_lists_and_dicts_are_text_only_there():
    assert _column([[1, "a"], [True]]).to_pylist() == [["1", "a"], ["true"]]
    assert _column([{"a": 1, "b": 2}, {"a": "x"}]).to_pylist() == [{"a": "1", "b": 2}, {"a": "x", "b": None}]
    assert _column([[NAIVE], [NAIVE.replace(tzinfo=UTC)]]).type == pa.list_(pa.string())


@pytest.mark.parametrize("kind", ["string", "json"])
def test_a_text_column_gets_the_json_of_what_is_no_text(kind):
    values = [5, True, {"a": [1, None]}, "as it is", None, 1.0]
    assert _column(values, kind).to_pylist() == ["5", "true", '{"a":[1,null]}', "as it is", None, "1.0"]
    assert _column([5, 6], kind).to_pylist() == ["5", "6"]
    assert json.loads(_column([{"a": '\u2028\\"'}], kind)[0].as_py()) == {"a": '\u2028\\"'}


def test_parts_of_a_type_that_want_text_get_it():
    assert _column([[1, 2]], "list<string>").to_pylist() == [["1", "2"]]
    assert _column([{"a": {"b": 1}}], 'struct<a: json, "c d": int64>').to_pylist() == [{"a": '{"b":1}'}]


def test_a_map_of_the_contract_is_made_of_pairs():
    found = _column([{"x": 1, "y": None}, None, {}, {"z": 2}], "map<string,int64>")
    assert found.type == pa.map_(pa.string(), pa.int64())
    assert found.to_pylist() == [[("x", 1), ("y", None)], None, [], [("z", 2)]]
    assert _column([{1: {"a": 2}}], "map<string,json>").to_pylist() == [[("1", '{"a":2}')]]
    assert _column([[{"a": 1}]], "list<map<string,int64>>").to_pylist() == [[[("a", 1)]]]


@pytest.mark.parametrize("value", [object(), 1j, (x for x in ()), "\ud800", {"a": object()}, [[], ["\ud800"]]])
def test_a_value_that_is_none_of_all_takes_its_row_out(value):
    bad = {}
    assert column([None, value, None], ANY, bad).null_count >= 2
    assert list(bad) == [1]


def test_a_bad_value_in_a_list_takes_the_row_of_its_list_out():
    bad = {}
    column([[], [1], None, [2, object()], []], ANY, bad)
    assert list(bad) == [3]


def test_dicts_with_too_many_keys_are_text():
    assert _column([{f"k{i}": i for i in range(1001)}]).type == pa.string()
