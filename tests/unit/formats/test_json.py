"""JSON: exact values whichever parser read them, and a place for every line that is no record."""

import io
import json
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dativo_dagster.formats.json import read_json
from dativo_ingest.exceptions import DativoError
from dativo_ingest.protocols import CORRUPT

NAME = "people.jsonl"
JSON = pa.field("j", pa.string(), metadata={b"dativo.type": b"json"})


def read(text, hint=None, block_bytes=64, **options):
    data = text if isinstance(text, bytes) else text.encode()
    schema = pa.schema(hint) if hint is not None else None
    return list(read_json(io.BytesIO(data), NAME, schema, block_bytes=block_bytes, **options))


def rows(batches):
    return [
        {n: v for n, v in row.items() if n != CORRUPT}
        for batch in batches
        for row in batch.to_pylist()
        if row.get(CORRUPT) is None
    ]


def corrupt(batches):
    return [row[CORRUPT] for b in batches if CORRUPT in b.schema.names for row in b.to_pylist()]


def test_lines_become_typed_rows():
    text = '{"a": 1, "s": "x", "d": 1.50, "b": true}\n\n{"a": null, "s": "ü"}\n'
    hint = {"a": pa.int64(), "s": pa.string(), "d": pa.decimal128(5, 2), "b": pa.bool_()}
    assert rows(read(text, hint)) == [
        {"a": 1, "s": "x", "d": Decimal("1.50"), "b": True},
        {"a": None, "s": "ü", "d": None, "b": None},
    ]


@pytest.mark.parametrize(
    ("kind", "literal", "expected"),
    [
        (pa.int64(), "1.0", "1.0"),
        (pa.int64(), "9223372036854775808", "9223372036854775808"),
        (pa.int64(), '"7"', "7"),
        (pa.float64(), "1e400", "1e400"),
        (pa.float32(), "0.1", "0.1"),
        (pa.decimal128(5, 2), "1000", "1000"),
        (pa.decimal128(5, 2), "1.005", "1.005"),
        (pa.decimal128(38, 20), "0.12345678901234567890", Decimal("0.12345678901234567890")),
        (pa.date32(), '"2024-02-29"', "2024-02-29"),
        (pa.timestamp("us"), '"2024-02-29T10:11:12Z"', "2024-02-29T10:11:12Z"),
        (pa.timestamp("us", "UTC"), '"2024-02-29T10:11:12"', "2024-02-29T10:11:12"),
        (pa.uuid(), '"00000000-0000-0000-0000-000000000000"', "00000000-0000-0000-0000-000000000000"),
        (pa.bool_(), '"true"', "true"),
    ],
)
def test_what_is_not_exactly_its_type_is_text_digit_by_digit(kind, literal, expected):
    assert rows(read(f'{{"a": {literal}}}\n', {"a": kind})) == [{"a": expected}]


@pytest.mark.parametrize(
    ("kind", "literal", "reason"),
    [
        (pa.string(), "12", "a: a number, expected string"),
        (pa.string(), "true", "a: a boolean, expected string"),
        (pa.string(), "{}", "a: an object, expected string"),
        (pa.bool_(), "1", "a: a number, expected bool"),
        (pa.int64(), "true", "a: a boolean, expected int64"),
        (pa.timestamp("us"), "5", "a: a number, expected timestamp[us]"),
        (pa.list_(pa.int64()), "1", "a: a number, expected list"),
        (pa.struct({"x": pa.int64()}), '{"x": 1, "y": 2}', "a: the contract's struct has no 'y'"),
    ],
)
def test_a_value_of_another_kind_makes_its_record_corrupt(kind, literal, reason):
    batches = read(f'{{"a": {literal}}}\n{{"a": null}}\n', {"a": kind})
    assert rows(batches) == [{"a": None}]
    (found,) = corrupt(batches)
    assert found["reason"].startswith(reason)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"a": 1', "not JSON"),
        ('{"a": 1,}', "not JSON"),
        ("{'a': 1}", "not JSON"),
        ('{"a": 1} {"a": 2}', "not JSON: Extra data"),
        ('{"a": 1, "a": 2}', "an object has a name twice"),
        ('{"a": NaN}', "NaN is not JSON"),
        ('{"s": "\\ud800"}', "an escape is no character"),
        ('{"\\ud800": 1}', "an escape is no character"),
        ("5", "a number, expected an object"),
        ("null", "null, expected an object"),
        ("[" * 100_000, "not JSON|nested too deep"),
    ],
)
def test_a_broken_line_is_handed_on_with_its_place(line, reason):
    text = f'{{"a": 1}}\n\n{line}\n{{"a": 2}}\n'
    batches = read(text, {"a": pa.int64()}, block_bytes=1 << 20)
    assert [int(r["a"]) for r in rows(batches)] == [1, 2]
    (found,) = corrupt(batches)
    assert (found["record"], found["line"], found["offset"]) == (line, 3, 10)
    assert found["reason"].startswith(tuple(reason.split("|")))


def test_lists_structs_and_maps_keep_their_shape():
    hint = {
        "l": pa.list_(pa.int64()),
        "s": pa.struct({"x": pa.int64(), "y": pa.string()}),
        "m": pa.map_(pa.string(), pa.decimal128(5, 2)),
    }
    text = '{"l": [1, null], "s": {"x": 1}, "m": {"k": 1.10}}\n{"l": [], "s": null, "m": {}}\n'
    assert rows(read(text, hint)) == [
        {"l": ["1", None], "s": {"x": "1", "y": None}, "m": [("k", "1.10")]},
        {"l": [], "s": None, "m": []},
    ]
    del hint["m"]
    assert rows(read('{"l": [1, null], "s": {"x": 1}}\n', hint)) == [{"l": [1, None], "s": {"x": 1, "y": None}}]


def test_json_columns_keep_their_text_with_every_digit():
    text = (
        '{"j": {"b": [1.10, true, null, "ü\\"", {}], "a": 12345678901234567890}}\n{"j": "x"}\n{"j": 1.0}\n{"j": null}\n'
    )
    assert [r["j"] for r in rows(read(text, [JSON]))] == [
        '{"b":[1.10,true,null,"ü\\"",{}],"a":12345678901234567890}',
        '"x"',
        "1.0",
        None,
    ]


def test_unknown_keys_stay_columns_and_their_text_is_not_taken_for_a_moment():
    text = '{"a": 1, "day": "2024-01-01", "more": {"x": 1}}\n'
    assert rows(read(text, {"a": pa.int64()})) == [{"a": 1, "day": "2024-01-01", "more": {"x": 1}}]


def test_a_file_that_pyarrow_always_refuses_is_read_whole():
    text = "".join(f'{{"a": {n}, "t": {n}}}\n' for n in range(1000))
    found = rows(read(text, {"a": pa.int64(), "t": pa.float32()}))
    assert [r["a"] for r in found] == [str(n) for n in range(1000)]


@pytest.mark.parametrize("block_bytes", [4, 16, 1 << 20])
@pytest.mark.parametrize("indent", [None, 2])
def test_one_array_of_objects(block_bytes, indent):
    records = [{"a": n, "s": 'ü,"[]{}\\' * n} for n in range(5)]
    text = "\n " + json.dumps(records, indent=indent, ensure_ascii=False) + " \n"
    found = rows(read(text, {"a": pa.int64(), "s": pa.string()}, block_bytes=block_bytes))
    assert [{"a": int(r["a"]), "s": r["s"]} for r in found] == records


def test_a_broken_element_of_an_array_is_handed_on_with_its_place():
    text = '[{"a": 1},\n {"a" 2},\n 3,\n{"a": 4}]'
    batches = read(text, {"a": pa.int64()}, block_bytes=4)
    assert [r["a"] for r in rows(batches)] == ["1", "4"]
    assert [(c["record"], c["line"], c["offset"]) for c in corrupt(batches)] == [('{"a" 2}', 2, 12), ("3", 3, 22)]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('[{"a": 1}', "BAD_JSON"),
        ('[{"a": "x', "BAD_JSON"),
        ('[{"a": 1}] {"a": 2}', "BAD_JSON"),
        ("[1][2]", "BAD_JSON"),
        ("[" + '"x' * 5000, "RECORD_TOO_LONG"),
        ('{"a": "' + "x" * 5000, "RECORD_TOO_LONG"),
        (b'{"a": "\xff"}', "BAD_ENCODING"),
        (b'[{"a": "\xff"}]', "BAD_ENCODING"),
    ],
)
def test_what_cannot_be_read_is_an_error(text, code):
    with pytest.raises(DativoError) as caught:
        read(text, max_record_bytes=1000)
    assert caught.value.error_code == code
    assert NAME in caught.value.message


@pytest.mark.parametrize("text", ["", "\n \n", "[]", " [ ] "])
def test_nothing_is_no_rows(text):
    assert read(text) == []


def test_other_encodings():
    assert rows(read('{"a": "ü"}\n'.encode("utf-16"))) == [{"a": "ü"}]
    assert rows(read('{"a": "ü"}\n'.encode("latin-1"), encoding="latin-1")) == [{"a": "ü"}]


values = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
)
objects = st.dictionaries(st.sampled_from("abj"), values | st.lists(values, max_size=3), max_size=3)


@given(st.lists(objects, max_size=8), st.sampled_from([1, 16, 1 << 20]))
def test_json_columns_mean_what_was_written(records, block_bytes):
    text = "".join(json.dumps(r) + "\n" for r in records)
    hint = [pa.field(n, pa.string(), metadata=JSON.metadata) for n in "abj"]
    found = rows(read(text, hint, block_bytes=block_bytes))
    assert [{k: json.loads(v) for k, v in r.items() if v is not None} for r in found] == [
        {k: v for k, v in r.items() if v is not None} for r in records
    ]


@given(st.lists(st.text(alphabet='{}[]",:a1\\ ', max_size=12), max_size=6), st.sampled_from([4, 1 << 20]))
def test_every_line_is_a_row_or_corrupt(lines, block_bytes):
    text = "{}\n" + "\n".join(lines)
    found = read(text, {"a": pa.int64()}, block_bytes=block_bytes)
    assert len(rows(found)) + len(corrupt(found)) == sum(1 for line in text.split("\n") if line.strip())


@given(st.binary(max_size=60))
def test_any_bytes_are_batches_or_an_error_of_ours(data):
    try:
        read(data, {"a": pa.int64()}, block_bytes=8)
    except DativoError as error:
        assert NAME in error.message
