"""One unit of a stream: read, held against its contract and written, its rejected rows aside. `stage` runs many."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dativo_dagster.validation.enforce import Enforcer
from dativo_ingest.ending import closed_after
from dativo_ingest.exceptions import ValidationError
from dativo_ingest.model import Counts, DataFile, Stream, Unit, Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dativo_dagster.config.job import Job, JobStream
    from dativo_dagster.pipeline.meter import Meter
    from dativo_dagster.pipeline.plan import Plan
    from dativo_dagster.validation.compile import Compiled
    from dativo_ingest.protocols import Reader, Writer

REJECTED_BUFFER_BYTES = 32 * 1024 * 1024


class Stopped(Exception):  # noqa: N818 - a signal between our threads, not an error of anybody's
    """Another unit failed; this one gives up."""


@dataclass
class Part:
    """What came out of one unit."""

    files: list[DataFile] = field(default_factory=list)
    quarantine: list[DataFile] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    violations: tuple[Violation, ...] = ()


@dataclass
class Stage:
    """All that the units of one stream share while they are staged; ``done`` is what came out, by the unit's id."""

    job: Job
    stream: JobStream
    plan: Plan
    run_id: str
    reader: Reader
    source: Stream
    writer: Writer
    quarantine: Callable[[], Writer]
    compiled: Compiled
    meter: Meter
    stop: threading.Event = field(default_factory=threading.Event)
    rejected: int = 0
    done: dict[str, Part] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def unit(self, unit: Unit) -> None:
        """Read, validate and write one unit; it is ``done`` then."""
        if self.stop.is_set():
            raise Stopped
        part = Part()
        self.meter.start(unit)
        try:
            enforcer = Enforcer(self.compiled, run_id=self.run_id)
            rejects = Rejects(self, unit, part)
            with closed_after(self._good(unit, enforcer, rejects, part)) as good:
                part.files += self.writer.write(good, unit_name(unit))
            rejects.flush()
            part.violations = enforcer.violations()
        except BaseException:
            self.stop.set()
            self.discard(part)
            raise
        self.done[unit.id] = part
        self.meter.finish(unit)

    def discard(self, part: Part) -> None:
        """Remove the files of a unit that will not be committed."""
        self.writer.abort(part.files)
        if part.quarantine:
            self.quarantine().abort(part.quarantine)

    def _good(self, unit: Unit, enforcer: Enforcer, rejects: Rejects, part: Part) -> Iterator[Any]:
        strict = self.stream.validation.mode == "strict"
        first_row = 1
        with closed_after(self.reader.read(self.source, unit)) as batches:
            for batch in batches:
                if self.stop.is_set():
                    raise Stopped
                verdict = enforcer.check(batch, source=unit.id, first_row=first_row)
                first_row += batch.num_rows
                lost = verdict.rejected.num_rows if verdict.rejected is not None else 0
                part.counts += Counts(
                    read=batch.num_rows, written=verdict.good.num_rows, rejected=lost, nulled=verdict.nulled
                )
                self.meter.add(batch.num_rows)
                if lost and not strict:
                    rejects.add(verdict.rejected, enforcer.violations())
                # A strict run that already failed is read on for its counts, but there is no use in writing it.
                if not (strict and part.counts.rejected):
                    yield verdict.good

    def count_rejected(self, rows: int, violations: Sequence[Violation]) -> None:
        """Fail early once the absolute limit of rejected rows is passed."""
        with self.lock:
            self.rejected += rows
            limit = self.stream.validation.max_rejected
            if limit is not None and self.rejected > limit:
                raise ValidationError(
                    f"stream {self.stream.name!r}: more than max_rejected = {limit} rows broke the contract; nothing "
                    f"was committed.\n{describe(violations)}\nMend the source or the contract, or raise the limit",
                    "TOO_MANY_REJECTED",
                    {
                        "limit": limit,
                        "rejected_at_least": self.rejected,
                        "violations": [v.to_json() for v in violations],
                    },
                )


@dataclass
class Rejects:
    """Collects the rejected rows of one unit and writes them in files of a bounded size."""

    stage: Stage
    unit: Unit
    part: Part
    batches: list[Any] = field(default_factory=list)
    size: int = 0

    def add(self, batch: Any, violations: Sequence[Violation]) -> None:
        """Keep one batch of rejected rows; ``violations`` is what the unit has counted so far."""
        self.stage.count_rejected(batch.num_rows, violations)
        self.batches.append(batch)
        self.size += batch.nbytes
        if self.size >= REJECTED_BUFFER_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what is kept."""
        if self.batches:
            name = f"{unit_name(self.unit)}-{len(self.part.quarantine)}"
            self.part.quarantine += self.stage.quarantine().write(self.batches, name)
            self.batches, self.size = [], 0


def describe(violations: Sequence[Violation]) -> str:
    """Give one line a rule: how often it was broken and the first place where."""
    lines = [f"  {v.rule}: {v.count:,} rows" + (f", first {v.sample[0]}" if v.sample else "") for v in violations]
    return "\n".join(lines)


def unit_name(unit: Unit) -> str:
    """Give a unit's id in letters that are safe in a file name, and unique."""
    safe = "".join(c if c.isalnum() and c.isascii() else "_" for c in unit.id.rsplit("/", 1)[-1])[:40]
    return f"{safe}-{hashlib.sha256(unit.id.encode()).hexdigest()[:8]}"
