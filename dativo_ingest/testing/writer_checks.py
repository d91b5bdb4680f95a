"""What a writer promises about what it writes: files, rows, values, commits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from dativo_ingest.model import CheckResult, DataFile
from dativo_ingest.testing.arrow import batches
from dativo_ingest.testing.checks import Check, Failed, NotApplicable, check, proper
from dativo_ingest.testing.reading import compared, rows_of

if TYPE_CHECKING:
    from dativo_ingest.protocols import WriterPlugin
    from dativo_ingest.testing.cases import WriterCase

ROWS = 1_000
NAME = "part-0001"
TOKEN = "conformance-token"  # noqa: S105 - a commit's name, no secret


@dataclass(frozen=True)
class Place:
    """A folder that a writer may fill, as a path and as the URI that it is told."""

    path: Path

    @property
    def base(self) -> str:
        """Give the URI of the folder, with a slash at the end."""
        return self.path.as_uri() + "/"

    def files(self) -> set[str]:
        """List the files below it."""
        return {str(p) for p in self.path.rglob("*") if p.is_file()}


@contextmanager
def opened(case: WriterCase) -> Iterator[tuple[WriterPlugin, Place]]:
    """Open the writer, with an empty folder for it."""
    place = Place(Path(case.folder()).absolute())
    with case.open_writer(str(place.path)) as writer:
        yield writer, place


def rows_for(case: WriterCase, rows: int = ROWS) -> list[Any]:
    """Make batches of the case's columns, with awkward values, as the host would give them."""
    return batches(case.stream, rows=rows, batch_rows=max(rows // 4, 1), field_ids=True)


def local(file: DataFile) -> Path:
    """Give where a file lies.

    Raises:
        NotApplicable: It is not on this machine.
        Failed: Its path is no absolute URI or path.
    """
    parts = urlsplit(file.path)
    if parts.scheme not in {"", "file"}:
        raise NotApplicable(f"the files lie at {parts.scheme}://, and only those on this machine are looked at")
    path = Path(unquote(parts.path) if parts.scheme else file.path)
    if not path.is_absolute():
        raise Failed(f"the path {file.path!r} is not absolute", "give `base` and the name behind it")
    return path


@check()
def answers(case: WriterCase) -> str:
    """The connection check answers that the target can be reached, and leaves nothing behind.

    It runs every few minutes by a sensor; what it leaves would add up, and look like data.
    """
    with opened(case) as (writer, place):
        before = place.files()
        result = writer.check()
        left = place.files() - before
    if not isinstance(result, CheckResult):
        raise Failed(f"gave {type(result).__name__}, not a CheckResult", "return what `check` promises")
    if not result.passed:
        proper(result.code, result.message, case.secrets)
        raise Failed(f"{result.code}: {result.message}", "mend the configuration of this test, or the check")
    if left:
        raise Failed(f"{len(left)} files are left behind", "remove what the check wrote, also when it fails")
    return result.message


@check(answers)
def counts_true(case: WriterCase) -> str:
    """What `write` tells of its files is true: they are there, with these rows and bytes.

    Commits, statistics and the check that no row was lost are made of these numbers.
    """
    with opened(case) as (writer, place):
        files = written(writer, rows_for(case), place)
        if sum(f.rows for f in files) != ROWS:
            raise Failed(
                f"the files count {sum(f.rows for f in files):,} rows, and {ROWS:,} were given",
                "count the rows of each file, and write all that are given",
            )
        for file in files:
            _as_told(file)
    return f"{len(files)} files, {sum(f.bytes for f in files):,} bytes"


def written(writer: WriterPlugin, given: Sequence[Any], place: Place, name: str = NAME) -> list[DataFile]:
    """Write batches.

    Raises:
        Failed: What came back are no data files.
    """
    files = writer.write(iter(given), place.base, name)
    if wrong := [type(f).__name__ for f in files if not isinstance(f, DataFile)]:
        raise Failed(f"write gave {wrong[0]}, not a DataFile", "return what `write` promises")
    return list(files)


def _as_told(file: DataFile) -> None:
    path = local(file)
    if not path.is_file():
        raise Failed(f"there is no file {file.path}", "return the path under which the file was written")
    if path.stat().st_size != file.bytes:
        raise Failed(
            f"a file has {path.stat().st_size:,} bytes and is told to have {file.bytes:,}",
            "take the size after the file is closed",
        )


@check(counts_true)
def names_given(case: WriterCase) -> str:
    """Files lie in the folder that was given, and their names start as they were told to.

    Names are unique for each call; a name of the writer's own may overwrite the file of another unit.
    """
    with opened(case) as (writer, place):
        if writer.commits:
            raise NotApplicable("it commits by itself and names its files as it likes")
        files = written(writer, rows_for(case), place)
        wrong = [f.path for f in files if not str(local(f)).startswith(str(place.path / NAME))]
        stray = place.files() - {str(local(f)) for f in files}
    if wrong:
        raise Failed(f"{wrong[0]} does not start with {place.base}{NAME}", "put `base` and `name` in front")
    if stray:
        raise Failed(f"{len(stray)} files were written and not told of", "return every file, and remove temporary ones")
    return ""


@check(counts_true)
def values_kept(case: WriterCase) -> str:
    """What was written is read back as it was: every row, every value, every type, every field id.

    Limits of types, NULL, empty and odd texts, not-a-number: what is written is all that is left of a row.
    """
    given = rows_for(case)
    with opened(case) as (writer, place):
        files = written(writer, given, place)
        if writer.commits:
            return _read_back(case, writer, files, given)
        found = [batch for file in files for batch in _parquet(file, given[0].schema)]
    return compared(
        rows_of(iter(given)), rows_of(iter(found)), "read back, the rows differ", "write each value as it is given"
    )


def _parquet(file: DataFile, schema: Any) -> Sequence[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(local(file)) as found:
            if found.metadata.num_rows != file.rows:
                raise Failed(
                    f"a file has {found.metadata.num_rows:,} rows and is told to have {file.rows:,}", "count them"
                )
            _same_schema(found.schema_arrow, schema)
            return list(found.read().to_batches())
    except pa.ArrowInvalid as error:
        raise Failed(f"a file is no readable Parquet: {error}", "close the file before it is returned") from error


def _same_schema(found: Any, wanted: Any) -> None:
    for field in wanted:
        index = found.get_field_index(field.name)
        there = found.field(index) if index >= 0 else None
        if there is None or there.type != field.type:
            said = f"is {there.type}" if there is not None else "is not there"
            raise Failed(f"column {field.name!r} was {field.type} and {said}", "keep the schema of the batches")
        ids = [(f.metadata or {}).get(b"PARQUET:field_id") for f in (field, there)]
        if ids[0] != ids[1]:
            raise Failed(f"column {field.name!r} lost its field id", "write `PARQUET:field_id` into the schema")


def _read_back(case: WriterCase, writer: WriterPlugin, files: Sequence[DataFile], given: Sequence[Any]) -> str:
    if case.read_back is None:
        raise NotApplicable("say with `read_back` how its rows can be read")
    hidden = len(case.read_back(files))
    writer.commit(TOKEN, files)
    found = Counter(map(repr, case.read_back(files)))
    wanted = Counter(repr(row) for batch in given for row in batch.to_pylist())
    if hidden and found != wanted:
        raise Failed("rows were there before the commit", "make them visible in `commit`, not in `write`")
    gone, new = sum((wanted - found).values()), sum((found - wanted).values())
    if gone or new:
        raise Failed(f"{gone:,} rows are gone and {new:,} are new", "write each value so that it can be read again")
    return f"{sum(found.values()):,} rows"


@check(counts_true)
def commit_repeats(case: WriterCase) -> str:
    """A commit may come twice with the same token, and its rows are there once.

    When the answer to a commit is lost, it is asked for again.
    """
    with opened(case) as (writer, place):
        if not writer.commits:
            raise NotApplicable("the job's table commits its files")
        files = written(writer, rows_for(case), place)
        writer.commit(TOKEN, files)
        once = _visible(case, place, files)
        writer.commit(TOKEN, files)
        twice = _visible(case, place, files)
    if once != twice:
        raise Failed("the second commit changed the target", "keep the token at the target, and look for it first")
    return ""


def _visible(case: WriterCase, place: Place, files: Sequence[DataFile]) -> object:
    if case.read_back is not None:
        return Counter(map(repr, case.read_back(files)))
    return {path: Path(path).stat().st_size for path in place.files()}


@check(answers)
def nothing_written(case: WriterCase) -> str:
    """A stream without a row is written, too: to no file, or to one without rows.

    A window may be empty; that is no error.
    """
    with opened(case) as (writer, place):
        for given in ([], rows_for(case, rows=0)):
            files = written(writer, given, place)
            if any(f.rows for f in files):
                raise Failed("rows are told of, and none was given", "count what is written")
            for file in files:
                _as_told(file)
            writer.abort(files)
    return ""


CHECKS: tuple[Check, ...] = (answers, counts_true, names_given, values_kept, commit_repeats, nothing_written)
