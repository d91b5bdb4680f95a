"""CSV, nasty and nice: every byte of a value comes back, every record is handed on, or an error says where."""

import csv
import io
import sys
from datetime import date, datetime, timezone
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dativo_dagster.formats.csv import Dialect, read_csv
from dativo_ingest.exceptions import DativoError
from dativo_ingest.protocols import CORRUPT

NAME = "people.csv"


def read(data, dialect=None, hint=None, block_bytes=64, **options):
    stream = io.BytesIO(data if isinstance(data, bytes) else data.encode())
    return list(read_csv(stream, NAME, dialect or Dialect(), hint, block_bytes=block_bytes, **options))


def rows(batches):
    """Give the good rows as tuples."""
    return [
        tuple(v for n, v in row.items() if n != CORRUPT)
        for batch in batches
        for row in batch.to_pylist()
        if row.get(CORRUPT) is None
    ]


def corrupt(batches):
    return [row[CORRUPT] for b in batches if CORRUPT in b.schema.names for row in b.to_pylist()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a,b\n1,2\n", [("1", "2")], id="plain"),
        pytest.param("a,b\n1,2", [("1", "2")], id="no line end at the end"),
        pytest.param("a,b\r\n1,2\r\n3,4\r\n", [("1", "2"), ("3", "4")], id="CRLF"),
        pytest.param("a,b\r1,2\r3,4\r", [("1", "2"), ("3", "4")], id="CR"),
        pytest.param('a,b\n"x\ny",2\n', [("x\ny", "2")], id="newline in quotes"),
        pytest.param('a,b\r\n"x\r\ny",2\r\n', [("x\r\ny", "2")], id="CRLF in quotes stays CRLF"),
        pytest.param('a,b\n"say ""hi""",2\n', [('say "hi"', "2")], id="doubled quotes"),
        pytest.param('a,b\n5" disk,2\n6" disk,3\n', [('5" disk', "2"), ('6" disk', "3")], id="quote amid a field"),
        pytest.param('a,b\n"x"y"z,2\n', [('xy"z', "2")], id="text after the closing quote"),
        pytest.param('a,b\n,""\n', [(None, "")], id="NULL and the empty string"),
        pytest.param("a,b\nNone,NULL\nnull,NA\n", [("None", "NULL"), ("null", "NA")], id="words are no NULL"),
        pytest.param("a,b\n 1 ,\t\n", [(" 1 ", "\t")], id="blanks are kept"),
        pytest.param("a,b\n\n1,2\n\n", [("1", "2")], id="blank lines are no records"),
        pytest.param("a\n1\n\n2\n", [("1",), (None,), ("2",)], id="a blank line of one column is NULL"),
        pytest.param('"a","b"\n1,2\n', [("1", "2")], id="quoted header"),
        pytest.param("a,b\nÄpfel,日本\n", [("Äpfel", "日本")], id="not ASCII"),
        pytest.param("\ufeffa,b\n1,2\n", [("1", "2")], id="byte order mark"),
        pytest.param("a,b\n1\x00,2\n", [("1\x00", "2")], id="NUL"),
        pytest.param("a,b\n", [], id="header only"),
        pytest.param("a,b", [], id="header without line end"),
        pytest.param("a,b\n00501,1e5\n", [("00501", "1e5")], id="what looks like a number stays text"),
        pytest.param("\x02end of block\x03,b\n1,2\n\x02,\x03\n", [("1", "2"), ("\x02", "\x03")], id="our own sentinel"),
    ],
)
def test_text_comes_back_as_it_stands(text, expected):
    assert rows(read(text)) == expected


def test_a_header_gives_the_names_and_a_nameless_column_its_number():
    (batch,) = read(",b,\n1,2,3\n")
    assert batch.schema.names == ["column_1", "b", "column_3"]


def test_types_come_from_the_hint():
    hint = pa.schema(
        {
            "i": pa.int64(),
            "d": pa.decimal128(5, 2),
            "t": pa.timestamp("us"),
            "z": pa.timestamp("us", "UTC"),
            "day": pa.date32(),
            "f": pa.float64(),
            "b": pa.bool_(),
        }
    )
    text = "i,d,t,z,day,f,b,other\n"
    text += "-7,1.50,2024-02-29 10:11:12.5,2024-02-29T10:11:12+02:00,2024-02-29,0.1,true,x\n,,,,,,,\n"
    first, second = rows(read(text, hint=hint))
    assert first == (
        -7,
        Decimal("1.50"),
        datetime(2024, 2, 29, 10, 11, 12, 500000),  # noqa: DTZ001 - a wall clock
        datetime(2024, 2, 29, 8, 11, 12, tzinfo=timezone.utc),
        date(2024, 2, 29),
        0.1,
        True,
        "x",
    )
    assert second == (None,) * 8


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (pa.int64(), "x"),
        (pa.int8(), "128"),
        (pa.int64(), "1.0"),
        (pa.int64(), "1e3"),
        (pa.int64(), "9223372036854775808"),
        (pa.float64(), "1e400"),
        (pa.float64(), "inf"),
        (pa.float64(), "nan"),
        (pa.decimal128(5, 2), "1.005"),
        (pa.decimal128(5, 2), "1000"),
        (pa.decimal128(5, 2), "-99999"),
        (pa.decimal128(5, 2), "nan"),
        (pa.decimal128(38, 0), "1" * 39),
        (pa.int64(), "0x1F"),
        (pa.uint8(), "-1"),
        (pa.date32(), "2024-02-30"),
        (pa.date32(), "0000-01-01"),
        (pa.timestamp("us"), "0000-12-31 23:59:59"),
        (pa.timestamp("s", "UTC"), "0000-12-31T23:59:59Z"),
        (pa.timestamp("us"), "2024-01-01 10:11:12.1234567"),
        (pa.timestamp("us"), "2024-01-01T10:11:12Z"),
        (pa.timestamp("us", "UTC"), "2024-01-01 10:11:12"),
        (pa.timestamp("ns"), "2500-01-01"),
        (pa.float32(), "0.1"),
        (pa.uuid(), "00000000-0000-0000-0000-000000000000"),
    ],
)
def test_a_value_that_a_type_cannot_hold_exactly_comes_as_text_for_validation(kind, text):
    hint = pa.schema({"a": kind, "b": pa.int64()})
    batches = read(f"a,b\n{text},1\n", hint=hint)
    assert rows(batches) == [(text, 1)]


def test_one_bad_value_leaves_the_other_columns_and_blocks_typed():
    hint = pa.schema({"a": pa.int64(), "b": pa.int64()})
    text = "a,b\n" + "1,2\n" * 50 + "x,2\n" + "1,2\n" * 50
    batches = read(text, hint=hint)
    assert {str(b.schema.field("b").type) for b in batches} == {"int64"}
    assert [str(b.schema.field("a").type) for b in batches].count("string") == 1
    assert [int(a) if a != "x" else a for a, _ in rows(batches)] == [1] * 50 + ["x"] + [1] * 50


def test_records_of_another_length_are_handed_on_with_their_place():
    text = 'a,b\n1,2\n"new\nline",3\n\nonly one\n4,5\n6,7,8\n'
    batches = read(text)
    assert rows(batches) == [("1", "2"), ("new\nline", "3"), ("4", "5")]
    assert corrupt(batches) == [
        {"record": "only one", "reason": "1 fields, expected 2", "line": 6, "offset": text.index("only")},
        {"record": "6,7,8", "reason": "3 fields, expected 2", "line": 8, "offset": text.index("6,7")},
    ]


def test_corrupt_records_of_many_blocks_keep_their_place():
    lines = ["a,b", *(f"{n},x" if n % 7 else f"{n}" for n in range(1, 500))]
    text = "\n".join(lines) + "\n"
    found = corrupt(read(text))
    assert [c["record"] for c in found] == [str(n) for n in range(7, 500, 7)]
    assert all(lines[c["line"] - 1] == c["record"] for c in found)
    assert all(text[c["offset"] :].startswith(c["record"] + "\n") for c in found)


@pytest.mark.parametrize(
    ("dialect", "text", "expected"),
    [
        (Dialect(delimiter=";"), "a;b\n1,5;2\n", [("1,5", "2")]),
        (Dialect(delimiter="\t"), "a\tb\n1\t2\n", [("1", "2")]),
        (Dialect(delimiter="|", quote="'"), "a|b\n'x|y'|\"\n", [("x|y", '"')]),
        (Dialect(quote=None), 'a,b\n"x,y"\n', [('"x', 'y"')]),
        (Dialect(escape="\\", doubled=False), 'a,b\n"x\\"y",\\,z\n', [('x"y', ",z")]),
        (Dialect(header=False, columns=("p", "q")), "1,2\n3,4\n", [("1", "2"), ("3", "4")]),
        (Dialect(skip_lines=2), 'a "remark\nanother\na,b\n1,2\n', [("1", "2")]),
        (Dialect(skip_lines=1, header=False, columns=("p", "q")), "a,a\n1,2\n", [("1", "2")]),
        (Dialect(null_values=("", "NULL")), 'a,b\nNULL,"NULL"\n', [(None, "NULL")]),
        (Dialect(null_values=()), "a,b\n,x\n", [("", "x")]),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_a_dialect_means_what_it_says(dialect, text, expected):
    assert rows(read(text, dialect)) == expected


def test_names_come_from_the_contract_when_there_is_no_header():
    hint = pa.schema({"a": pa.int64(), "b": pa.string()})
    assert rows(read("1,2\n", Dialect(header=False), hint)) == [(1, "2")]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252", "utf-8-sig"])
def test_other_encodings(encoding):
    data = "a,b\nÄpfel,ü\n".encode(encoding)
    assert rows(read(data, Dialect(encoding=encoding))) == [("Äpfel", "ü")]


def test_a_byte_order_mark_tells_the_encoding():
    assert rows(read("a,b\nÄpfel,ü\n".encode("utf-16"))) == [("Äpfel", "ü")]


@pytest.mark.parametrize(
    ("data", "dialect", "code", "words"),
    [
        (b"", Dialect(), "NO_HEADER", "people.csv"),
        (b"\n\n", Dialect(), "NO_HEADER", "people.csv"),
        (b"a,b,a\n1,2,3\n", Dialect(), "DUPLICATE_COLUMN", "people.csv:1: the header has a name twice: 'a'"),
        (b"1,2\n", Dialect(header=False), "NO_COLUMN_NAMES", "columns"),
        (b'a,b\n1,2\n"x,3\n4,5\n', Dialect(), "UNCLOSED_QUOTE", "people.csv:3: the quote at byte 8 is never closed"),
        (b'a,"b\n1,2\n', Dialect(), "UNCLOSED_QUOTE", "people.csv:1"),
        (b'a,b\n5" x,1\n1,"\n', Dialect(), "UNCLOSED_QUOTE", "people.csv:3"),
        (b"a,b\nx,1\nab\xff,2\n", Dialect(), "BAD_ENCODING", "people.csv:3: byte 10 (0xff)"),
        (b"a,b\nx,1\nab\xff\n", Dialect(), "BAD_ENCODING", "people.csv:3: byte 10 (0xff)"),
        (b"a\xff,b\nx,1\n", Dialect(), "BAD_ENCODING", "people.csv:1: byte 1 (0xff)"),
        ("a,b\nx,1\n".encode("utf-16")[:-1], Dialect(), "BAD_ENCODING", "people.csv:2"),
        (b"a,b\n\x81,1\n", Dialect(encoding="cp1252"), "BAD_ENCODING", "people.csv:2: byte 4 (0x81)"),
        (b"a,b\n", Dialect(encoding="nonsense"), "UNKNOWN_ENCODING", "nonsense"),
        (b"a,b\n", Dialect(encoding="base64"), "UNKNOWN_ENCODING", "base64"),
    ],
)
def test_what_cannot_be_read_is_an_error_with_its_place(data, dialect, code, words):
    with pytest.raises(DativoError) as caught:
        read(data, dialect)
    assert caught.value.error_code == code
    assert words in caught.value.message


def test_a_record_without_end_is_bounded():
    with pytest.raises(DativoError) as caught:
        read('a,b\n1,"' + "x\n" * 5000, max_record_bytes=1000)
    assert caught.value.error_code == "RECORD_TOO_LONG"
    assert "people.csv:2" in caught.value.message


def test_a_consumer_may_stop_early():
    batches = read_csv(io.BytesIO(b"a,b\n" + b"1,2\n" * 10_000), NAME, Dialect(), block_bytes=64)
    next(batches)
    batches.close()


UNWRITABLE = "" if sys.version_info >= (3, 11) else "\0"  # by the csv module of Python 3.10
fields = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=UNWRITABLE), max_size=6) | st.text(
    '",;\n\r\\ a', max_size=6
)

# With any other line end, Python's writer leaves a \r of the text unquoted, and who reads it sees two records.
ENDINGS = [(csv.QUOTE_MINIMAL, "\r\n"), (csv.QUOTE_ALL, "\n"), (csv.QUOTE_ALL, "\r\n"), (csv.QUOTE_ALL, "\r")]


@st.composite
def tables(draw):
    width = draw(st.integers(2, 4))
    return draw(st.lists(st.lists(fields, min_size=width, max_size=width), min_size=1, max_size=12))


@given(
    tables(),
    st.sampled_from(",;\t|"),
    st.sampled_from(['"', "'"]),
    st.sampled_from(ENDINGS),
    st.sampled_from([8, 64, 1 << 20]),
)
def test_what_pythons_writer_wrote_comes_back(table, delimiter, quote, style, block_bytes):
    quoting, ending = style
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, quotechar=quote, lineterminator=ending, quoting=quoting)
    writer.writerows(table)
    names = tuple(f"c{n}" for n in range(len(table[0])))
    dialect = Dialect(delimiter=delimiter, quote=quote, header=False, columns=names, null_values=())
    found = read(out.getvalue(), dialect, block_bytes=block_bytes)
    assert corrupt(found) == []
    assert rows(found) == [tuple(row) for row in table]


@given(
    tables(),
    st.sampled_from([*ENDINGS, (csv.QUOTE_NONE, "\r\n")]),
    st.sampled_from([8, 1 << 20]),
)
def test_what_pythons_writer_escaped_comes_back(table, style, block_bytes):
    quoting, ending = style
    out = io.StringIO()
    writer = csv.writer(out, escapechar="\\", doublequote=False, lineterminator=ending, quoting=quoting)
    writer.writerows(table)
    names = tuple(f"c{n}" for n in range(len(table[0])))
    dialect = Dialect(
        escape="\\",
        doubled=False,
        quote=None if quoting == csv.QUOTE_NONE else '"',
        header=False,
        columns=names,
        null_values=(),
    )
    assert rows(read(out.getvalue(), dialect, block_bytes=block_bytes)) == [tuple(row) for row in table]


@given(st.text('",\n\r a1', max_size=60), st.sampled_from([4, 16, 1 << 20]))
def test_blocks_do_not_change_what_is_read(text, block_bytes):
    def outcome(size):
        try:
            found = read(text, Dialect(header=False, columns=("a", "b")), block_bytes=size)
        except DativoError as error:
            return error.error_code
        return rows(found), corrupt(found)

    assert outcome(block_bytes) == outcome(1 << 20)


@given(st.text('",\n a1', max_size=60))
def test_records_in_are_rows_out_and_corrupt_ones(text):
    dialect = Dialect(header=False, columns=("a", "b"))
    try:
        found = read(text, dialect, block_bytes=8)
    except DativoError as error:
        assert error.error_code == "UNCLOSED_QUOTE"
        return
    expected = [r for r in csv.reader(io.StringIO(text, newline="")) if r]
    assert len(rows(found)) + len(corrupt(found)) == len(expected)
    assert rows(found) == [tuple(v or None for v in r) for r in expected if len(r) == 2] or '""' in text


@given(st.binary(max_size=80))
def test_any_bytes_are_batches_or_an_error_of_ours(data):
    hint = pa.schema({"a": pa.int64(), "b": pa.float64()})
    try:
        read(data, Dialect(header=False, columns=("a", "b")), hint, block_bytes=8)
    except DativoError as error:
        assert NAME in error.message
