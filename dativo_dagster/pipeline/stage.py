"""From a plan to files: every unit is read, validated and written; nothing of it is visible yet.

Units run side by side in threads: reading, decoding and encoding all leave the interpreter's lock. One failing
unit stops the others at their next batch and every file of the attempt is removed.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from dativo_dagster.pipeline.meter import Meter
from dativo_dagster.validation.compile import Compiled, compile_contract
from dativo_dagster.validation.enforce import Enforcer
from dativo_ingest.exceptions import DativoError, ValidationError
from dativo_ingest.model import Counts, DataFile, Staged, Stream, Unit, Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dativo_dagster.config.job import Job, JobStream
    from dativo_dagster.pipeline.plan import Plan
    from dativo_ingest.protocols import Reader, Table, Writer
    from dativo_ingest.result import Progress

STOP_SECONDS = 10.0
REJECTED_BUFFER_BYTES = 32 * 1024 * 1024
SAMPLE = 10


class Stopped(Exception):  # noqa: N818 - a signal between our threads, not an error of anybody's
    """Another unit failed; this one gives up."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The live parts that a plan is carried out with; ``quarantine`` opens its writer when first called."""

    reader: Reader
    source: Stream
    table: Table
    quarantine: Callable[[], Writer]


@dataclass
class Part:
    """What came out of one unit."""

    files: list[DataFile] = field(default_factory=list)
    quarantine: list[DataFile] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    violations: tuple[Violation, ...] = ()


@dataclass
class Stage:
    """All that the units of one stream share while they are staged."""

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
    lock: threading.Lock = field(default_factory=threading.Lock)

    def unit(self, unit: Unit) -> Part:
        """Read, validate and write one unit."""
        part = Part()
        self.meter.start(unit)
        try:
            enforcer = Enforcer(self.compiled, run_id=self.run_id)
            rejects = Rejects(self, unit, part)
            good = self._good(unit, enforcer, rejects, part)
            part.files += self.writer.write(good, unit_name(unit))
            rejects.flush()
            part.violations = enforcer.violations()
        except BaseException:
            self.stop.set()
            self.discard(part)
            raise
        self.meter.finish(unit)
        return part

    def discard(self, part: Part) -> None:
        """Remove the files of a unit that will not be committed."""
        self.writer.abort(part.files)
        if part.quarantine:
            self.quarantine().abort(part.quarantine)

    def _good(self, unit: Unit, enforcer: Enforcer, rejects: Rejects, part: Part) -> Iterator[Any]:
        strict = self.stream.validation.mode == "strict"
        first_row = 1
        for batch in self.reader.read(self.source, unit):
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


def stage(
    job: Job,
    stream: JobStream,
    plan: Plan,
    parts: Parts,
    *,
    run_id: str,
    report: Callable[[Progress], None] | None = None,
) -> Staged:
    """Carry a plan out up to the commit.

    Raises:
        ValidationError: Rows broke the contract and the job says that this fails the run. ``details["violations"]``
            has the counts and samples.
        DativoError: Whatever the reader or the writer raised. In every case no file of the attempt is left.
    """
    writer, failed = parts.table.writer(plan.token), True
    try:
        staged = _staged(job, stream, plan, parts, writer, run_id=run_id, report=report)
        failed = False
    finally:
        writer.close(failed=failed)
    return staged


def _staged(
    job: Job,
    stream: JobStream,
    plan: Plan,
    parts: Parts,
    writer: Writer,
    *,
    run_id: str,
    report: Callable[[Progress], None] | None,
) -> Staged:
    units = plan.window.units
    total_bytes = sum(u.bytes or 0 for u in units)
    work = Stage(
        job=job,
        stream=stream,
        plan=plan,
        run_id=run_id,
        reader=parts.reader,
        source=parts.source,
        writer=writer,
        quarantine=parts.quarantine,
        compiled=compile_contract(stream.contract, stream.validation),
        meter=Meter(
            stream=stream.name,
            reader=parts.reader,
            total_units=len(units),
            total_bytes=total_bytes,
            report=report,
        ),
    )
    done = _run_units(work)
    counts = sum((p.counts for p in done), Counts(bytes_read=total_bytes))
    violations = merge_violations([v for p in done for v in p.violations])
    try:
        _judge(stream, counts, violations)
        cursor = parts.reader.reached(plan.window)
    except DativoError:
        for part in done:
            work.discard(part)
        raise
    return Staged(
        token=plan.token,
        key=plan.key,
        mode=plan.mode,
        files=tuple(f for p in done for f in p.files),
        quarantine=tuple(f for p in done for f in p.quarantine),
        cursor=cursor,
        counts=counts,
        violations=violations,
        table=parts.table.prepared(),
        properties={"dativo.job": job.name, "dativo.stream": stream.name, "dativo.run-id": run_id},
        at=datetime.now(timezone.utc).isoformat(timespec="microseconds"),
        whole=plan.window.whole or stream.slice is not None,  # a run of a slice reads all of it
        usage=tuple(getattr(parts.reader, "usage", ())),
    )


def _run_units(work: Stage) -> list[Part]:
    units = work.plan.window.units
    pool = ThreadPoolExecutor(parallelism(work.job, len(units)), thread_name_prefix=f"unit-{work.stream.name}")
    futures: list[Future[Part]] = [pool.submit(work.unit, u) for u in units]
    try:
        wait(futures, return_when=FIRST_EXCEPTION)
        for future in futures:
            _raise_first(future)
        return [f.result() for f in futures]
    except BaseException:
        # Also on cancel: stop the others at their next batch, or at once where a plugin can be, then leave no file.
        work.stop.set()
        if cancel := getattr(work.reader, "cancel", None):
            cancel()
        pool.shutdown(wait=False, cancel_futures=True)
        # `wait` never counts a cancelled future as done, it would always take its whole time.
        done, _ = wait([f for f in futures if not f.cancelled()], timeout=STOP_SECONDS)
        for future in done:
            if not future.cancelled() and future.exception() is None:
                work.discard(future.result())
        raise
    finally:
        pool.shutdown(wait=False)


def _raise_first(future: Future[Part]) -> None:
    if future.done() and not future.cancelled():
        error = future.exception()
        if error is not None and not isinstance(error, Stopped):
            raise error


def _judge(stream: JobStream, counts: Counts, violations: Sequence[Violation]) -> None:
    rules = stream.validation
    if rules.mode == "strict" and violations:
        raise ValidationError(
            f"stream {stream.name!r}: {counts.rejected:,} of {counts.read:,} rows broke the contract "
            f"{stream.contract.name!r} and validation is strict; nothing was committed.\n{describe(violations)}\nMend "
            "the source or the contract, or set `validation: quarantine` to keep such rows aside",
            "VALIDATION_FAILED",
            {"violations": [v.to_json() for v in violations], "counts": counts.to_json()},
        )
    percent = 100 * counts.rejected / counts.read if counts.read else 0.0
    if rules.max_rejected_percent is not None and percent > rules.max_rejected_percent:
        raise ValidationError(
            f"stream {stream.name!r}: {percent:.2f} % of {counts.read:,} rows broke the contract, more than "
            f"max_rejected_percent = {rules.max_rejected_percent}; nothing was committed.\n{describe(violations)}",
            "TOO_MANY_REJECTED",
            {"violations": [v.to_json() for v in violations], "counts": counts.to_json()},
        )


def describe(violations: Sequence[Violation]) -> str:
    """Give one line a rule: how often it was broken and the first place where."""
    lines = [f"  {v.rule}: {v.count:,} rows" + (f", first {v.sample[0]}" if v.sample else "") for v in violations]
    return "\n".join(lines)


def merge_violations(violations: Sequence[Violation]) -> tuple[Violation, ...]:
    """Add up what several units counted, rule by rule, most broken first."""
    totals: Counter[tuple[str, str | None]] = Counter()
    samples: dict[tuple[str, str | None], list[str]] = {}
    for violation in violations:
        key = (violation.rule, violation.column)
        totals[key] += violation.count
        samples.setdefault(key, []).extend(violation.sample)
    return tuple(
        Violation(rule=rule, column=column, count=count, sample=tuple(samples[rule, column][:SAMPLE]))
        for (rule, column), count in totals.most_common()
    )


def parallelism(job: Job, units: int) -> int:
    """Say how many of ``units`` run at once."""
    return max(1, min(units, job.units_at_once))


def unit_name(unit: Unit) -> str:
    """Give a unit's id in letters that are safe in a file name, and unique."""
    safe = "".join(c if c.isalnum() and c.isascii() else "_" for c in unit.id.rsplit("/", 1)[-1])[:40]
    return f"{safe}-{hashlib.sha256(unit.id.encode()).hexdigest()[:8]}"
