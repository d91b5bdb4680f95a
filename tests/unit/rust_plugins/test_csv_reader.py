"""The CSV reader in Rust means what the built-in one means: the same rows, the same rejects, the same errors."""

import contextlib
import gzip
import json
import os
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dativo_dagster.config.contract import Contract, Field
from dativo_dagster.config.job import Incremental, SourceContext, Validation
from dativo_dagster.config.types import parse_type
from dativo_dagster.connectors.files import Config, Reader
from dativo_dagster.validation.compile import compile_contract
from dativo_dagster.validation.enforce import Enforcer
from dativo_ingest.exceptions import DativoError
from dativo_ingest.model import Column, Stream
from dativo_ingest.native import load_library
from tests.native import native_library
from tests.waiting import until

pytestmark = pytest.mark.rust

TYPES = {
    "i8": "int8",
    "i64": "int64",
    "u16": "uint16",
    "d": "decimal(9,2)",
    "wide": "decimal(38,10)",
    "f": "double",
    "f32": "float32",
    "b": "boolean",
    "day": "date",
    "t": "timestamp",
    "ms": "timestamp[ms]",
    "z": "timestamptz",
    "ns": "timestamp[ns]",
    "s": "string",
    "u": "uuid",
    "bin": "binary",
    "j": "json",
    "clock": "time",
}


@pytest.fixture(scope="module")
def library():
    return load_library(native_library("csv_reader"))


@pytest.fixture(autouse=True)
def _nowhere(tmp_path_factory, monkeypatch):
    """Relative paths start at the working directory: let nothing be there."""
    monkeypatch.chdir(tmp_path_factory.mktemp("nowhere"))


def contract(types):
    return Contract(name="c", fields=tuple(Field(name=n, type=parse_type(t)) for n, t in types.items()))


def stream(types):
    return Stream(name="c", columns=tuple(Column(name=n, type=str(parse_type(t))) for n, t in types.items()))


def built_in(folder, options, types=TYPES, incremental=None):
    context = SourceContext(base=folder, contract=contract(types), incremental=incremental)
    return Reader(Config.model_validate(options), context)


def config(folder, options, types=TYPES):
    common = {"tenant": "t", "job": "j", "base": str(folder), "object_store": {}}
    return {"source": {"type": "custom", **options}, "stream": stream(types).to_json(), **common}


def native(library, folder, options, types=TYPES):
    return library.reader("create_reader", config(folder, options, types))


def batches(reader, types=TYPES):
    for unit in reader.split(stream(types), None).units:
        yield from reader.read(stream(types), unit)


def judged(reader, types=TYPES):
    """Give the rows that validation finds good, and the facts about all others; or the code of the error."""
    enforcer = Enforcer(compile_contract(contract(types), Validation(mode="quarantine")), run_id="r")
    good, bad, corrupt, row = [], [], [], 1
    try:
        for batch in batches(reader, types):
            verdict = enforcer.check(batch, source="c", first_row=row)
            row += batch.num_rows
            good += [repr(r) for r in verdict.good.to_pylist()]
            for r in verdict.rejected.to_pylist() if verdict.rejected else ():
                if r["line"] is not None:
                    corrupt.append((r["record"], r["reason"], r["line"], r["offset"]))
                else:
                    raw = json.loads(r["record"])
                    bad.append([(v["rule"], raw[v["column"]]) for v in r["violations"]])
    except DativoError as error:
        return error.error_code
    return good, bad, corrupt


def same(library, folder, data, types=TYPES, *, block_bytes=1, threads=2, **options):
    """Read with both; give what the built-in reader made of it."""
    path = folder / f"c.{options.pop('suffix', 'csv')}"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    options = {"files": [str(path)], **options}
    expected = judged(built_in(folder, options, types), types)
    ours = {**options, "block_bytes": block_bytes, "threads": threads}
    with native(library, folder, ours, types) as reader:
        assert judged(reader, types) == expected
    return expected


NUMBERS = (  # noqa: SIM905 - one text a line would fill pages
    "0 -0 1 -1 +1 007 127 128 -128 -129 255 65535 65536 9223372036854775807 9223372036854775808 -9223372036854775808 "
    "18446744073709551615 1.0 1. .5 -.5 1.50 1.005 -1.25 9999999.99 10000000.00 1e3 1E-2 1e400 1e-400 5e-324 0x1F nan "
    "inf -inf 1_000 1,5 0.1 123456.789 3.4028236e38 12345678901234567890123456789.0123456789 000000000000000001 "
    "0000000000000000000000000000000000000000000001"
).split()
MOMENTS = (  # noqa: SIM905 - as above
    "2024-02-29|2023-02-29|0000-01-01|0001-01-01|9999-12-31|2024-1-1|20240101|2024-02-29 10:11|2024-02-29T10:11:12|"
    "2024-02-29 10|2024-02-29 24:00:00|2024-02-29 10:11:60|2024-02-29 10:11:12.5|2024-02-29 10:11:12.123456|"
    "2024-02-29 10:11:12.1234567|2024-02-29 10:11:12.100000000|2024-02-29 10:11:12Z|2024-02-29T10:11:12+02:00|"
    "2024-02-29T10:11:12-0530|2024-02-29T10:11:12+02|2024-02-29T10:11Z|2024-02-29 10:11:12 UTC|2024-02-29 00:00:00|"
    "2024-02-29T10:11:12.5+14:00|2024-02-29T10:11:12+24:00|2024-02-29T10:11:12+23:59|0001-01-01T00:00:00+01:00|1678-01-01|"
    "2261-12-31 23:59:59.999999999|2024-02-29Z|2024-02-29T|10:11:12|24:00:00|0001-01-01T00:00:00-01:00"
).split("|")
WORDS = [
    "true", "False", "TRUE", "yes", "OFF", "1", "0", "t", "", " ", "ÄÖ", "日本", "null", '{"a": 1}', "YQ==", "Y",
    "x" * 40, "00000000-0000-0000-0000-00000000000a",
]  # fmt: skip
CHAOS = st.text('",;\n\r\\ a1é', max_size=6)
EDGES = ["1677-12-31", "2262-01-01"]  # nanoseconds that Arrow holds and validation does not take
VALUE = st.sampled_from([*NUMBERS, *MOMENTS, *WORDS, *(f" {v}" for v in NUMBERS), *(f"{v} " for v in MOMENTS)])
FIELD = st.one_of(
    VALUE, VALUE.map(lambda v: '"' + v.replace('"', '""') + '"'), CHAOS.map(lambda v: '"' + v.replace('"', '""') + '"')
)
ENDING = st.sampled_from(["\n", "\n", "\r\n", "\r"])


@st.composite
def files(draw, chaos=FIELD):
    names = draw(st.lists(st.sampled_from(list(TYPES)), min_size=1, max_size=4, unique=True))
    records = draw(st.lists(st.lists(chaos, min_size=len(names), max_size=len(names)), max_size=8))
    lines = [names, *records]
    for extra in draw(st.lists(st.tuples(st.integers(1, 9), st.lists(chaos, max_size=6)), max_size=2)):
        lines.insert(*extra)
    return "".join(",".join(fields) + draw(ENDING) for fields in lines)


SLOWLY = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    max_examples=int(os.environ.get("EXAMPLES", "50")),
)


@SLOWLY
@given(text=files(), block_bytes=st.integers(1, 200))
def test_the_same_rows_and_the_same_rejects_from_tidy_files(library, tmp_path, text, block_bytes):
    same(library, tmp_path, text, block_bytes=block_bytes)


@SLOWLY
@given(text=files(FIELD | CHAOS), block_bytes=st.integers(1, 200), cut=st.booleans())
def test_the_same_rows_or_the_same_error_from_wild_files(library, tmp_path, text, block_bytes, cut):
    same(library, tmp_path, text[:-1] if cut else text, block_bytes=block_bytes)


@SLOWLY
@given(text=st.text('",\n\r\\a1', max_size=80), block_bytes=st.integers(1, 30), options=st.sampled_from([
    {},
    {"quote_char": None},
    {"escape_char": "\\"},
    {"escape_char": "\\", "double_quote": False},
    {"escape_char": "\\", "quote_char": None},
    {"double_quote": False},
    {"null_values": ["", "1", "a1"]},
    {"null_values": []},
    {"header": False, "columns": ["s"]},
    {"header": False, "columns": ["i8", "s"]},
    {"skip_rows": 2, "header": False, "columns": ["i8", "s", "d"]},
    {"delimiter": "1"},
]))  # fmt: skip
def test_the_same_from_any_text_in_any_dialect(library, tmp_path, text, block_bytes, options):
    same(
        library,
        tmp_path,
        ("" if options.get("header") is False else "s,i8\n") + text,
        block_bytes=block_bytes,
        **options,
    )


@SLOWLY
@given(data=st.binary(max_size=60), block_bytes=st.integers(1, 30))
@example(data=b'"\xc3"\x84,1\n', block_bytes=1)
def test_bytes_that_are_no_text_are_an_error_of_both(library, tmp_path, data, block_bytes):
    same(library, tmp_path, b"s,i8\n" + data, block_bytes=block_bytes)


@pytest.mark.parametrize("kind", TYPES)
def test_each_text_means_the_same_in_each_type(library, tmp_path, kind):
    texts = [w for v in (*NUMBERS, *MOMENTS, *WORDS, *EDGES) for w in (v, f" {v}", f"{v} ")]
    written = ['"' + t.replace('"', '""') + '"' for t in texts] + [t for t in texts if not {",", '"'} & set(t)]
    good, bad, _ = same(library, tmp_path, f"{kind},other\n" + "".join(f"{t},x\n" for t in written))
    assert len(good) + len(bad) == len(written)


def windows(library, folder, options, since=None, incremental=None):
    """Give the window of the built-in reader and that of the native one."""
    ours = {**options, **({"incremental": {"strategy": incremental.strategy}} if incremental else {})}
    with native(library, folder, ours) as reader:
        return built_in(folder, options, incremental=incremental).split(stream(TYPES), since), reader.split(
            stream(TYPES), since
        )


def test_both_readers_share_units_fingerprints_and_cursors(library, tmp_path):
    for name, modified in (("b.csv", 1_700_000_000.123_456_7), ("a.csv", 1_700_000_000), ("x/c.csv", 1.5)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("s\nx\n")
        os.utime(tmp_path / name, (modified, modified))
    by_time = Incremental(strategy="file_modified_time")
    options = {"files": ["**/*.csv", {"path": "a.csv", "id": "first"}]}
    for incremental in (None, by_time):
        theirs, ours = windows(library, tmp_path, options, None, incremental)
        assert ours == theirs
        assert len(ours.units) == 3
    (tmp_path / "a.csv").write_text("s\nxy\n")
    theirs, ours = windows(library, tmp_path, options, ours.after, by_time)
    assert ours == theirs
    assert ([u.id for u in ours.units], ours.skipped) == (["first"], 2)


def test_an_archive_is_unpacked_and_a_broken_one_is_an_error(library, tmp_path):
    text = b"s,i8\n" + b"x,1\n" * 1000
    packed = gzip.compress(text[:1001]) + gzip.compress(text[1001:])
    assert len(same(library, tmp_path, packed, suffix="csv.gz")[0]) == 1000
    assert len(same(library, tmp_path, packed + b"\0" * 600, suffix="csv.gz")[0]) == 1000
    assert same(library, tmp_path, packed[:-9], suffix="csv.gz") == "BROKEN_ARCHIVE"
    assert same(library, tmp_path, packed + b"more", suffix="csv.gz") == "BROKEN_ARCHIVE"
    assert same(library, tmp_path, b"", suffix="csv.gz") == "BROKEN_ARCHIVE"
    assert same(library, tmp_path, text, suffix="csv.gz") == "BROKEN_ARCHIVE"
    frames = pa.compress(text[:1001], "zstd", asbytes=True) + pa.compress(text[1001:], "zstd", asbytes=True)
    assert len(same(library, tmp_path, frames, suffix="csv.zst")[0]) == 1000
    assert same(library, tmp_path, frames[:-3], suffix="csv.zst") == "BROKEN_ARCHIVE"
    assert same(library, tmp_path, b"", suffix="csv.zst") == "BROKEN_ARCHIVE"


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("", {}),
        ("\n\r\n", {}),
        ("s,s\n1,2\n", {}),
        ('s,"i8\n1,2\n', {}),
        ("s", {}),
        ("s\r", {}),
        ("\ufeffs,i8\nx,1\nonly\n", {}),
        ('"s","i""8"\n1,2\n', {}),
        (",,\n1,2,3\n", {}),
        ("x\n\ns,i8\n1,2\n", {"skip_rows": 2}),
        ("x", {"skip_rows": 2}),
        ("x\r", {"skip_rows": 1, "header": False}),
        ("1,2\n", {"header": False}),
        ("s\ti8\nx\t1\n", {"delimiter": "tab"}),
        ('s,i8\n"' + "x\n" * 50_000 + '",1\n', {}),
    ],
)
def test_heads_and_long_records_mean_the_same(library, tmp_path, text, options):
    same(library, tmp_path, text, block_bytes=7, **options)


def test_another_encoding_than_utf_8_is_refused(library, tmp_path):
    def refused(text, **said):
        (tmp_path / "c.csv").write_bytes(text)
        with (
            pytest.raises(DativoError, match="utf-8") as caught,
            native(library, tmp_path, {"files": [str(tmp_path / "c.csv")], **said}) as reader,
        ):
            list(batches(reader))
        return caught.value.error_code

    assert refused("s\nä\n".encode("utf-16")) == "ENCODING_NOT_SUPPORTED"
    assert refused("s\nä\n".encode("latin-1"), encoding="latin-1") == "ENCODING_NOT_SUPPORTED"
    assert refused("s\nä\n".encode("latin-1")) == "BAD_ENCODING"


@pytest.mark.parametrize(
    "options",
    [
        {"delimiter": ";;"},
        {"quote_char": "ü"},
        {"delimiter": "\n"},
        {"delimiter": '"'},
        {"skip_rows": -1},
        {"delimeter": ";"},
        {"files": []},
        {"format": "parquet"},
        {"compression": "lz4"},
    ],
)
def test_options_that_cannot_be_are_refused(library, tmp_path, options):
    with pytest.raises(DativoError) as caught, native(library, tmp_path, {"files": ["c.csv"], **options}):
        pass
    assert caught.value.error_code == "CONFIGURATION_ERROR"


def test_the_dialect_of_a_recipe_is_taken_from_its_engine(library, tmp_path):
    engine = {"type": "native", "options": {"chunk_size": 1, "native": {"delimiter": ";", "quote_char": "'"}}}
    good, _, _ = same(library, tmp_path, "i8;s\n1;'x;y'\n", engine=engine)
    assert len(good) == 1


def test_batches_are_cut_to_the_asked_number_of_rows(library, tmp_path):
    (tmp_path / "a.csv").write_text("s\n" + "x\n" * 10)
    with native(library, tmp_path, {"files": ["a.csv"], "chunk_size": 4}) as reader:
        assert [b.num_rows for b in batches(reader)] == [4, 4, 2]


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_file_says_how_much_of_it_was_read_in_the_bytes_that_it_has_on_disk(library, tmp_path, pack):
    name = "a.csv.gz" if pack is gzip.compress else "a.csv"
    (tmp_path / name).write_bytes(pack(("s\n" + "".join(f"{os.urandom(8).hex()}\n" for _ in range(500_000))).encode()))
    with native(library, tmp_path, {"files": [name], "block_bytes": 100_000}) as reader:
        (unit,) = reader.split(stream(TYPES), None).units
        positions = [reader.position(unit) for _ in reader.read(stream(TYPES), unit)]
        assert 0 < positions[0] < unit.bytes
        assert positions == sorted(positions)
        assert positions[-1] == unit.bytes


def test_a_file_that_changes_after_it_was_planned_is_a_passing_error(library, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("s\n" + "x\n" * 1000)
    with native(library, tmp_path, {"files": ["a.csv"], "block_bytes": 10}) as reader:
        (unit,) = reader.split(stream(TYPES), None).units
        during = reader.read(stream(TYPES), unit)
        next(during)
        path.write_text("s\ny\n")
        for found in (during, reader.read(stream(TYPES), unit)):
            with pytest.raises(DativoError, match=r"a\.csv") as caught:
                list(found)
            assert (caught.value.error_code, caught.value.retryable) == ("FILE_CHANGED", True)


def test_a_missing_file_says_where_it_was_looked_for(library, tmp_path):
    with native(library, tmp_path, {"files": ["none/*.csv"]}) as reader:
        with pytest.raises(DativoError, match="no file matches") as caught:
            reader.split(stream(TYPES), None)
        assert caught.value.error_code == "FILE_NOT_FOUND"
        assert not reader.check().passed
    with native(library, tmp_path, {"files": ["none/*.csv"], "allow_empty": True}) as reader:
        assert reader.split(stream(TYPES), None).units == ()
        assert reader.check().passed


def test_discovery_names_the_columns_of_each_object(library, tmp_path):
    (tmp_path / "p.csv").write_text("a,b\n1,2\n")
    (tmp_path / "q.csv").write_text("c\n1\n")
    with native(library, tmp_path, {"files": ["p.csv", {"path": "q.csv", "object": "queues"}]}) as reader:
        found = {s.name: [c.name for c in s.columns] for s in reader.discover()}
    assert found == {"p": ["a", "b"], "queues": ["c"]}


def test_who_stops_early_leaves_no_thread(library, tmp_path):
    (tmp_path / "a.csv").write_text("s\n" + "x\n" * 100_000)
    with native(library, tmp_path, {"files": ["a.csv"], "block_bytes": 100, "threads": 4}) as reader:
        found = batches(reader)
        next(found)
        assert threads() >= 1
        found.close()
        until(lambda: threads() == 0, 30)  # one that was joined may be seen for a moment more


def threads():
    names = []
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # it ended meanwhile
            names.append((task / "comm").read_text().strip())
    return names.count("csv")


def test_memory_does_not_grow_with_the_file(library, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("i64,s,d\n" + f"1234567,{'x' * 50},12.50\n" * 3_000_000)
    with native(library, tmp_path, {"files": [str(path)]}) as reader:
        before, rows, peak = resident(), 0, 0
        for batch in batches(reader):
            rows += batch.num_rows
            peak = max(peak, resident())
    assert rows == 3_000_000
    assert peak - before < 100 * 2**20 < path.stat().st_size


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
