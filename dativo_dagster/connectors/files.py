"""Files of a folder or a bucket as a source: CSV, JSON Lines and Parquet, plain or compressed.

One module serves the connectors ``files``, ``csv``, ``json`` and ``parquet``. A file is a unit; one that changes
between planning and reading fails the run, which may then be tried again.
"""

from __future__ import annotations

import glob as patterns
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, field_validator, model_validator

from dativo_dagster.state.files import SeenFile, advance, fingerprint, select
from dativo_dagster.storage import Counted, FileInfo, Storage, changed, open_storage
from dativo_ingest.exceptions import ConfigurationError, DativoError
from dativo_ingest.model import CheckResult, Column, Cursor, Stream, Unit, Window

if TYPE_CHECKING:
    import pyarrow as pa

    from dativo_dagster.config.job import SourceContext

Format = Literal["csv", "json", "parquet"]
_SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
}
SAMPLE_BYTES = 1024 * 1024


class FileSpec(BaseModel):
    """One line of `files`: a path or a glob, and the object (stream) it belongs to."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(validation_alias=AliasChoices("path", "file"), description="path, URI or glob")
    object: str | None = Field(default=None, description="stream that the file belongs to; every stream when left out")
    id: str | None = Field(default=None, description="name under which the cursor remembers the file; its path else")


class Config(BaseModel):
    """Options of the source."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    files: list[FileSpec] = Field(min_length=1, description="paths, URIs or globs: `*` and `?` in a folder, `**` below")
    format: Format | None = Field(default=None, description="told by the file's name when left out")
    connection: dict[str, Any] = Field(default_factory=dict, description="how to reach the object store")
    compression: Literal["none", "gzip", "zstd"] | None = Field(default=None, description="told by the file's name")
    encoding: str | None = Field(default=None, description="of text files; a byte order mark wins; utf-8 when left out")
    delimiter: str | None = Field(default=None, description="one ASCII character; tab for .tsv, else a comma")
    quote_char: str | None = Field(default='"', description="one ASCII character; null when quotes mean nothing")
    escape_char: str | None = Field(default=None, description="one ASCII character")
    double_quote: bool = Field(default=True, description="a quote inside quotes is written twice")
    header: bool = Field(default=True, description="whether the first record names the columns")
    columns: list[str] = Field(default_factory=list, description="names without a header; the contract's when left out")
    skip_rows: int = Field(default=0, ge=0, description="lines before the header")
    null_values: list[str] = Field(default=[""], description="unquoted CSV texts that mean NULL")
    batch_rows: int | None = Field(
        default=None,
        ge=1,
        validation_alias=AliasChoices("batch_rows", "chunk_size", "batch_size"),
        description="most rows of a batch",
    )
    allow_empty: bool = Field(default=False, description="a glob may match nothing")

    @model_validator(mode="before")
    @classmethod
    def _kept_forms(cls, data: Any) -> Any:
        """Take `file` for `files`, and the dialect from `engine.options` as recipes write it.

        Their ``chunk_size`` is not taken: it was the rows of a pandas chunk, and our blocks are cut by bytes.
        """
        if not isinstance(data, Mapping):
            return data
        found = dict(data)
        engine = found.pop("engine", None) or {}
        options = dict(engine.get("options") or {})
        options |= options.pop("native", None) or {}
        for name in ("encoding", "delimiter", "quote_char"):
            if name in options:
                found.setdefault(name, options[name])
        if {"chunk_size", "batch_rows"} & found.keys():
            found.pop("batch_size", None)
        if "file" in found and "files" not in found:
            found["files"] = found.pop("file")
        return found

    @field_validator("files", mode="before", json_schema_input_type=str | FileSpec | list[str | FileSpec])
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        items = value if isinstance(value, list) else [value]
        return [{"path": item} if isinstance(item, str) else item for item in items]

    @field_validator("delimiter", "quote_char", "escape_char")
    @classmethod
    def _one_character(cls, value: str | None) -> str | None:
        named = {"\\t": "\t", "tab": "\t"}
        value = named.get(value, value) if value else value
        if value and (len(value) != 1 or not value.isascii() or value in "\r\n"):
            raise ValueError(f"{value!r} is not one ASCII character")
        return value or None


@dataclass(frozen=True)
class Found:
    """A file that the configuration names, and the id that the cursor knows it by."""

    info: FileInfo
    id: str


class Reader:
    """Reads the files that the configuration names."""

    repeatable = True
    """A unit names the version of its file, and the cursor is frozen at plan time."""

    def __init__(self, config: Config, context: SourceContext) -> None:
        self.config, self.context = config, context
        self._positions: dict[str, int] = {}

    def check(self) -> CheckResult:
        """List the files and read a byte of the first that has one."""
        try:
            found = self._find(self.config.files)
            for file in [f for f in found if f.info.size][:1]:
                self._storage(file.info.path).read_range(file.info.path, 0, 1)
        except DativoError as error:
            return CheckResult.failed("connection", error)
        total = sum(f.info.size for f in found)
        return CheckResult(
            name="connection",
            passed=True,
            message=f"{len(found):,} file{'' if len(found) == 1 else 's'}, {total:,} byte{'' if total == 1 else 's'}",
            details={"files": len(found), "bytes": total},
        )

    def discover(self) -> Sequence[Stream]:
        """Give a stream for each object that `files` names, its columns told from a sample of the first file."""
        objects = list(dict.fromkeys(spec.object for spec in self.config.files))
        return [self._discover(name) for name in objects]

    def split(self, stream: Stream, since: Cursor | None) -> Window:
        """Make a unit of each file, or of each that changed when the job is incremental."""
        found = self._find(self._specs(stream.name))
        by_id = {f.id: f for f in found}
        rule, chosen = self.context.incremental, [_seen(f) for f in found]
        if rule is not None and rule.strategy == "file_modified_time":
            chosen = select(chosen, since)
        else:
            since = None
        return Window(
            units=tuple(_unit(by_id[c.id]) for c in chosen),
            fingerprint=fingerprint(chosen),
            before=since,
            after=advance(chosen, since),
            skipped=len(found) - len(chosen),
            whole=rule is None,
        )

    def read(self, stream: Stream, unit: Unit) -> Iterator[pa.RecordBatch]:  # noqa: ARG002 - a unit says it all
        """Yield the batches of one file."""
        uri, etag = str(unit.spec["uri"]), str(unit.spec["etag"])
        storage = self._storage(uri)
        with Counted(storage.open_read(uri, etag=etag), self._positions, unit.id) as raw:
            for batch in self._batches(raw, uri, self._hint):
                yield from _slices(batch, self.config.batch_rows)
        after = storage.find(uri)
        if after is None or after.etag != etag:
            raise changed(uri)

    def position(self, unit: Unit) -> int:
        """Give the bytes read of a file as it is stored: packed ones of an archive."""
        return self._positions.get(unit.id, 0)

    def reached(self, window: Window) -> Cursor | None:
        """Give the cursor that was frozen when the window was planned."""
        return window.after

    def _discover(self, name: str | None) -> Stream:
        from dativo_dagster.formats.infer import columns_of

        first = self._find([s for s in self.config.files if s.object == name])[:1]
        columns: Sequence[Column] = ()
        for file in first:
            with self._storage(file.info.path).open_read(file.info.path) as raw:
                columns = columns_of(self._batches(raw, file.info.path, None, sample=True), _type_of)
        return Stream(name=name or _stem(first), columns=tuple(columns))

    def _batches(self, raw: Any, uri: str, hint: pa.Schema | None, *, sample: bool = False) -> Iterator[pa.RecordBatch]:
        from dativo_dagster.formats.compression import unpack
        from dativo_dagster.formats.csv import read_csv
        from dativo_dagster.formats.json import read_json
        from dativo_dagster.formats.parquet import read_parquet

        name = uri.rsplit("/", 1)[-1]
        kind = self._format(name)
        plain = unpack(raw, name, self.config.compression)
        if kind == "csv":
            block = {"block_bytes": SAMPLE_BYTES} if sample else {}
            return read_csv(plain, name, self._dialect(name), hint, **block)
        if kind == "json":
            return read_json(plain, name, hint, encoding=self.config.encoding)
        return read_parquet(plain, name)

    def _dialect(self, name: str) -> Any:
        from dativo_dagster.formats.csv import Dialect

        config = self.config
        return Dialect(
            delimiter=config.delimiter or ("\t" if ".tsv" in name.lower() else ","),
            quote=config.quote_char,
            escape=config.escape_char,
            doubled=config.double_quote,
            header=config.header,
            columns=tuple(config.columns),
            skip_lines=config.skip_rows,
            null_values=tuple(config.null_values),
            encoding=config.encoding,
        )

    def _format(self, name: str) -> Format:
        from dativo_dagster.formats.compression import without_suffix

        kind = self.config.format or _SUFFIXES.get(PurePosixPath(without_suffix(name)).suffix.lower())
        if kind is None:
            raise ConfigurationError(
                f"{name}: the name does not tell the format; set `format` to csv, json or parquet", "UNKNOWN_FORMAT"
            )
        return kind

    @cached_property
    def _hint(self) -> pa.Schema:
        from dativo_dagster.validation.typemap import arrow_schema

        return arrow_schema(self.context.contract)

    def _specs(self, name: str) -> list[FileSpec]:
        """Choose the lines that are about one stream: all, unless some of them name it."""
        return [s for s in self.config.files if s.object == name] or self.config.files

    def _storage(self, uri: str) -> Storage:
        return open_storage(uri, self.config.connection)

    def _find(self, specs: Sequence[FileSpec]) -> list[Found]:
        found = {f.info.path: f for spec in specs for f in self._matches(spec)}
        files = [found[path] for path in sorted(found)]
        twice = sorted(i for i, n in Counter(f.id for f in files).items() if n > 1)
        if twice:
            raise ConfigurationError(
                f"files: the id {twice[0]!r} stands for more than one file; give each its own", "DUPLICATE_FILE_ID"
            )
        return files

    def _matches(self, spec: FileSpec) -> list[Found]:
        tried = self._places(spec.path)
        for place in tried:
            files = self._storage(place).glob(place)
            if files:
                return [Found(f, _id(spec, place, f, alone=len(files) == 1)) for f in files]
        if self.config.allow_empty and patterns.has_magic(spec.path):
            return []
        kind = "no file matches" if patterns.has_magic(spec.path) else "there is no file"
        raise ConfigurationError(
            f"{kind} {spec.path}; looked for {' and '.join(tried)}. Check the path and its spelling; set "
            "`allow_empty: true` if a glob may match nothing",
            "FILE_NOT_FOUND",
            {"path": spec.path, "tried": tried},
        )

    def _places(self, path: str) -> list[str]:
        """Give the absolute places that a path of the job may mean, the first that exists being it."""
        if "://" in path or path.startswith("/"):
            return [path]
        bucket = _bucket(self.config.connection)
        if bucket is not None:
            return [f"{bucket}/{path}"]
        return list(dict.fromkeys(str(folder / path) for folder in (Path.cwd(), self.context.base.absolute())))


def _seen(file: Found) -> SeenFile:
    """Give the facts that decide whether a file is new.

    A store's ETag tells the content itself. On disk the time of change has to do: the inode of the etag there would
    make a copy of the same folder another source.
    """
    info = file.info
    version = info.modified.isoformat() if info.path.startswith("file:") else info.etag
    return SeenFile(id=file.id, size=info.size, modified=info.modified, version=version)


def _unit(file: Found) -> Unit:
    info = file.info
    spec = {"uri": info.path, "size": info.size, "modified": info.modified.isoformat(), "etag": info.etag}
    return Unit(id=file.id, spec=spec, bytes=info.size)


def _id(spec: FileSpec, place: str, info: FileInfo, *, alone: bool) -> str:
    """Name a file as the job does: its own `id`, or its path from where the job's path starts."""
    if spec.id and alone:
        return spec.id
    root = place.removesuffix(spec.path)
    path = info.path.removeprefix("file://") if not spec.path.startswith("file:") else info.path
    relative = path.removeprefix(root)
    return f"{spec.id}:{relative}" if spec.id else relative


def _bucket(connection: Mapping[str, Any]) -> str | None:
    """Give the bucket that relative paths lie in, as ``s3://name``; None when they are local."""
    for kind, scheme in (("s3", "s3"), ("minio", "s3"), ("gcs", "gs")):
        nested = connection.get(kind)
        if isinstance(nested, Mapping) and nested.get("bucket"):
            return f"{scheme}://{nested['bucket']}"
    return f"s3://{connection['bucket']}" if connection.get("bucket") else None


def _stem(files: Sequence[Found]) -> str:
    return PurePosixPath(files[0].info.path).name.partition(".")[0] if files else "files"


def _slices(batch: pa.RecordBatch, most_rows: int | None) -> Iterator[pa.RecordBatch]:
    if most_rows is None or batch.num_rows <= most_rows:
        yield batch
        return
    for start in range(0, batch.num_rows, most_rows):
        yield batch.slice(start, most_rows)


def _type_of(field: pa.Field) -> str:
    from dativo_dagster.validation.typemap import logical_type

    return str(logical_type(field.type))
