"""Names become live parts: the only place where a job's words turn into a reader, a table or a quarantine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, cast

from pydantic import ValidationError

from dativo_dagster import registry
from dativo_dagster.config.contract import Contract, Field
from dativo_dagster.config.job import PLUGIN, Job, JobStream, Source, SourceContext, TableSpec, Target
from dativo_dagster.config.mistakes import dotted, explained
from dativo_dagster.config.normal import OF_PLUGINS
from dativo_dagster.config.spot import spot
from dativo_dagster.config.tags import derive_tags
from dativo_dagster.config.types import parse_type
from dativo_dagster.pipeline import plugins
from dativo_ingest.exceptions import ConfigurationError, PluginError

if TYPE_CHECKING:
    from dativo_ingest.protocols import Quarantine, Reader, Table

MOMENT = "timestamptz[us]"
QUARANTINE_COLUMNS = {
    "record": "string",
    "rule": "string",
    "column": "string",
    "reason": "string",
    "violations": "list<struct<rule: string, column: string, reason: string>>",
    "source": "string",
    "row": "int64",
    "line": "int64",
    "offset": "int64",
    "run_id": "string",
    "rejected_at": MOMENT,
}

Side = Literal["source", "target"]
SIDES: dict[Side, registry.Kind] = {"source": "connectors", "target": "tables"}
"""The sides of a stream, and the shelf that each is taken from."""
_OF_THE_PLUGIN = frozenset({"BAD_PLUGIN", "PLUGIN_CLASS_MISSING", "PLUGIN_IMPORT_FAILED", "PLUGIN_NOT_FOUND"})


def refused(job: Job, stream: JobStream, side: Side) -> ConfigurationError | None:
    """Say why a side of a stream can be opened nowhere, whoever were asked: the part of opening it that asks nobody.

    All verbs come by here, so that `validate` refuses what they would, in the same words.
    """
    part: Source | Target = stream.source if side == "source" else stream.target
    if not part.plugin:
        return _missing(job, stream, side, part)
    try:
        plugins.suited(job, part)
        if part.connector == PLUGIN and side == "target":
            _table(job, stream)
    except (ConfigurationError, PluginError) as error:
        at = spot(job.path, stream.name, side, plugin=error.error_code in _OF_THE_PLUGIN)
        return ConfigurationError(f"{at}: {error.message}", error.error_code, error.details)
    return None


def _missing(job: Job, stream: JobStream, side: Side, part: Source | Target) -> ConfigurationError | None:
    kind = SIDES[side]
    known = registry.entries(kind)
    if part.connector not in known:
        return ConfigurationError(
            f"{job.path}: stream {stream.name!r}: this version cannot use {part.connector!r} as a {side}; it has "
            f"{', '.join(sorted(known))}",
            f"UNKNOWN_{kind.removesuffix('s').upper()}",
        )
    try:
        registry.ready(kind, part.connector)
    except ConfigurationError as error:
        return error
    return None


def open_reader(job: Job, stream: JobStream, session: Any = None) -> AbstractContextManager[Reader]:
    """Open the reader of a stream, custom or built in.

    ``session`` is what the connector's ``open_session`` gave, for a stream that is read at one moment with others.

    Raises:
        ConfigurationError: The connector is unknown, lacks its extra, or refuses its options; or a plugin cannot be
            found, or not run where the job says.
        PluginError: The plugin is broken, or made for another version.
    """
    if error := refused(job, stream, "source"):
        raise error
    if stream.source.plugin:
        return plugins.open_reader(job, stream)
    reader = _built_in(job, stream, session)
    # What a reader keeps open between its units, such as a transaction, goes with it.
    return cast("AbstractContextManager[Reader]", closing(reader)) if hasattr(reader, "close") else nullcontext(reader)


def _built_in(job: Job, stream: JobStream, session: Any) -> Reader:
    source = stream.source
    module = registry.ready("connectors", source.connector)
    context = SourceContext(
        base=job.path.parent,
        contract=stream.contract,
        object=stream.object,
        incremental=source.incremental,
        slice=stream.slice,
        session=session,
        mode=stream.target.mode,
        parallelism=job.units_at_once,
    )
    return cast("Reader", module.Reader(module.Config.model_validate(dict(source.options)), context))


def open_table(job: Job, stream: JobStream) -> Table:
    """Make the table of a stream.

    Raises:
        ConfigurationError: The table format is unknown, lacks its extra, or refuses its options.
    """
    if error := refused(job, stream, "target"):
        raise error
    return _table(job, stream)


def _table(job: Job, stream: JobStream) -> Table:
    target = stream.target
    module = registry.ready("tables", target.connector)
    aside = OF_PLUGINS if target.plugin and target.connector != PLUGIN else ()
    options = {key: value for key, value in target.options.items() if key not in aside}
    spec = TableSpec(
        identifier=target.table,
        contract=_as_stored(stream),
        base=job.path.parent,
        run_date=datetime.now(timezone.utc).date(),
        mode=target.mode,
        merge=target.merge,
        slice=stream.slice,
        audited=target.audited,
        partitioning=target.partitioning,
        evolution=target.evolution,
        file_size_bytes=target.file_size_bytes,
        compression=target.compression,
        properties=derive_tags(stream.contract, **job.governance),
        plugin=partial(plugins.open_writer, job, stream) if target.plugin else None,
    )
    return cast("Table", module.Table(_config(module.Config, options), spec))


def _config(kind: Any, options: Mapping[str, Any]) -> Any:
    """Understand the options of a target; a writer's are its own affair until here."""
    try:
        return kind.model_validate(options)
    except ValidationError as error:
        wrong = [f"target.{dotted(at)}: {why}" for at, why, _ in explained(error, kind, options)]
        raise ConfigurationError("; ".join(wrong), "BAD_JOB") from None


@dataclass(frozen=True, kw_only=True)
class Openers:
    """Who opens the live parts of a stream: we do, unless a Dagster resource or a test stands in."""

    reader: Callable[[Job, JobStream], AbstractContextManager[Reader]] = open_reader
    table: Callable[[Job, JobStream], Table] = open_table


OURS = Openers()


def _as_stored(stream: JobStream) -> Contract:
    """Give the contract as the table has it: NULL where `warn` lets a required value be missing, history's columns."""
    fields = stream.contract.fields
    if stream.validation.mode == "warn":
        fields = tuple(replace(f, required=False) for f in fields)
    merge = stream.target.merge
    if stream.target.mode == "scd2" and merge is not None:
        added = {merge.valid_from: MOMENT, merge.valid_to: MOMENT, merge.is_current: "boolean"}
        fields += tuple(Field(name=name, type=parse_type(kind)) for name, kind in added.items())
    return replace(stream.contract, fields=fields)


def open_quarantine(job: Job, stream: JobStream, table: Table) -> Quarantine:
    """Make the dataset of rejected rows that lies beside ``table``: Parquet files with an atomic manifest."""
    module = registry.load("tables", "files")
    contract = Contract(
        name=f"{stream.contract.name}_quarantine",
        fields=tuple(Field(name=n, type=parse_type(t)) for n, t in QUARANTINE_COLUMNS.items()),
    )
    spec = TableSpec(
        identifier=f"{stream.target.table}_quarantine",
        contract=contract,
        base=job.path.parent,
        run_date=datetime.now(timezone.utc).date(),
    )
    options = {"path": table.location() + "_quarantine"}
    if connection := stream.target.options.get("connection"):
        options["connection"] = connection
    return cast("Quarantine", module.Quarantine(module.Config.model_validate(options), spec))
