"""A job as the platform sees it: frozen, complete, the same for every shape of file it was written in.

`config.load` makes it from YAML; nothing after that reads YAML. Connector options are still plain mappings here,
checked against the connector's own ``Config``; secrets are in them only once the job was loaded for a run.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from dativo_dagster.config.contract import Contract
    from dativo_ingest.protocols import WriterPlugin

ValidationMode = Literal["strict", "warn", "quarantine"]
WriteMode = Literal["append", "overwrite", "overwrite_partitions", "merge", "scd2"]
NullCursor = Literal["fail", "exclude", "include"]
MissingState = Literal["stop", "recover", "read_all"]
Every = Literal["hour", "day", "week", "month"]
MODES = ("self_hosted", "cloud")
"""What a job may be started with: the second confines plugins that the job gives no place."""
PLUGIN = "plugin"
"""The connector of a side that a plugin takes alone."""
MOST_UNITS = 4


@dataclass(frozen=True, kw_only=True)
class Incremental:
    """Which part of the source is new. ``strategy`` is one of the earlier system's names.

    Args:
        strategy: How new data is told from old.
        cursor_field: The column that grows with every change, of sources that have columns.
        lookback_days: What the earlier system's plugins are told; in ``lookback`` already.
        lookback: How far before the last bound a window starts: seconds of a moment, units of a number.
        safe_lag: How far behind the source's clock a window ends, in seconds: the longest transaction to wait for.
        null_cursor: What becomes of rows without a cursor.
        start: The cursor's value that the first window starts from; all of it when None.
        on_missing_state: What a run does that finds rows in the table and no memory of where they came from.
        state_path: Where the earlier system's plugins keep their state.
        from_file: Whether a plugin that the table has no cursor of starts from that file; a run decides it.
    """

    strategy: str
    cursor_field: str | None = None
    lookback_days: int = 0
    lookback: float = 0.0
    safe_lag: float = 0.0
    null_cursor: NullCursor = "fail"
    start: str | int | float | None = None
    on_missing_state: MissingState = "stop"
    state_path: str | None = None
    from_file: bool = True


@dataclass(frozen=True, kw_only=True)
class Partitions:
    """How a stream is cut into parts that are read and committed each by itself, in any order and side by side.

    Either ``every`` is set, a calendar from ``start`` to before ``end`` (ISO dates or times) in ``timezone``, or
    ``keys``, which maps each part's name to the values of ``column`` that it has. ``clocks`` is the zone of a column
    that keeps times without one.
    """

    column: str
    every: Every | None = None
    start: str = ""
    end: str | None = None
    timezone: str = "UTC"
    clocks: str = "UTC"
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Slice:
    """One part of a partitioned stream, Dagster's partition ``key``: rows whose ``column`` lies in ``[lower, upper)``.

    The bounds are ISO 8601 with an offset; a part of named ``values`` has none of them. ``clocks`` is the zone of a
    column that keeps times without one.
    """

    key: str
    column: str
    lower: str | None = None
    upper: str | None = None
    clocks: str = "UTC"
    values: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a plugin runs: the name of a launcher, options for its ``Config``, and why there, for people."""

    launcher: str
    options: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where rows come from. ``options`` go to the connector's ``Config``, or to the plugin, as they are.

    ``plugin`` is what the job calls `custom_reader`; ``place`` says where it runs, None for the default.
    """

    connector: str
    options: Mapping[str, Any] = field(default_factory=dict)
    incremental: Incremental | None = None
    plugin: str | None = None
    place: Place | None = None
    description: str = ""


@dataclass(frozen=True, kw_only=True)
class Partition:
    """One partition field: an Iceberg transform over a column.

    ``transform`` is identity, year, month, day, hour, ``bucket[n]`` or ``truncate[n]``. The column ``ingest_date``
    may be virtual: when the contract has no such field, it is the UTC date of the run.
    """

    column: str
    transform: str = "identity"

    @property
    def name(self) -> str:
        """Name the partition field as Iceberg's engines do."""
        kind = self.transform.partition("[")[0]
        return self.column if kind == "identity" else f"{self.column}_{'trunc' if kind == 'truncate' else kind}"


@dataclass(frozen=True, kw_only=True)
class Evolution:
    """Which differences between contract and table a run may apply to the table; the rest refuse the run."""

    add: bool = True
    widen: bool = True
    relax: bool = True
    drop: bool = False
    rename: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Merge:
    """How the rows of a run meet those that are there, in the modes ``merge`` and ``scd2``.

    Args:
        key: The columns that tell which rows are the same thing; never NULL.
        order_by: Of several rows with one key the one with the highest value counts, also against the table's own;
            None refuses several in one run, and takes what comes over what is there.
        deleted_column: A row is a deletion where this is true or, in a column that is not boolean, not NULL.
        delete_missing: What a full read of the source no longer has is deleted.
        valid_from: Name of the column, in ``scd2``, that says since when a version holds: the value of ``order_by``
            where that is a moment, else the time of the run.
        valid_to: Name of the column that says until when, exclusive; NULL while it holds.
        is_current: Name of the column that says whether it holds.
    """

    key: tuple[str, ...]
    order_by: str | None = None
    deleted_column: str | None = None
    delete_missing: bool = False
    valid_from: str = "valid_from"
    valid_to: str = "valid_to"
    is_current: str = "is_current"


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where rows go. ``options`` go to the table's ``Config``, or to the plugin, as they are.

    ``plugin`` is what the job calls `custom_writer`. It lays down files that the table of ``connector`` commits, unless
    ``connector`` is ``plugin``: then it commits by itself. With ``audited`` a run commits to a branch of its own, which
    is published once its checks have passed.
    """

    connector: str
    options: Mapping[str, Any] = field(default_factory=dict)
    table: str = ""
    mode: WriteMode = "append"
    merge: Merge | None = None
    audited: bool = False
    partitioning: tuple[Partition, ...] = ()
    evolution: Evolution = field(default_factory=Evolution)
    file_size_bytes: int = 128 * 1024 * 1024
    compression: str = "zstd"
    plugin: str | None = None
    place: Place | None = None
    description: str = ""


@dataclass(frozen=True, kw_only=True)
class Validation:
    """What becomes of rows that break the contract, and when there are too many of them."""

    mode: ValidationMode = "strict"
    max_rejected: int | None = None
    max_rejected_percent: float | None = None


@dataclass(frozen=True, kw_only=True)
class Retry:
    """When a failed step runs again: exponential delays, capped. Errors that are not retryable never do."""

    max_retries: int = 3
    initial_delay_seconds: float = 5.0
    max_delay_seconds: float = 300.0
    backoff_multiplier: float = 2.0


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """When a job runs by itself; ``cron`` in ``timezone``."""

    cron: str
    timezone: str = "UTC"
    enabled: bool = True


@dataclass(frozen=True, kw_only=True)
class JobStream:
    """One stream of a job: one table, one asset, one commit a run.

    ``slice`` is set once a run knows which part of a partitioned stream it is about.
    """

    name: str
    source: Source
    target: Target
    contract: Contract
    validation: Validation = field(default_factory=Validation)
    partitions: Partitions | None = None
    slice: Slice | None = None

    @property
    def object(self) -> str:
        """Name what is read at the source."""
        return self.contract.object or self.name


@dataclass(frozen=True, kw_only=True)
class Job:
    """One YAML job, complete.

    ``governance`` has what the job says over its contracts, as keyword arguments of `config.tags.derive_tags`.
    ``notes`` names, with file and line, each setting of the earlier system that has no effect here. ``variables``
    gives the names of variables by the values that were put in for them; ``secrets`` are texts that nobody is to see,
    known once the job is loaded for a run. ``sandbox`` is what the job itself says of one, and ``mode`` what it was
    started with: ``cloud`` confines plugins that the job gives no place.
    """

    name: str
    tenant: str
    path: Path
    streams: tuple[JobStream, ...]
    description: str = ""
    environment: str | None = None
    schedule: Schedule | None = None
    retry: Retry = field(default_factory=Retry)
    owners: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    log_level: str = "INFO"
    redact_logs: bool = False
    sandbox: Mapping[str, Any] | None = None
    mode: str = MODES[0]
    governance: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    catalog: Mapping[str, Any] | None = None
    parallelism: int = 0
    notes: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    secrets: frozenset[str] = field(default=frozenset(), repr=False, compare=False)

    @property
    def units_at_once(self) -> int:
        """Say how many units of a stream are read at once: the job's own number, else one a core and at most four."""
        return self.parallelism or min(os.cpu_count() or 1, MOST_UNITS)

    @property
    def partitions(self) -> Partitions | None:
        """Give how the job is cut: all of its streams by the same keys, or none."""
        return self.streams[0].partitions

    def stream(self, name: str) -> JobStream:
        """Give the stream called ``name``; KeyError when the job has none."""
        return {s.name: s for s in self.streams}[name]

    def key(self, stream: JobStream) -> str:
        """Name the state of one stream of this job in its table: ``<tenant>.<job>.<stream>[@<partition>]``."""
        part = f"@{stream.slice.key}" if stream.slice else ""
        return f"{self.tenant}.{self.name}.{stream.name}{part}"

    def fingerprint(self, stream: JobStream) -> str:
        """Give a short digest of all that changes what a run of ``stream`` writes; secrets and places do not."""
        facts = {
            "fields": [(f.name, str(f.type), f.required) for f in stream.contract.fields],
            "rules": [(r.id, dict(r.parameters)) for r in stream.contract.rules],
            "mode": stream.target.mode,
            **({"merge": repr(stream.target.merge)} if stream.target.merge else {}),
            "validation": stream.validation.mode,
            "table": stream.target.table,
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class SourceContext:
    """What a connector's reader may know beside its own options. Relative paths start at ``base``.

    ``object`` is the stream's name at the source, as the reader is asked for it. ``session`` is what the connector's
    own ``open_session`` gave, for streams that are read from one snapshot. ``mode`` is how the rows are written, and
    ``parallelism`` how many units of the stream are read at once.
    """

    base: Path
    contract: Contract
    object: str = ""
    incremental: Incremental | None = None
    slice: Slice | None = None
    session: Any = None
    mode: WriteMode = "append"
    parallelism: int = 1


@dataclass(frozen=True, kw_only=True)
class TableSpec:
    """What a table must know beside its own options. ``properties`` go to the table's own metadata.

    ``plugin`` opens the custom writer of the target, when it has one.
    """

    identifier: str
    contract: Contract
    base: Path
    run_date: date
    mode: WriteMode = "append"
    merge: Merge | None = None
    slice: Slice | None = None
    audited: bool = False
    partitioning: tuple[Partition, ...] = ()
    evolution: Evolution = field(default_factory=Evolution)
    file_size_bytes: int = 128 * 1024 * 1024
    compression: str = "zstd"
    properties: Mapping[str, str] = field(default_factory=dict)
    plugin: Callable[[], AbstractContextManager[WriterPlugin]] | None = None
