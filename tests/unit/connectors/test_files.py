"""Files as a source: the same folder gives the same units, and what changed is told or refused."""

import gzip
import json
import os
from datetime import datetime, timezone

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError as Refused

from dativo_dagster.config.contract import Contract, Field
from dativo_dagster.config.job import Incremental, SourceContext
from dativo_dagster.config.types import parse_type
from dativo_dagster.connectors.files import Config, Reader
from dativo_dagster.validation.convert import convert
from dativo_ingest.exceptions import ConfigurationError, DativoError, TransientError
from dativo_ingest.model import Cursor, Stream, Unit, Window
from dativo_ingest.protocols import Reader as ReaderProtocol

PEOPLE = Stream(name="people")
BY_TIME = Incremental(strategy="file_modified_time")


@pytest.fixture(autouse=True)
def _nowhere(tmp_path_factory, monkeypatch):
    """Relative paths start at the working directory: let nothing be there."""
    monkeypatch.chdir(tmp_path_factory.mktemp("nowhere"))


def contract(**fields):
    return Contract(name="people", fields=tuple(Field(name=n, type=parse_type(t)) for n, t in fields.items()))


def reader(folder, files, incremental=None, fields=None, **options):
    context = SourceContext(
        base=folder, contract=contract(**(fields or {"id": "int64", "name": "string"})), incremental=incremental
    )
    return Reader(Config.model_validate({"files": files, **options}), context)


def write(path, text, modified=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    if modified is not None:
        os.utime(path, (modified, modified))


def rows(source, stream=PEOPLE, window=None):
    window = window or source.split(stream, None)
    return [r for u in window.units for b in source.read(stream, u) for r in b.to_pylist()]


def ids(window):
    return [u.id for u in window.units]


def test_it_is_a_reader():
    assert isinstance(reader(None, ["x.csv"]), ReaderProtocol)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_file_says_how_much_of_it_was_read_in_the_bytes_that_it_has_on_disk(tmp_path, pack):
    name = "people.csv.gz" if pack is gzip.compress else "people.csv"
    lines = "".join(f"{n},{os.urandom(8).hex()}\n" for n in range(500_000))
    write(tmp_path / name, pack(("id,name\n" + lines).encode()))
    source = reader(tmp_path, [name])
    (unit,) = source.split(PEOPLE, None).units
    assert source.position(unit) == 0
    positions = [source.position(unit) for _ in source.read(PEOPLE, unit)]
    assert 0 < positions[0] < unit.bytes, "known while the file is read"
    assert positions == sorted(positions)
    assert positions[-1] == source.position(unit) == unit.bytes


def test_every_format_gives_the_same_rows(tmp_path):
    expected = [{"id": 1, "name": "Zoë"}, {"id": 2, "name": None}]
    text = "id,name\n1,Zoë\n2,\n"
    lines = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in expected)
    write(tmp_path / "a.csv", text)
    write(tmp_path / "b.csv.gz", gzip.compress(text.encode()))
    write(tmp_path / "c.tsv", text.replace(",", "\t"))
    write(tmp_path / "d.jsonl", lines)
    write(tmp_path / "e.json.zst", pa.compress(lines.encode(), "zstd", asbytes=True))
    write(tmp_path / "f.json", json.dumps(expected))
    pq.write_table(pa.Table.from_pylist(expected), tmp_path / "g.parquet")
    for name in sorted(p.name for p in tmp_path.iterdir()):
        found = rows(reader(tmp_path, [name]))
        assert [{"id": int(r["id"]), "name": r["name"]} for r in found] == expected, name


def test_a_glob_gives_a_unit_a_file_in_order(tmp_path):
    for name in ("b.csv", "a.csv", "deep/c.csv"):
        write(tmp_path / name, "id,name\n1,x\n")
    window = reader(tmp_path, ["**/*.csv"]).split(PEOPLE, None)
    assert ids(window) == ["a.csv", "b.csv", "deep/c.csv"]
    assert [u.bytes for u in window.units] == [12, 12, 12]
    assert Window.loads(window.dumps()) == window


def test_a_file_that_two_lines_name_is_read_once(tmp_path):
    write(tmp_path / "a.csv", "id,name\n1,x\n")
    assert ids(reader(tmp_path, ["a.csv", "*.csv"]).split(PEOPLE, None)) == ["a.csv"]


def test_paths_start_at_the_working_directory_or_else_at_the_job(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    write(tmp_path / "job" / "a.csv", "id,name\n1,job\n")
    source = reader(tmp_path / "job", ["a.csv"])
    assert rows(source) == [{"id": 1, "name": "job"}]
    write(tmp_path / "here" / "a.csv", "id,name\n1,here\n")
    assert rows(source) == [{"id": 1, "name": "here"}]
    assert rows(reader(tmp_path, [str(tmp_path / "job" / "a.csv")])) == [{"id": 1, "name": "job"}]
    assert rows(reader(tmp_path, [f"file://{tmp_path}/job/a.csv"])) == [{"id": 1, "name": "job"}]


@pytest.mark.parametrize("files", [["no.csv"], ["no*.csv"]])
def test_a_missing_file_and_a_glob_that_matches_nothing_are_errors(tmp_path, files):
    with pytest.raises(ConfigurationError, match=r"no\*?\.csv") as caught:
        reader(tmp_path, files).split(PEOPLE, None)
    assert caught.value.error_code == "FILE_NOT_FOUND"
    result = reader(tmp_path, files).check()
    assert (result.passed, result.code) == (False, "FILE_NOT_FOUND")


def test_a_glob_may_be_allowed_to_match_nothing_and_a_name_never(tmp_path):
    assert reader(tmp_path, ["no*.csv"], allow_empty=True).split(PEOPLE, None).units == ()
    with pytest.raises(ConfigurationError):
        reader(tmp_path, ["no.csv"], allow_empty=True).split(PEOPLE, None)


def test_the_check_says_what_is_there(tmp_path):
    write(tmp_path / "a.csv", "id,name\n")
    result = reader(tmp_path, ["*.csv"]).check()
    assert result.passed
    assert result.details == {"files": 1, "bytes": 8}


def test_unchanged_files_have_the_same_fingerprint_and_changed_ones_another(tmp_path):
    write(tmp_path / "a.csv", "id,name\n1,x\n", modified=1000)
    source = reader(tmp_path, ["a.csv"])
    first = source.split(PEOPLE, None)
    write(tmp_path / "a.csv", "id,name\n1,x\n", modified=1000)
    assert source.split(PEOPLE, None).fingerprint == first.fingerprint
    write(tmp_path / "a.csv", "id,name\n1,y\n", modified=1001)
    assert source.split(PEOPLE, None).fingerprint != first.fingerprint


def test_an_incremental_run_reads_what_is_new_or_changed(tmp_path):
    for name in "abc":
        write(tmp_path / f"{name}.csv", "id,name\n1,x\n", modified=1000)
    source = reader(tmp_path, ["*.csv"], BY_TIME)
    first = source.split(PEOPLE, None)
    assert source.split(PEOPLE, first.after).units == ()
    assert source.split(PEOPLE, first.after).skipped == 3
    write(tmp_path / "b.csv", "id,name\n1,x\n2,y\n", modified=1000)
    write(tmp_path / "d.csv", "id,name\n1,x\n", modified=900)
    second = source.split(PEOPLE, first.after)
    assert (ids(second), second.skipped, second.before) == (["b.csv", "d.csv"], 2, first.after)
    assert source.split(PEOPLE, second.after).units == ()
    stamp = datetime.fromtimestamp(900, timezone.utc).isoformat()
    assert second.after.value["files"]["d.csv"] == {"last_modified": stamp, "size": 12}


def test_a_job_that_is_not_incremental_reads_everything_whatever_the_cursor(tmp_path):
    write(tmp_path / "a.csv", "id,name\n1,x\n")
    source = reader(tmp_path, ["*.csv"])
    cursor = source.split(PEOPLE, None).after
    window = source.split(PEOPLE, cursor)
    assert (ids(window), window.before) == (["a.csv"], None)


def test_an_id_of_the_job_is_how_the_cursor_knows_a_file(tmp_path):
    write(tmp_path / "a.csv", "id,name\n1,x\n")
    window = reader(tmp_path, [{"path": "a.csv", "id": "f1"}], BY_TIME).split(PEOPLE, None)
    assert list(window.after.value["files"]) == ids(window) == ["f1"]


def test_one_id_for_two_files_is_refused(tmp_path):
    write(tmp_path / "a.csv", "id,name\n")
    write(tmp_path / "b.csv", "id,name\n")
    files = [{"path": "a.csv", "id": "f"}, {"path": "b.csv", "id": "f"}]
    with pytest.raises(ConfigurationError) as caught:
        reader(tmp_path, files).split(PEOPLE, None)
    assert caught.value.error_code == "DUPLICATE_FILE_ID"


def test_files_of_another_object_belong_to_another_stream(tmp_path):
    write(tmp_path / "p.csv", "id,name\n1,p\n")
    write(tmp_path / "q.csv", "id,name\n1,q\n")
    source = reader(tmp_path, [{"path": "p.csv", "object": "people"}, {"file": "q.csv", "object": "queues"}])
    assert ids(source.split(PEOPLE, None)) == ["p.csv"]
    assert ids(source.split(Stream(name="queues"), None)) == ["q.csv"]
    assert [s.name for s in source.discover()] == ["people", "queues"]


def test_a_file_that_changes_after_it_was_planned_is_a_passing_error(tmp_path):
    write(tmp_path / "a.csv", "id,name\n1,x\n")
    source = reader(tmp_path, ["a.csv"])
    (unit,) = source.split(PEOPLE, None).units
    during = source.read(PEOPLE, unit)
    next(during)
    write(tmp_path / "a.csv", "id,name\n1,x\n2,y\n")
    for batches in (during, source.read(PEOPLE, unit)):
        with pytest.raises(TransientError, match=r"a\.csv") as caught:
            list(batches)
        assert caught.value.error_code == "FILE_CHANGED"


def test_discovery_tells_columns_from_a_sample(tmp_path):
    write(tmp_path / "people.csv", "id,zip,born,paid,ok\n1,00501,2001-02-03,1.50,true\n" * 1)
    (stream,) = reader(tmp_path, ["*.csv"]).discover()
    assert stream.name == "people"
    assert {c.name: c.type for c in stream.columns} == {
        "id": "int64",
        "zip": "string",
        "born": "date",
        "paid": "decimal(9,2)",
        "ok": "boolean",
    }


def test_discovery_of_parquet_gives_its_types(tmp_path):
    table = pa.table({"a": pa.array([1], pa.int32()), "t": pa.array([0], pa.timestamp("ms", "UTC"))})
    pq.write_table(table, tmp_path / "x.parquet")
    (stream,) = reader(tmp_path, ["x.parquet"]).discover()
    assert {c.name: c.type for c in stream.columns} == {"a": "int32", "t": "timestamptz[ms]"}


def test_batches_are_cut_to_the_asked_number_of_rows(tmp_path):
    write(tmp_path / "a.csv", "id,name\n" + "1,x\n" * 10)
    source = reader(tmp_path, ["a.csv"], chunk_size=4)
    (unit,) = source.split(PEOPLE, None).units
    assert [b.num_rows for b in source.read(PEOPLE, unit)] == [4, 4, 2]


def test_a_name_that_tells_no_format_needs_the_option(tmp_path):
    write(tmp_path / "people.dat", "id,name\n1,x\n")
    with pytest.raises(ConfigurationError) as caught:
        rows(reader(tmp_path, ["people.dat"]))
    assert caught.value.error_code == "UNKNOWN_FORMAT"
    assert rows(reader(tmp_path, ["people.dat"], format="csv")) == [{"id": 1, "name": "x"}]


def test_the_dialect_of_a_recipe_is_taken_from_its_engine(tmp_path):
    write(tmp_path / "a.csv", "id;name\n1;'x;y'\n".encode("latin-1"))
    engine = {"type": "native", "options": {"chunk_size": 1, "native": {"delimiter": ";", "quote_char": "'"}}}
    assert rows(reader(tmp_path, ["a.csv"], engine=engine)) == [{"id": 1, "name": "x;y"}]


def test_a_message_names_file_and_line(tmp_path):
    write(tmp_path / "people.csv", 'id,name\n1,x\n2,"y\n')
    with pytest.raises(DativoError, match=r"people\.csv:3"):
        rows(reader(tmp_path, ["people.csv"]))


@pytest.mark.parametrize(
    "options",
    [{"delimiter": ";;"}, {"quote_char": "ü"}, {"delimiter": "\n"}, {"skip_rows": -1}, {"nonsense": 1}, {"files": []}],
)
def test_options_that_cannot_be_are_refused(options):
    with pytest.raises(Refused):
        Config.model_validate({"files": ["a.csv"], **options})


def test_a_unit_is_all_that_reading_needs(tmp_path):
    write(tmp_path / "a.csv", "id,name\n1,x\n")
    (unit,) = reader(tmp_path, ["a.csv"]).split(PEOPLE, None).units
    elsewhere = reader(tmp_path / "other", ["*.nothing"])
    assert [b.num_rows for b in elsewhere.read(PEOPLE, Unit.loads(unit.dumps()))] == [1]


def test_a_cursor_of_a_job_survives_json(tmp_path):
    write(tmp_path / "a.csv", "id,name\n1,x\n")
    source = reader(tmp_path, ["a.csv"], BY_TIME)
    after = Cursor.loads(source.split(PEOPLE, None).after.dumps())
    assert source.split(PEOPLE, after).units == ()


TEXTS = {
    "int64": ["1", " 1 ", "+1", "-0", "007", "0x1F", "1e3", "1.0", "9" * 19, "x", "\u0661", "1\xa0"],
    "uint8": ["255", "256", "-1", "0X1"],
    "double": ["1", " 1.5 ", "+1", ".5", "5.", "1e400", "1e-400", "inf", "-Infinity", "nan", "NaN", "1_0", "0x10"],
    "float32": ["0.1", "16777217", "1e39"],
    "decimal(5,2)": ["1.5", " 1 ", "+1", ".5", "5.", "1e2", "1e-3", "1.500", "1.005", "1000", "99999", "nan", "0" * 60],
    "boolean": ["true", "TRUE", "True", "1", "0", "yes", "off", " true", "tRuE", "2"],
    "date": ["2024-02-29", " 2024-02-29 ", "2024-02-30", "2024-2-9", "20240229", "0000-01-01", "2024-02-29T00:00:00"],
    "timestamp": ["2024-02-29", "2024-02-29 10", "2024-02-29T10:11", "2024-02-29 10:11:12.1234567", "0000-01-01 00:00"],
    "timestamp[s]": ["2024-02-29 10:11:12.0", "2024-02-29 10:11:12.5", " 2024-02-29 10:11:12"],
    "timestamptz": [
        "2024-02-29T10:11:12Z",
        "2024-02-29T10:11:12+02:00",
        "2024-02-29T10:11:12",
        "2024-02-29T10:11:12 UTC",
    ],
    "time": ["10:11", "10:11:12.5", "24:00:00", " 10:11:12"],
    "uuid": ["123e4567-e89b-12d3-a456-426614174000", "x"],
    "json": ["{}", "{", "1"],
    "binary": ["AAAA", "?"],
}


@pytest.mark.parametrize("kind", TEXTS)
def test_a_value_fares_the_same_beside_any_neighbour(tmp_path, kind):
    """A block is typed when all of it fits the type and text when one value does not: that must not show."""

    def judged(name, texts):
        write(tmp_path / name, "id,name\n" + "".join(f"{t},\n" for t in texts))
        source = reader(tmp_path, [name], fields={"id": kind})
        (unit,) = source.split(PEOPLE, None).units
        found = [convert(b.column("id"), parse_type(kind)) for b in source.read(PEOPLE, unit)]
        return [(str(v), not v.is_valid) for f in found for v in f.values]

    together = judged("together.csv", [*TEXTS[kind], "surely none of these"])
    assert [judged(f"{n}.csv", [text])[0] for n, text in enumerate(TEXTS[kind])] == together[:-1]


LITERALS = {
    "int64": ["1", "-0", "1.0", "1e3", "9" * 19, '"1"', '" 1"', '"0x1F"', "true"],
    "double": ["1", "1e-400", "1e400", "12345678901234567890", '"1.5"', '"inf"', "0.1"],
    "decimal(5,2)": [
        "1.5",
        '"1.5"',
        "1.005",
        "1000",
        "99999",
        "1e2",
        "1e40",
        '"+1"',
        '" 1 "',
        "0." + "0" * 60,
        "1" * 60,
    ],
    "decimal(38,0)": ["1" * 38, "1" * 39, "1" * 60, "1e38", "1.0"],
    "boolean": ["true", '"true"', '"yes"', "1"],
    "string": ['"x"', '"\\u00e9"', "1", "{}", '"\\u0000"'],
    "timestamp": ['"2024-02-29"', '"2024-02-29T10:11:12Z"', "5"],
    "timestamptz": ['"2024-02-29T10:11:12Z"', '"2024-02-29T10:11:12"'],
    "list<int64>": ["[1]", "[null]", "[1.5]", '["1"]', "[]", "1", "{}"],
    "struct<x: int64>": ['{"x": 1}', '{"x": null}', "{}", '{"x": 1, "y": 2}', '{"x": "1"}', "[]"],
}


@pytest.mark.parametrize("kind", LITERALS)
def test_a_json_value_fares_the_same_beside_any_neighbour(tmp_path, kind):
    def judged(name, literals):
        write(tmp_path / name, "".join(f'{{"id": {t}, "n": {n}}}\n' for n, t in enumerate(literals)))
        source = reader(tmp_path, [name], fields={"id": kind})
        (unit,) = source.split(PEOPLE, None).units
        found = dict.fromkeys(range(len(literals)), "refused")
        for batch in (b for b in source.read(PEOPLE, unit) if "n" in b.schema.names):
            values = convert(batch.column("id"), parse_type(kind))
            bad = values.bad or pa.array([False] * batch.num_rows)
            for n, value, wrong in zip(batch.column("n").to_pylist(), values.values, bad.to_pylist(), strict=True):
                if n is not None and not wrong:
                    found[int(n)] = str(value)
        return list(found.values())

    together = judged("together.jsonl", [*LITERALS[kind], '[["none of these"]]'])
    assert [judged(f"{n}.jsonl", [text])[0] for n, text in enumerate(LITERALS[kind])] == together[:-1]
