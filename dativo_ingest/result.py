"""What happened: the values that the CLI prints and that Dagster shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dativo_ingest.model import CheckResult, Column, Counts, Snapshot, Usage, Value, Violation


@dataclass(frozen=True, kw_only=True)
class Progress(Value):
    """How far a stream is, since its start. ``bytes`` are bytes of source files; ``total_bytes`` 0 is unknown."""

    stream: str
    rows: int = 0
    bytes: int = 0
    total_bytes: int = 0
    units: int = 0
    total_units: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class StreamResult(Value):
    """The outcome of one stream.

    ``status`` is committed, nothing_new, already_committed, evaluated or failed; a failed one has ``error``, as
    `DativoError.to_dict` gives it. ``quarantine`` is the URI of the dataset of rejected rows, when there are any.
    ``partition`` is the key of the part of the stream that the run was about, and ``bounds`` the window's.
    """

    job: str
    tenant: str
    stream: str
    table: str
    status: str
    token: str = ""
    mode: str = ""
    reason: str = ""
    counts: Counts = field(default_factory=Counts)
    files: int = 0
    bytes: int = 0
    units: int = 0
    skipped: int = 0
    seconds: float = 0.0
    snapshot: Snapshot | None = None
    columns: tuple[Column, ...] = ()
    violations: tuple[Violation, ...] = ()
    checks: tuple[CheckResult, ...] = ()
    usage: tuple[Usage, ...] = ()
    quarantine: str | None = None
    partition: str | None = None
    bounds: Mapping[str, str] = field(default_factory=dict)
    error: Mapping[str, Any] | None = None

    @property
    def exit_code(self) -> int:
        """Give 0 when all is well, 1 when rows are there and something of the contract is broken, 2 on failure."""
        if self.status == "failed":
            return 2
        return 1 if self.violations or not all(check.passed for check in self.checks) else 0


@dataclass(frozen=True, kw_only=True)
class JobResult(Value):
    """The outcome of a job: each stream on its own, one failing changes nothing of another."""

    job: str
    tenant: str
    run_id: str
    streams: tuple[StreamResult, ...] = ()
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """Give the worst of the streams' codes."""
        return max((s.exit_code for s in self.streams), default=0)
