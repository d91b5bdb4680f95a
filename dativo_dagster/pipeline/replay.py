"""Quarantined rows that are good by now land in the table, once.

The table's commit comes first and is the decision: under the state key ``<stream>#replay`` it says which replay landed.
Its token is made from the replay before it, so that of several at once, whatever they looked at, one lands. The
quarantine follows, and whoever comes next ends what is open before looking at anything.
"""

from __future__ import annotations

import dataclasses
import hashlib
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from dativo_dagster.config.job import Validation
from dativo_dagster.pipeline.assemble import OURS, Openers, open_quarantine
from dativo_dagster.pipeline.late import as_replayed
from dativo_dagster.state.keys import REPLAY
from dativo_dagster.state.patience import tries
from dativo_ingest.exceptions import CommitError, DativoError, ValidationError
from dativo_ingest.model import Counts, Cursor, DataFile, Replay, Snapshot, Staged, State, Value, Violation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pyarrow as pa

    from dativo_dagster.config.job import Job, JobStream
    from dativo_dagster.pipeline.again import Fix, Judge
    from dativo_ingest.protocols import Quarantine, Table, Writer

BUFFER_BYTES = 32 * 1024 * 1024
UNIT = "replay"
PLAN = "plan"
"""Key of the cursor's value: where the quarantine has what the replay does to it."""


@dataclass(frozen=True, kw_only=True)
class ReplayResult(Value):
    """What a replay did to one stream.

    ``status`` is replayed, nothing (no row is good yet, or none is there) or dry_run. ``remaining`` rows stay in
    quarantine; ``finished`` says that an earlier replay, cut short between its two commits, was ended first.
    """

    job: str
    tenant: str
    stream: str
    table: str
    status: str
    quarantine: str
    token: str = ""
    examined: int = 0
    landed: int = 0
    dropped: int = 0
    remaining: int = 0
    finished: bool = False
    snapshot: Snapshot | None = None
    violations: tuple[Violation, ...] = ()
    record: str = ""


@dataclass
class Attempt:
    """One replay on its way, against the table and the quarantine as they were when it began."""

    job: Job
    stream: JobStream
    table: Table
    quarantine: Quarantine
    judge: Judge
    by: str
    state: State | None
    landed: int = 0
    remaining: int = 0
    dropped: list[Mapping[str, Any]] = field(default_factory=list)
    kept: list[DataFile] = field(default_factory=list)

    @property
    def key(self) -> str:
        """Name the state of replays of the stream."""
        return self.job.key(self.stream) + REPLAY

    @property
    def token(self) -> str:
        """Name the replay that follows the last one."""
        last = self.state.token if self.state else ""
        return hashlib.sha256(f"{self.key}\0{last}".encode()).hexdigest()[:24]

    def good(self, batches: Iterator[pa.RecordBatch], aside: Writer | None) -> Iterator[pa.RecordBatch]:
        """Yield the rows that are good by now; those that stay go to ``aside``, if anywhere."""
        buffered: list[pa.RecordBatch] = []
        for batch in batches:
            judged = self.judge.look(batch)
            self.landed += judged.good.num_rows
            self.remaining += judged.stays.num_rows
            self.dropped += judged.dropped
            if aside is not None and judged.stays.num_rows:
                buffered.append(judged.stays)
                if sum(b.nbytes for b in buffered) >= BUFFER_BYTES:
                    self._keep(buffered, aside)
            if judged.good.num_rows:
                yield judged.good
        if aside is not None:
            self._keep(buffered, aside)

    def _keep(self, batches: list[pa.RecordBatch], aside: Writer) -> None:
        if batches:
            self.kept += aside.write(batches, f"{UNIT}-{len(self.kept)}")
            batches.clear()

    def told(self, status: str, **more: Any) -> ReplayResult:
        """Say what came of it."""
        return ReplayResult(
            job=self.job.name,
            tenant=self.job.tenant,
            stream=self.stream.name,
            table=self.stream.target.table,
            status=status,
            quarantine=self.quarantine.location(),
            examined=self.landed + self.remaining + len(self.dropped),
            landed=self.landed,
            dropped=len(self.dropped),
            remaining=self.remaining,
            violations=self.judge.enforcer.violations(),
            **more,
        )


def replay(
    job: Job,
    stream: JobStream,
    *,
    by: str,
    fixes: Mapping[str, Fix] | None = None,
    dry_run: bool = False,
    openers: Openers = OURS,
) -> ReplayResult:
    """Hold the quarantined rows of a stream against its contract as it is now; the good ones land, once.

    Args:
        job: The job.
        stream: The stream.
        by: Who does it, for the record.
        fixes: What a person says of single rows, by their ids; all others stay. None looks at every row.
        dry_run: Only say what would come of it.
        openers: Who opens the table.

    Raises:
        ConfigurationError: ``REPLAY_REFUSED``: the mode has no place for rows that come late.
        ValidationError: ``UNKNOWN_FIX``: an id is not in the quarantine.
        CommitError: Others are always faster: run again.
    """
    stream, finished = as_replayed(stream), False
    for _ in tries():
        attempt = _begin(job, stream, by, fixes, openers)
        finished = _finish(attempt.quarantine, attempt.state) or finished
        done = _dry(attempt) if dry_run else _replayed(attempt, tolerant=finished)
        if done is not None:
            return dataclasses.replace(done, finished=finished)
    raise CommitError(
        f"stream {stream.name!r}: other replays of it keep being faster; run again", "COMMIT_CONFLICT", retryable=True
    )


def export(job: Job, stream: JobStream, path: Path, openers: Openers = OURS) -> int:
    """Write the quarantined rows of a stream to a file that a person can edit; gives how many there are."""
    from dativo_dagster.pipeline.replayfile import export as write

    quarantine = open_quarantine(job, stream, openers.table(job, stream))
    return write(quarantine.rows(quarantine.kept(job.key(stream))), path)


def _begin(job: Job, stream: JobStream, by: str, fixes: Mapping[str, Fix] | None, openers: Openers) -> Attempt:
    from dativo_dagster.pipeline.again import Judge
    from dativo_dagster.validation.compile import compile_contract
    from dativo_dagster.validation.enforce import Enforcer

    table = openers.table(job, stream)
    rules = Validation(mode="warn" if stream.validation.mode == "warn" else "quarantine")
    enforcer = Enforcer(compile_contract(stream.contract, rules), run_id="")
    return Attempt(
        job=job,
        stream=stream,
        table=table,
        quarantine=open_quarantine(job, stream, table),
        judge=Judge(enforcer, fixes),
        by=by,
        state=table.state(job.key(stream) + REPLAY),
    )


def _finish(quarantine: Quarantine, state: State | None) -> bool:
    """End a replay whose commit is in the table, in case it is still open."""
    return state is not None and state.cursor is not None and quarantine.finish(state.token, state.cursor.value[PLAN])


def _dry(attempt: Attempt) -> ReplayResult:
    segments = attempt.quarantine.kept(attempt.job.key(attempt.stream))
    for _ in attempt.good(attempt.quarantine.rows(segments), None):
        pass
    _all_used(attempt.judge, attempt.stream)
    return attempt.told("dry_run")


def _replayed(attempt: Attempt, *, tolerant: bool) -> ReplayResult | None:
    """Replay; None when another replay was faster, and all is to be looked at anew."""
    segments = attempt.quarantine.kept(attempt.job.key(attempt.stream))
    if not segments:
        if not tolerant:
            _all_used(attempt.judge, attempt.stream)
        return attempt.told("nothing")
    writer, aside = attempt.table.writer(attempt.token), attempt.quarantine.writer(attempt.token)
    files: list[DataFile] = []
    failed = True
    try:
        files = writer.write(attempt.good(attempt.quarantine.rows(segments), aside), UNIT)
        if not tolerant:
            _all_used(attempt.judge, attempt.stream)
        failed = not (attempt.landed or attempt.dropped)
    except DativoError:
        _abort(writer, files, aside, attempt.kept)
        if _moved(attempt):
            return None
        raise
    finally:
        writer.close(failed=failed)
        aside.close(failed=failed)
    if failed:
        _abort(writer, files, aside, attempt.kept)
        return attempt.told("nothing")
    return _committed(attempt, segments, files, writer, aside)


def _abort(writer: Writer, files: Sequence[DataFile], aside: Writer, kept: Sequence[DataFile]) -> None:
    writer.abort(files)
    aside.abort(kept)


def _moved(attempt: Attempt) -> bool:
    """Say whether another replay landed, which took away the files that this one was reading."""
    now = attempt.table.state(attempt.key)
    return (now.token if now else None) != (attempt.state.token if attempt.state else None)


def _committed(
    attempt: Attempt, segments: Sequence[Any], files: Sequence[DataFile], writer: Writer, aside: Writer
) -> ReplayResult | None:
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    noted = attempt.quarantine.note(
        Replay(
            token=attempt.token,
            key=attempt.key,
            by=attempt.by,
            at=now,
            segments=tuple(s.path for s in segments),
            files=tuple(attempt.kept),
            landed=attempt.landed,
            remaining=attempt.remaining,
            dropped=tuple(attempt.dropped),
        )
    )
    snapshot = _commit(attempt, noted, files, now)
    state = attempt.table.state(attempt.key)
    _finish(attempt.quarantine, state)
    # The state may be that of a replay that followed ours already: then our files are in the table all the same.
    ours = snapshot.fresh or (state is not None and state.cursor is not None and state.cursor.value[PLAN] == noted)
    if not ours:
        _abort(writer, files, aside, attempt.kept)
        attempt.quarantine.forget(noted)
        return None
    return attempt.told("replayed", token=attempt.token, snapshot=snapshot, record=noted)


def _commit(attempt: Attempt, noted: str, files: Sequence[DataFile], now: str) -> Snapshot:
    staged = Staged(
        token=attempt.token,
        key=attempt.key,
        mode=attempt.stream.target.mode,
        files=tuple(files),
        cursor=Cursor(value={PLAN: noted}),
        counts=Counts(read=attempt.landed, written=attempt.landed),
        table=attempt.table.prepared(),
        properties={
            "dativo.job": attempt.job.name,
            "dativo.stream": attempt.stream.name,
            "dativo.run-id": str(uuid.uuid4()),
            "dativo.replay": noted,
        },
        at=now,
    )
    return attempt.table.commit(staged)


def _all_used(judge: Judge, stream: JobStream) -> None:
    unknown = sorted(set(judge.fixes or ()) - judge.used)
    if unknown:
        some = ", ".join(unknown[:5]) + (", ..." if len(unknown) > 5 else "")  # noqa: PLR2004 - as many as one can read
        raise ValidationError(
            f"stream {stream.name!r}: {len(unknown)} rows of the file are not in the quarantine, or no longer: {some}. "
            "Nothing was changed; export the rows again",
            "UNKNOWN_FIX",
            {"ids": unknown},
        )
