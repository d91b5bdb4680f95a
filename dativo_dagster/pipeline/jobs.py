"""A whole job: its streams one after another or side by side; one that fails is a result, and the others go on."""

from __future__ import annotations

import threading
import time
import traceback
import uuid
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from dativo_dagster.pipeline.run import run_stream
from dativo_dagster.pipeline.sessions import Sessions
from dativo_dagster.pipeline.telling import whole_traceback
from dativo_ingest.exceptions import DativoError, wrap_exception
from dativo_ingest.result import JobResult, Progress, StreamResult
from dativo_ingest.worker.errors import TRACEBACK

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dativo_dagster.config.job import Job, JobStream

LOOK_SECONDS = 0.5
"""How long an interrupt can go unseen while streams run side by side."""


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
