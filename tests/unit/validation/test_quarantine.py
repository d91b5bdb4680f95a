import datetime as dt
import decimal
import json

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from dativo_dagster.config.contract import Contract, Field
from dativo_dagster.config.types import parse_type
from dativo_dagster.pipeline.assemble import QUARANTINE_COLUMNS
from dativo_dagster.validation.quarantine import QUARANTINE_SCHEMA, records
from dativo_dagster.validation.typemap import arrow_schema
from tests.fakes.types import arrays, types


def record(**columns):
    batch = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
    (text,) = records(batch)
    return json.loads(text)


def test_the_quarantine_is_written_with_the_schema_that_it_is_made_in():
    fields = tuple(Field(name=n, type=parse_type(t)) for n, t in QUARANTINE_COLUMNS.items())
    assert QUARANTINE_SCHEMA.equals(arrow_schema(Contract(name="q", fields=fields)))


def test_a_record_says_every_value_exactly():
    assert record(
        text=pa.array(['ä"\n']),
        int=pa.array([2**63 - 1]),
        flag=pa.array([True]),
        none=pa.nulls(1),
        amount=pa.array([decimal.Decimal("1.10")]),
        day=pa.array([dt.date(2020, 1, 2)]),
        at=pa.array([1], pa.timestamp("ns", "UTC")),
        nan=pa.array([float("nan")]),
        raw=pa.array([b"hi"]),
        list=pa.array([[1, None]]),
        nested=pa.array([[{"at": 1}, None]], pa.list_(pa.struct([("at", pa.timestamp("ns"))]))),
        map=pa.array([[("a", b"hi")]], pa.map_(pa.string(), pa.binary())),
    ) == {
        "text": 'ä"\n',
        "int": 2**63 - 1,
        "flag": True,
        "none": None,
        "amount": "1.10",
        "day": "2020-01-02",
        "at": "1970-01-01 00:00:00.000000001Z",
        "nan": "nan",
        "raw": "aGk=",
        "list": [1, None],
        "nested": [{"at": "1970-01-01 00:00:00.000000001"}, None],
        "map": [{"key": "a", "value": "aGk="}],
    }


@given(types.flatmap(lambda kind: arrays(kind, st.just(3))))
def test_rows_of_every_type_become_json(array):
    batch = pa.RecordBatch.from_arrays([array], names=["a"])
    assert [list(json.loads(r)) for r in records(batch)] == [["a"]] * 3


def test_a_batch_without_columns_still_has_its_rows():
    batch = pa.record_batch({"a": pa.array([1, 2])}).select([])
    assert records(batch) == ["{}", "{}"]


def test_a_day_that_python_cannot_hold_is_still_told():
    assert record(a=pa.array([-800_000], pa.int32()).cast(pa.date32()))["a"].startswith("-0221")
