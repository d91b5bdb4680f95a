"""From a plan to files: every unit is read, validated and written; nothing of it is visible yet.

Units run side by side in threads: reading, decoding and encoding all leave the interpreter's lock. One failing
unit stops the others at their next batch and every file of the attempt is removed, but for those of finished units
where the step is about to be tried again, see `ledger`.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from dativo_dagster.pipeline.ledger import Attempt, ledger_of, let_go, take_over
from dativo_dagster.pipeline.meter import Meter
from dativo_dagster.pipeline.units import Stage, Stopped, describe
from dativo_dagster.validation.compile import compile_contract
from dativo_ingest.exceptions import ValidationError
from dativo_ingest.model import Counts, Staged, Stream, Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dativo_dagster.config.job import Job, JobStream
    from dativo_dagster.pipeline.plan import Plan
    from dativo_ingest.protocols import Reader, Table, Writer
    from dativo_ingest.result import Progress

ONLY = Attempt()
LOOK_SECONDS = 0.5
"""How long an interrupt can go unseen while units run."""
STOP_SECONDS = 10.0
CLEAN_SECONDS = 0.4
"""How long a custom writer may take to remove what it wrote when somebody waits for a run to be over."""
SAMPLE = 10


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The live parts that a plan is carried out with; ``quarantine`` opens its writer when first called."""

    reader: Reader
    source: Stream
    table: Table
    quarantine: Callable[[], Writer]


def stage(
    job: Job,
    stream: JobStream,
    plan: Plan,
    parts: Parts,
    *,
    run_id: str,
    attempt: Attempt = ONLY,
    report: Callable[[Progress], None] | None = None,
) -> Staged:
    """Carry a plan out up to the commit.

    Raises:
        ValidationError: Rows broke the contract and the job says that this fails the run. ``details["violations"]``
            has the counts and samples.
        DativoError: Whatever the reader or the writer raised. No file is left, unless ``attempt`` is not the last and
            the error may pass: then the next attempt of ``run_id`` finds the finished units.
    """
    writer, failed = parts.table.writer(plan.token), True
    try:
        staged = _staged(job, stream, plan, parts, writer, run_id=run_id, attempt=attempt, report=report)
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
    attempt: Attempt,
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
    ledger = ledger_of(work, parts.table) if not (attempt.first and attempt.last) else None
    try:
        if ledger is not None and not attempt.first:
            take_over(work, ledger)
        _run_units(work)
        done = [work.done[u.id] for u in units]
        counts = sum((p.counts for p in done), Counts(bytes_read=total_bytes))
        violations = merge_violations([v for p in done for v in p.violations])
        _judge(stream, counts, violations)
        cursor = parts.reader.reached(plan.window)
    except BaseException as error:
        let_go(work, ledger, attempt, error)
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
        usage=(*getattr(parts.reader, "usage", ()), *getattr(getattr(writer, "units", writer), "usage", ())),
    )


def _run_units(work: Stage) -> None:
    """Do what is not done yet."""
    units = [unit for unit in work.plan.window.units if unit.id not in work.done]
    pool = ThreadPoolExecutor(parallelism(work.job, len(units)), thread_name_prefix=f"unit-{work.stream.name}")
    futures: list[Future[None]] = []
    try:
        futures.extend(pool.submit(work.unit, u) for u in units)
        # A signal that comes just before a wait does not break it off: no wait is a long one.
        while running := [f for f in futures if not f.done()]:
            _raise_first(futures)
            wait(running, LOOK_SECONDS, FIRST_EXCEPTION)
        _raise_first(futures)
    except BaseException as error:
        # Also on cancel: stop the others at their next batch, or at once where a plugin can be.
        work.stop.set()
        _cancel(work.reader)
        pool.shutdown(wait=False, cancel_futures=True)
        # `wait` never counts a cancelled future as done, it would always take its whole time.
        begun = [f for f in futures if not f.cancelled()]
        patience = STOP_SECONDS if isinstance(error, Exception) else CLEAN_SECONDS
        if wait(begun, timeout=patience).not_done:
            _cancel(getattr(work.writer, "units", work.writer))
            wait(begun, timeout=STOP_SECONDS)
        raise
    finally:
        pool.shutdown(wait=False)


def _cancel(side: object) -> None:
    if cancel := getattr(side, "cancel", None):
        cancel()


def _raise_first(futures: Sequence[Future[None]]) -> None:
    for future in futures:
        error = future.exception() if future.done() else None
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
