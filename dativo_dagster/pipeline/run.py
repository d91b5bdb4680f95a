"""The three verbs of a run: plan, extract_write and commit.

Dagster's ops, `pipeline.jobs`, the CLI and the tests all call these; each verb opens the parts it needs, so that the
three may run in different processes with nothing between them but small JSON.
"""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

from dativo_dagster.config.forplugins import source_stream
from dativo_dagster.owner import running
from dativo_dagster.pipeline.assemble import OURS, Openers, open_quarantine
from dativo_dagster.pipeline.checked import with_checks
from dativo_dagster.pipeline.guard import audit, can_be_merged, first_cursor
from dativo_dagster.pipeline.mirror import keep_up, looked_at
from dativo_dagster.pipeline.plan import Plan, make_plan, make_token
from dativo_ingest.model import Counts, Snapshot, Staged
from dativo_ingest.result import Progress, StreamResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from dativo_dagster.config.job import Job, JobStream
    from dativo_dagster.pipeline.ledger import Attempt
    from dativo_ingest.protocols import Table, Writer

SOURCE_TAGS = "source_tags"
"""Key of a unit, and keyword of `config.tags.derive_tags`."""
ADDING = frozenset({"append", "merge", "scd2"})
"""Modes in which no rows leave the table as it is."""


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
