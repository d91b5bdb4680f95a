"""pyarrow's way and the way of rows give the same values, or pyarrow's is not taken."""

from __future__ import annotations

import datetime as dt
import decimal
import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dativo_dagster.config.types import parse_type
from dativo_dagster.validation.convert import convert
from dativo_ingest.exceptions import PluginError
from dativo_ingest.model import Column, Stream
from dativo_ingest.native.errors import Call
from dativo_ingest.native_json.batches import Parser, parsed
from dativo_ingest.native_json.rows import batch_of

CALL = Call("/lib.so", "read", "rows")
TYPES = ["int8", "int64", "uint64", "double", "decimal(9,2)", "boolean", "string", "date", "timestamp", "list<int64>"]


def _stream(types):
    return Stream(name="rows", columns=tuple(Column(name=name, type=kind) for name, kind in types.items()))


def _fast(text, types):
    return Parser(_stream(types), CALL)._fast(text)


def _by_contract(batch, types):
    """Give each column as the contract would have it, and which rows are bad."""
    found = {}
    for name, kind in types.items():
        column = batch[name] if name in batch.schema.names else pa.nulls(batch.num_rows)
        converted = convert(column, parse_type(kind))
        bad = converted.bad.to_pylist() if converted.bad is not None else [False] * batch.num_rows
        found[name] = [None if b else v for v, b in zip(converted.values.to_pylist(), bad, strict=True)], bad
    return found


_numbers = st.one_of(
    st.integers(-(2**70), 2**70),
    st.integers(-130, 130),
    st.floats(allow_nan=False, allow_infinity=False),
    st.decimals(-(10**9), 10**9, places=2, allow_nan=False).map(float),
    st.sampled_from([0, -0.0, 1e5, 1e22, 2**53, 2**53 + 1, 1e-7]),
)
_texts = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        ["},{", '"', "\\", "[", "\n", "2020-01-01", "2020-01-01T00:00:00", "12", "1.25", "true", "", "\ud83d\ude00"]
    ),
)
_values = st.one_of(st.none(), st.booleans(), _numbers, _texts, st.lists(st.integers(-5, 5), max_size=2))
_of_type = {
    "int8": st.integers(-128, 127),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "uint64": st.integers(0, 2**64 - 1),
    "double": _numbers,
    "decimal(9,2)": st.decimals(-(10**7), 10**7, places=2, allow_nan=False).map(float),
    "boolean": st.booleans(),
    "string": st.one_of(_texts, st.integers(0, 99)),
    "date": st.dates().map(dt.date.isoformat),
    "timestamp": st.datetimes().map(dt.datetime.isoformat),
    "list<int64>": st.lists(st.integers(-9, 9), max_size=3),
}


@st.composite
def _case(draw):
    types = {f"c{i}": draw(st.sampled_from(TYPES)) for i in range(draw(st.integers(1, 4)))}
    wild = draw(st.booleans())
    row = st.fixed_dictionaries(
        {}, optional={n: _values if wild else st.one_of(st.none(), _of_type[k]) for n, k in types.items()}
    )
    rows = draw(st.lists(row, min_size=1, max_size=6))
    style = draw(st.sampled_from([{"separators": (",", ":")}, {}, {"indent": 1}, {"ensure_ascii": False}]))
    return types, json.dumps(rows, **style)


@given(_case())
def test_both_ways_mean_the_same_under_the_contract(case):
    types, text = case
    try:
        data = text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, written as it is
        return
    fast = _fast(data, types)
    if fast is not None:
        fast.validate(full=True)
        slow = batch_of(data, _stream(types), CALL)
        assert repr(_by_contract(fast, types)) == repr(_by_contract(slow, types))


CLEAN = {
    "id": "int64",
    "name": "string",
    "amount": "decimal(12,2)",
    "share": "double",
    "active": "boolean",
    "created_at": "timestamp",
    "tags": "list<string>",
    "place": "struct<city: string, zip: int32>",
}
ROW = {
    "id": 7,
    "name": 'a},{b \u00e4 \\u0041 "q"',
    "amount": 12.5,
    "share": 0.1,
    "active": True,
    "created_at": "2024-05-17T08:30:00",
    "tags": ["x", "},{"],
    "place": {"city": "Ulm", "zip": 89073},
}


def test_clean_rows_take_the_fast_way_typed():
    batch = _fast(json.dumps([ROW, dict.fromkeys(ROW), {}]).encode(), CLEAN)
    assert batch is not None
    assert batch.to_pylist()[0] == {**ROW, "amount": decimal.Decimal("12.50")}
    assert batch.to_pylist()[1] == batch.to_pylist()[2] == dict.fromkeys(ROW)
    assert batch.schema.field("amount").type == pa.decimal128(12, 2)


@pytest.mark.parametrize(
    "text", ['[{"n": 1}]', '[{"n":1},{"n":"x y"}]', '[\n {"n": 2.50},\r\n\t{}\n]', '[{"n":{"m":[1,{}]}}]']
)
@pytest.mark.parametrize("kind", ["string", "json", "float32", "map<string,int64>", "nonsense"])
def test_columns_of_every_type_get_values_whichever_way(text, kind):
    batch = Parser(_stream({"n": kind}), CALL).parse(text.encode())
    assert batch.num_rows == len(json.loads(text))
    assert batch["n"].null_count == sum("n" not in row for row in json.loads(text))


def test_numbers_in_a_column_of_text_become_text_without_losing_the_fast_way():
    parser = Parser(_stream({"zip": "string"}), CALL)
    assert parser._fast(b'[{"zip":501},{"zip":null}]').to_pylist() == [{"zip": "501"}, {"zip": None}]
    assert parser.parse(b'[{"zip":"A1"}]').to_pylist() == [{"zip": "A1"}]
    assert parser.parse(b'[{"zip":"A1"},{"zip":501}]').to_pylist() == [{"zip": "A1"}, {"zip": "501"}]
    assert parser.parse(b'[{"zip":null}]').to_pylist() == [{"zip": None}]
    assert parser.parse(b'[{"zip":5.0}]').to_pylist() == [{"zip": "5.0"}]


def test_moments_that_nobody_asked_for_stay_text():
    parser = Parser(_stream({}), CALL)
    assert parser._fast(b'[{"day":"2020-01-01"}]').to_pylist() == [{"day": "2020-01-01"}]


SLOW = {
    "an integer beyond 64 bits": ('[{"n":12345678901234567890123}]', {"n": "int64"}),
    "a fraction in an integer": ('[{"n":1.5}]', {"n": "int64"}),
    "an integer that no double has": ('[{"n":9007199254740993}]', {"n": "double"}),
    "a digit too many": ('[{"n":1.255}]', {"n": "decimal(5,2)"}),
    "digits before the point": ('[{"n":1234567}]', {"n": "decimal(5,2)"}),
    "a boolean in text": ('[{"n":true}]', {"n": "string"}),
    "an object in text": ('[{"n":{}}]', {"n": "string"}),
    "half a pair": ('[{"n":"\\ud800"}]', {"n": "string"}),
    "a nested column nobody knows": ('[{"n":[1]}]', {}),
}


@pytest.mark.parametrize("what", SLOW)
def test_what_pyarrow_would_change_takes_the_way_of_rows(what):
    text, types = SLOW[what]
    parser = Parser(_stream(types), CALL)
    assert parser._fast(text.encode()) is None
    assert parser.parse(text.encode()).num_rows == 1


BROKEN = {
    "nothing": b"",
    "cut short": b'[{"n": 1}, {"n": ',
    "no array": b'{"n": 1}',
    "null": b"null",
    "numbers": b"[1, 2]",
    "a null row": b'[{"n": 1}, null]',
    "two texts": b'[{"n": 1}][{"n": 2}]',
    "a way out of the object around it": b'[{"n": 1}], "rows": [{"n": 2}]',
    "another object after it": b'[{"n": 1}]}{"rows": [{"n": 2}]',
    "not UTF-8": b'[{"s": "caf\xe9"}]',
    "a name twice": b'[{"n": 1, "n": 2}]',
    "a constant": b'[{"n": Infinity}]',
    "a bare line break": b'[{"s": "a\nb"}]',
    "a comma too many": b'[{"n": 1},]',
    "a byte order mark": b'\xef\xbb\xbf[{"n": 1}]',
    "deeper than anything": b'[{"n": ' + b"[" * 100_000,
    "an integer beyond all reason": b'[{"n": 1' + b"0" * 5000 + b"}]",
    "an exponent beyond all reason": b'[{"d": 1e' + b"9" * 30 + b"}]",
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_text_that_is_none_is_an_error_whichever_way(what):
    parser = Parser(_stream({"n": "int64", "s": "string", "d": "decimal(9,2)"}), CALL)
    with pytest.raises(PluginError, match="read of stream 'rows'") as caught:
        parser.parse(BROKEN[what])
    assert caught.value.error_code == "PLUGIN_BAD_DATA"
    assert "caf" not in caught.value.message


def test_pyarrow_is_not_asked_for_ever():
    parser = Parser(_stream({"n": "int64"}), CALL)
    for _ in range(3):
        parser.parse(b'[{"n":"x"}]')
    assert parser.refused == 3
    assert parser.parse(b'[{"n":1}]').to_pylist() == [{"n": 1}]


def test_batches_keep_the_order_of_the_texts_and_an_error_comes_after_what_was_before_it():
    def texts():
        for n in range(20):
            yield b'[{"n":%d}]' % n
        raise PluginError("broke off")

    found: list[int] = []
    batches = parsed(texts(), Parser(_stream({"n": "int64"}), CALL))
    with pytest.raises(PluginError, match="broke off"):
        found.extend(batch["n"][0].as_py() for batch in batches)
    assert found == list(range(len(found)))
    assert len(found) >= 17
