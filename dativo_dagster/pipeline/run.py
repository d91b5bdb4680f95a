"""The three verbs of a run, plan, extract_write and commit, and what stands around them.

Dagster's ops, the CLI and the tests all call these; each verb opens the parts it needs, so that the three may run
in different processes with nothing between them but small JSON.
"""

from __future__ import annotations

import dataclasses
import threading
import time
import traceback
import uuid
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from dativo_dagster import registry
from dativo_dagster.config.forplugins import source_stream
from dativo_dagster.owner import running
from dativo_dagster.pipeline.assemble import OURS, Openers, open_quarantine, open_reader, open_table
from dativo_dagster.pipeline.guard import audit, can_be_merged, first_cursor
from dativo_dagster.pipeline.mirror import keep_up, looked_at
from dativo_dagster.pipeline.plan import Plan, make_plan, make_token
from dativo_dagster.pipeline.sessions import Sessions
from dativo_dagster.pipeline.telling import whole_traceback
from dativo_ingest.exceptions import DativoError, wrap_exception
from dativo_ingest.model import CheckResult, Counts, DataFile, Snapshot, Staged, Stream
from dativo_ingest.result import JobResult, Progress, StreamResult
from dativo_ingest.worker.errors import TRACEBACK

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from dativo_dagster.config.job import Job, JobStream
    from dativo_dagster.pipeline.ledger import Attempt
    from dativo_ingest.protocols import Table, Writer


SOURCE_TAGS = "source_tags"
"""Key of a unit, and keyword of `config.tags.derive_tags`."""
ADDING = frozenset({"append", "merge", "scd2"})
"""Modes in which no rows leave the table as it is."""
LOOK_SECONDS = 0.5
"""How long an interrupt can go unseen while streams run side by side."""


def plan_stream(job: Job, stream: JobStream, openers: Openers = OURS) -> Plan:
    """Look at the source and the table and decide what a run would do. Writes nothing."""
    table = openers.table(job, stream)
    state = table.state(job.key(stream))
    known = looked_at(job, stream, state)
    with openers.reader(job, known) as reader:
        since = state.cursor if state else first_cursor(job, known, table, reader)
        window = reader.split(source_stream(stream), since)
    can_be_merged(stream, window)
    token = make_token(job, stream, window, state)
    return make_plan(job, stream, window, state=state, committed=table.committed(token), changes=table.changes())


def extract_write(
    job: Job,
    stream: JobStream,
    plan: Plan,
    openers: Openers = OURS,
    *,
    run_id: str,
    attempt: Attempt | None = None,
    report: Callable[[Progress], None] | None = None,
) -> Staged:
    """Read, validate and write what the plan names; see `stage.stage` for what is raised."""
    from dativo_dagster.pipeline.stage import ONLY, Parts, stage

    table = openers.table(job, stream)
    if plan.empty:
        return Staged(token=plan.token, key=plan.key, mode=plan.mode, cursor=plan.window.after)
    opened: list[Writer] = []

    def quarantine() -> Writer:
        if not opened:
            opened.append(open_quarantine(job, stream, table).writer(plan.token))
        return opened[0]

    with openers.reader(job, stream) as reader:
        parts = Parts(reader=reader, source=source_stream(stream), table=table, quarantine=quarantine)
        return stage(job, stream, plan, parts, run_id=run_id, attempt=attempt or ONLY, report=report)


def commit(
    job: Job,
    stream: JobStream,
    plan: Plan,
    staged: Staged,
    openers: Openers = OURS,
    *,
    started: float | None = None,
) -> StreamResult:
    """Make what was staged visible, exactly once, and say what happened.

    The quarantine is committed first: a run that dies between the two is repeated with the same token, finds the
    rejected rows in place and commits the rest.
    """
    table = openers.table(_tagged(job, plan), stream)
    snapshot, idle = plan.committed, _nothing_came(plan, staged)
    if not plan.empty and not idle:
        if staged.quarantine:
            _commit_rejected(open_quarantine(job, stream, table), staged)
        snapshot = table.commit(staged)

    def told(snapshot: Snapshot | None) -> StreamResult:
        seconds = time.monotonic() - started if started is not None else 0.0
        return with_checks(stream, _result(job, stream, plan, staged, table, snapshot, idle=idle, seconds=seconds))

    result = told(snapshot)
    if snapshot is not None and snapshot.branch:
        audit(stream, result, table)
        result = told(table.publish(staged, snapshot))
    keep_up(job, stream, table)
    return result


def _result(
    job: Job,
    stream: JobStream,
    plan: Plan,
    staged: Staged,
    table: Table,
    snapshot: Snapshot | None,
    *,
    idle: bool,
    seconds: float,
) -> StreamResult:
    return StreamResult(
        job=job.name,
        tenant=job.tenant,
        stream=stream.name,
        table=plan.table,
        status=_status(plan, snapshot),
        token=plan.token,
        mode=plan.mode,
        reason="the source gave no rows beyond the last commit" if idle and not plan.empty else plan.reason,
        counts=staged.counts,
        files=len(staged.files),
        bytes=sum(f.bytes for f in staged.files),
        units=len(plan.window.units),
        skipped=plan.window.skipped,
        seconds=seconds,
        snapshot=snapshot,
        columns=tuple(table.columns()),
        violations=staged.violations,
        usage=staged.usage,
        quarantine=table.location() + "_quarantine" if staged.quarantine else None,
        partition=stream.slice.key if stream.slice else None,
        bounds=plan.window.bounds,
    )


def _tagged(job: Job, plan: Plan) -> Job:
    """Give the job with the classes that a custom reader knows of its columns; the contract's own go before them."""
    tags = {k: v for unit in plan.window.units for k, v in unit.spec.get(SOURCE_TAGS, {}).items()}
    return dataclasses.replace(job, governance={**job.governance, SOURCE_TAGS: tags}) if tags else job


def _nothing_came(plan: Plan, staged: Staged) -> bool:
    """Say whether a reader that only knows while it reads found nothing new: no rows, and the cursor where it was.

    Where all was read, of the source or of its part, nothing may mean that all was deleted.
    """
    moved = not plan.known or staged.whole or staged.cursor != plan.window.before
    return plan.mode in ADDING and not (staged.files or staged.quarantine or moved)


def _commit_rejected(quarantine: Table, staged: Staged) -> None:
    quarantine.commit(
        Staged(
            token=staged.token,
            key=staged.key,
            mode="append",
            files=staged.quarantine,
            counts=Counts(read=staged.counts.rejected, written=staged.counts.rejected),
            table=quarantine.prepared(),
            properties=staged.properties,
        )
    )


def _status(plan: Plan, snapshot: Snapshot | None) -> str:
    if snapshot is None:
        return "nothing_new"
    return "already_committed" if plan.empty or not snapshot.fresh else "committed"


def with_checks(stream: JobStream, result: StreamResult) -> StreamResult:
    """Add what every check on the shelf says of a result."""
    outcomes = [
        outcome
        for name in registry.entries("checks")
        for outcome in registry.load("checks", name).evaluate(result, stream)
    ]
    return dataclasses.replace(result, checks=tuple(outcomes))


def run_stream(
    job: Job,
    stream: JobStream,
    openers: Openers = OURS,
    *,
    run_id: str,
    report: Callable[[Progress], None] | None = None,
) -> StreamResult:
    """Run one stream from plan to commit."""
    started = time.monotonic()
    with running(run_id):
        plan = plan_stream(job, stream, openers)
        staged = extract_write(job, stream, plan, openers, run_id=run_id, report=report)
        return commit(job, stream, plan, staged, openers, started=started)


def run_job(
    job: Job,
    *,
    streams: Sequence[JobStream] | None = None,
    parallel: int = 1,
    run_id: str | None = None,
    report: Callable[[Progress], None] | None = None,
) -> JobResult:
    """Run the streams of a job; a failing one is reported and the others go on.

    Args:
        job: The job.
        streams: Some of its streams, or parts of them, as `parts.chosen` gives them; all streams when left out.
        parallel: How many run at once.
        run_id: The run's; a new one when left out.
        report: Told of progress, by one thread at a time for each stream.
    """
    run_id, started = run_id or str(uuid.uuid4()), time.monotonic()
    wanted, interrupted = job.streams if streams is None else streams, threading.Event()

    def told(progress: Progress) -> None:
        if interrupted.is_set():
            raise DativoError("interrupted by somebody", "CANCELLED")
        if report is not None:
            report(progress)

    def run(stream: JobStream) -> StreamResult:
        begun = time.monotonic()
        try:
            return run_stream(job, stream, openers, run_id=run_id, report=told)
        except Exception as error:  # noqa: BLE001 - the border between streams: reported in the result, never lost
            return failed(job, stream, error, seconds=time.monotonic() - begun)

    with Sessions() as sessions:
        openers = sessions.openers()
        results = _side_by_side(run, wanted, parallel, interrupted) if parallel > 1 else [run(each) for each in wanted]
    return JobResult(
        job=job.name,
        tenant=job.tenant,
        run_id=run_id,
        streams=tuple(results),
        seconds=time.monotonic() - started,
    )


def _side_by_side(
    run: Callable[[JobStream], StreamResult],
    streams: Sequence[JobStream],
    parallel: int,
    interrupted: threading.Event,
) -> list[StreamResult]:
    """Run streams in threads; an interrupt ends those that run at their next batch, and starts no other."""
    with ThreadPoolExecutor(parallel, thread_name_prefix="stream") as threads:
        try:
            asked = [threads.submit(run, stream) for stream in streams]
            for each in asked:
                # A signal that comes just before a wait does not break it off: no wait is a long one.
                while not wait([each], LOOK_SECONDS).done:
                    pass
            return [each.result() for each in asked]
        except BaseException:
            interrupted.set()
            threads.shutdown(wait=False, cancel_futures=True)
            raise


def failed(job: Job, stream: JobStream, error: BaseException, *, seconds: float = 0.0) -> StreamResult:
    """Give the result of a stream that ended in an error; a foreign one, or a plugin's, has its traceback in it."""
    ours = wrap_exception(error)
    if ours is not error:
        ours.details["traceback"] = "".join(traceback.format_exception(error))
    elif told := whole_traceback(ours):
        ours.details[TRACEBACK] = told
    return StreamResult(
        job=job.name,
        tenant=job.tenant,
        stream=stream.name,
        table=stream.target.table,
        status="failed",
        mode=stream.target.mode,
        partition=stream.slice.key if stream.slice else None,
        error=ours.to_dict(),
        seconds=seconds,
    )


def evaluate(job: Job, stream: JobStream) -> StreamResult:
    """Hold the table as it stands against its contract: every row is read, nothing is written."""
    from dativo_dagster.config.job import Validation
    from dativo_dagster.validation.compile import compile_contract
    from dativo_dagster.validation.enforce import Enforcer

    table, started = open_table(job, stream), time.monotonic()
    columns = tuple(table.columns())
    promised = [c.name for c in columns if c.name in {f.name for f in stream.contract.fields}]
    enforcer = Enforcer(compile_contract(stream.contract, Validation(mode="quarantine")), run_id="")
    rows = kept = 0
    for batch in table.scan():
        # A table may have more than the contract asks for, such as a virtual partition column.
        kept += enforcer.check(batch.select(promised), source=table.identifier, first_row=rows + 1).good.num_rows
        rows += batch.num_rows
    return with_checks(
        stream,
        StreamResult(
            job=job.name,
            tenant=job.tenant,
            stream=stream.name,
            table=stream.target.table,
            status="evaluated",
            counts=Counts(read=rows, written=kept, rejected=rows - kept),
            columns=columns,
            violations=enforcer.violations(),
            seconds=time.monotonic() - started,
        ),
    )


def check_connection(job: Job, stream: JobStream, side: str) -> CheckResult:
    """Try to reach the ``source`` or the ``target`` of a stream; an error of ours is an answer, not an exception."""
    try:
        if side == "target":
            return open_table(job, stream).check()
        with open_reader(job, stream) as reader:
            return reader.check()
    except DativoError as error:
        return CheckResult.failed("connection", error)


def discover(job: Job, stream: JobStream) -> Sequence[Stream]:
    """List what the source of a stream has."""
    with open_reader(job, stream) as reader:
        return reader.discover()


def collect_garbage(job: Job, stream: JobStream, *, older_than: datetime, delete: bool) -> Sequence[DataFile]:
    """Find files that no commit names, of the table and of its quarantine, and remove them when told to."""
    table = open_table(job, stream)
    found: list[DataFile] = []
    for part in (table, open_quarantine(job, stream, table)):
        orphans = part.orphans(older_than)
        if delete and orphans:
            part.remove(orphans)
        found += orphans
    return found
