"""Who has to pass the suite: connectors of the platform, plugins in Python and Rust, the examples, in each place."""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from dativo_ingest.testing import ReaderCase, WriterCase, hostile, reader_case, stream, writer_case
from tests.conformance.mirrored import mirrored
from tests.conformance.people import PEOPLE, TOKEN
from tests.conformance.places import EVERYWHERE, HERE, WITH_FOLDERS, Where
from tests.native import native_library

ROOT = Path(__file__).parents[2]
PLUGINS = ROOT / "jobs" / "plugins"
SAMPLES = Path(__file__).parent / "plugins"
COLUMNS = {"id": "int64!", "name": "string", "amount": "decimal(10,2)", "at": "timestamptz"}
FILES, ROWS = 3, 40


@dataclass(frozen=True)
class Subject:
    """One that is tested: ``make`` gets a stack for what it opens and the place where the plugin runs.

    Attributes:
        native: Whether it is a library of our ABI, which Lambda has a host of its own for.
        without: Why it does not run in a place, behind the code that it is refused with there.
    """

    make: Callable[[ExitStack, Where], ReaderCase | WriterCase]
    places: tuple[str, ...] = EVERYWHERE
    rust: bool = False
    native: bool = False
    without: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def _folder(stack: ExitStack) -> Path:
    made = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="conformance-")))
    made.chmod(0o755)  # the user of a container reads it
    return made


def _rows(first: int) -> list[dict[str, Any]]:
    return [
        {
            "id": i,
            "name": None if i % 7 == 0 else f'näme, "{i}"\nline',
            "amount": f"{i}.25",
            "at": f"2026-01-01T00:00:{i % 60:02}Z",
        }
        for i in range(first, first + ROWS)
    ]


def _csv(path: Path, rows: list[dict[str, Any]]) -> None:
    pa.csv.write_csv(pa.Table.from_pylist(rows), path)


def _jsonl(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    pa.parquet.write_table(pa.Table.from_pylist(rows), path)


WRITE = {"csv": _csv, "jsonl": _jsonl, "parquet": _parquet}


@dataclass
class Files:
    """A folder of files that grows: the source of every reader of files. Where a place has a bucket they are there."""

    folder: Path
    suffix: str
    place: Where
    count: int = 0

    @classmethod
    def of(cls, stack: ExitStack, suffix: str, place: Where) -> Files:
        made = cls(_folder(stack), suffix, place)
        for _ in range(FILES):
            made.add()
        return made

    def add(self) -> int:
        """Add a file with new rows, newer than all others."""
        path = self.folder / f"{self.count}.{self.suffix}"
        WRITE[self.suffix](path, _rows(self.count * ROWS))
        os.utime(path, (1_700_000_000 + self.count, 1_700_000_000 + self.count))
        if self.place.bucket:
            self.place.bucket.put(str(path), path.read_bytes())
        self.count += 1
        return ROWS

    @property
    def pattern(self) -> str:
        """Name them all, as the plugin finds them."""
        return self.place.url(f"{self.folder}/*.{self.suffix}")

    @property
    def facts(self) -> dict[str, Any]:
        return {"rows": self.count * ROWS, "add_rows": self.add, "seconds": 120}


def _built_in(connector: str, suffix: str) -> Subject:
    def make(stack: ExitStack, place: Where) -> ReaderCase:
        from dativo_dagster.config.load import load_job
        from dativo_dagster.pipeline.assemble import open_reader

        files = Files.of(stack, suffix, place)
        path = files.folder / "job.yaml"
        path.write_text(
            f"tenant: t\nsource: {{connector: {connector}, files: '{files.folder}/*.{suffix}', "
            "incremental: file_modified_time}\n"
            "target: {connector: parquet, table: a.b}\n"
            f"contract: {{name: things, schema: {json.dumps(_contract())}}}\n"
        )
        job = load_job(path)
        gone = job.streams[0]
        gone = dataclasses.replace(gone, source=dataclasses.replace(gone.source, options={"files": "/nowhere/*"}))
        return ReaderCase(
            open_reader=lambda: open_reader(job, job.streams[0]),
            broken=lambda: open_reader(job, gone),
            stream=stream("things", COLUMNS),
            **files.facts,
        )

    return Subject(make, places=HERE[:1])


def _contract() -> list[dict[str, Any]]:
    return [{"name": n, "type": t.rstrip("!"), "required": t.endswith("!")} for n, t in COLUMNS.items()]


def _rust_csv(stack: ExitStack, place: Where) -> ReaderCase:
    files = Files.of(stack, "csv", place)
    source = {
        "files": [{"path": files.pattern}],
        "incremental": {"strategy": "file_modified_time"},
        "connection": place.connection,
    }
    return reader_case(
        f"{native_library('csv_reader')}:create_reader",
        source,
        stream("things", COLUMNS),
        broken={"files": [{"path": place.url("/nowhere/*.csv")}]},
        place=place.at(files.folder),
        object_store=place.object_store,
        **files.facts,
    )


def _older_reader(_: ExitStack, place: Where) -> ReaderCase:
    columns = {"id": "int64", "name": "string", "amount": "double", "active": "boolean", "created_at": "timestamp"}
    return reader_case(
        f"{native_library('legacy_json')}:create_reader",
        {"engine": {"options": {"rows": 2_500, "batch_size": 1_000}}},
        stream("legacy", columns),
        broken={"engine": {"options": {"fault": "create"}}},
        rows=2_500,
        place=place.at(),
    )


def _api(plugin: Path, name: str) -> Subject:
    def make(stack: ExitStack, place: Where) -> ReaderCase:
        url = stack.enter_context(place.people())
        return reader_case(
            f"{plugin}:{name}",
            {"connection": {"base_url": url}, "credentials": {"token": TOKEN, "api_key": TOKEN}, "objects": ["users"]},
            stream("users", {"id": "int64!", "name": "string!", "updated_at": "timestamptz!"}),
            broken={"credentials": {"token": "wr0ng-token", "api_key": "wr0ng-token"}},
            secrets=("wr0ng-token", TOKEN),
            rows=len(PEOPLE),
            place=place.at(network=True),
        )

    return Subject(make)


def _honest(_: ExitStack, place: Where) -> ReaderCase:
    return reader_case(
        f"{hostile.__file__}:HostileReader",
        {"password": "right", "units": 2},
        hostile.STREAM,
        broken={"password": "wrong"},
        rows=2 * hostile.BATCHES * hostile.ROWS,
        place=place.at(),
    )


def _arrow(stack: ExitStack, place: Where) -> ReaderCase:
    path = _folder(stack) / "things.arrow"
    table = pa.Table.from_pylist(_rows(0))
    with pa.ipc.new_file(path, table.schema) as out:
        out.write_table(table, max_chunksize=16)
    source = {"files": [{"path": str(path)}]}
    return reader_case(
        f"{PLUGINS / 'arrow_reader.py'}:ArrowReader",
        source,
        stream("things", COLUMNS),
        broken={"files": [{"path": "/nowhere.arrow"}]},
        rows=ROWS,
        place=place.at(path.parent),
    )


def _fresh(stack: ExitStack) -> Callable[[], str]:
    root = _folder(stack)

    def fresh() -> str:
        made = Path(tempfile.mkdtemp(dir=root))
        made.chmod(0o777)  # and writes here
        return str(made)

    return fresh


def _rust_parquet(stack: ExitStack, place: Where) -> WriterCase:
    return writer_case(
        f"{native_library('parquet_writer')}:create_writer",
        commits=False,
        folder=_fresh(stack),
        broken={"engine": {"options": {"compression_level": "much"}}},
        place=place.at(),
    )


def _older_writer(stack: ExitStack, place: Where) -> WriterCase:
    return writer_case(
        f"{native_library('legacy_json')}:create_writer",
        stream=stream(columns={"id": "int64", "name": "string"}),
        commits=True,
        folder=_fresh(stack),
        broken={"engine": {"options": {"fault": "error", "after": 0}}},
        read_back=_lines,
        place=place.at(),
    )


def _lines(files: Any) -> list[dict[str, Any]]:
    paths = [Path(file.path.removeprefix("file://")) for file in files]
    return [json.loads(line) for path in paths for line in path.read_text().split("\n")[:-1]]


def _python_json(stack: ExitStack, place: Where) -> WriterCase:
    bucket = place.target() if place.target else None
    options = place.at()
    if place.name == "gcp_functions":
        options = {"launcher": place.name, **place.options, "requirements": ["boto3"]}  # Amazon's runtime has it
    case = writer_case(
        f"{PLUGINS / 'json_file_writer.py'}:JSONFileWriter",
        {"engine": {"options": {"format": "jsonl"}}, "connection": bucket.connection if bucket else {}},
        stream(columns={"id": "int64!", "name": "string", "amount": "double"}),
        commits=True,
        folder=_fresh(stack),
        broken={"engine": {"options": {"format": "xml"}}},
        read_back=lambda files: _lines([f for f in files if any(Path(f.path).parent.glob("manifest-*"))]),
        place=options,
    )
    return mirrored(case, bucket) if bucket else case


def _guide_writer(stack: ExitStack, place: Where) -> WriterCase:
    return writer_case(
        f"{SAMPLES / 'guide.py'}:MyCustomWriter",
        {"engine": {"options": {"format": "jsonl"}}},
        stream(columns={"id": "int64!", "name": "string"}),
        commits=True,
        folder=_fresh(stack),
        place=place.at(),
    )


ON_A_DISK = ("PLACE_UNSUPPORTED", "it makes its files visible by itself, and on a disk only")
NO_DISK = ("RESOURCE_NOT_FOUND", "it reads files of a disk, and a function has none of yours")
SEES_OURS = ("", "the same, but functions of the test server see the disk of this machine")
SUBJECTS: dict[str, Subject] = {
    "csv": _built_in("csv", "csv"),
    "json": _built_in("json", "jsonl"),
    "parquet": _built_in("parquet", "parquet"),
    "files": _built_in("files", "csv"),
    "rust csv_reader": Subject(_rust_csv, rust=True, native=True),
    "rust parquet_writer": Subject(_rust_parquet, rust=True, native=True),
    "older ABI reader": Subject(_older_reader, rust=True),
    "older ABI writer": Subject(
        _older_writer, WITH_FOLDERS, rust=True, without={"gcp_functions": ON_A_DISK, "aws_lambda": ON_A_DISK}
    ),
    "example API reader": _api(PLUGINS / "json_api_reader.py", "JSONAPIReader"),
    "example Arrow reader": Subject(_arrow, WITH_FOLDERS, without={"gcp_functions": SEES_OURS, "aws_lambda": NO_DISK}),
    "example JSON writer": Subject(_python_json),
    "guide's reader": _api(SAMPLES / "guide.py", "MyCustomReader"),
    "guide's writer": Subject(
        _guide_writer, WITH_FOLDERS, without={"gcp_functions": ON_A_DISK, "aws_lambda": ON_A_DISK}
    ),
    "hostile reader without a fault": Subject(_honest),
}
