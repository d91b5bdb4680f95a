"""A job as the platform sees it: frozen, complete, the same for every shape of file it was written in.

`config.load` makes it from YAML; nothing after that reads YAML. Connector options are still plain mappings here,
checked against the connector's own ``Config``; secrets are in them only once the job was loaded for a run.
"""

from __future__ import annotations

import hashlib
import json
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
WriteMode = Literal["append", "overwrite", "overwrite_partitions"]
PLUGIN = "plugin"
"""The connector of a side that a plugin takes alone."""


@dataclass(frozen=True, kw_only=True)
class Incremental:
    """Which part of the source is new. ``strategy`` is one of the earlier system's names."""

    strategy: str
    cursor_field: str | None = None
    lookback_days: int = 0
    state_path: str | None = None


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a plugin runs: the name of a launcher, and options for its ``Config``."""

    launcher: str
    options: Mapping[str, Any] = field(default_factory=dict)


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
class Target:
    """Where rows go. ``options`` go to the table's ``Config``, or to the plugin, as they are.

    ``plugin`` is what the job calls `custom_writer`. It lays down files that the table of ``connector`` commits, unless
    ``connector`` is ``plugin``: then it commits by itself.
    """

    connector: str
    options: Mapping[str, Any] = field(default_factory=dict)
    table: str = ""
    mode: WriteMode = "append"
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
    """One stream of a job: one table, one asset, one commit."""

    name: str
    source: Source
    target: Target
    contract: Contract
    validation: Validation = field(default_factory=Validation)

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
    known once the job is loaded for a run.
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
    governance: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    catalog: Mapping[str, Any] | None = None
    parallelism: int = 0
    notes: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    secrets: frozenset[str] = field(default=frozenset(), repr=False, compare=False)

    def stream(self, name: str) -> JobStream:
        """Give the stream called ``name``; KeyError when the job has none."""
        return {s.name: s for s in self.streams}[name]

    def key(self, stream: JobStream) -> str:
        """Name the state of one stream of this job in its table: ``<tenant>.<job>.<stream>``."""
        return f"{self.tenant}.{self.name}.{stream.name}"

    def fingerprint(self, stream: JobStream) -> str:
        """Give a short digest of all that changes what a run of ``stream`` writes; secrets and places do not."""
        facts = {
            "fields": [(f.name, str(f.type), f.required) for f in stream.contract.fields],
            "rules": [(r.id, dict(r.parameters)) for r in stream.contract.rules],
            "mode": stream.target.mode,
            "validation": stream.validation.mode,
            "table": stream.target.table,
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class SourceContext:
    """What a connector's reader may know beside its own options. Relative paths start at ``base``."""

    base: Path
    contract: Contract
    incremental: Incremental | None = None


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
    partitioning: tuple[Partition, ...] = ()
    evolution: Evolution = field(default_factory=Evolution)
    file_size_bytes: int = 128 * 1024 * 1024
    compression: str = "zstd"
    properties: Mapping[str, str] = field(default_factory=dict)
    plugin: Callable[[], AbstractContextManager[WriterPlugin]] | None = None
