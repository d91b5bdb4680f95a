"""``dativo run``: the pipeline without Dagster's process."""

from __future__ import annotations

import argparse
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dativo_dagster.cli.console import Console, ProgressBar, counted
from dativo_dagster.cli.jobs import add_job_arguments, add_partition_arguments, parts_of, prepare, select
from dativo_dagster.cli.summary import show_result
from dativo_dagster.telemetry import event
from dativo_ingest.exceptions import DativoError, wrap_exception

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dativo_dagster.cli.jobs import Selection
    from dativo_dagster.config.job import Job, JobStream
    from dativo_ingest.result import JobResult, Progress, StreamResult

logger = logging.getLogger(__name__)
LOG_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one job file: a result, or why there is none."""

    name: str
    result: JobResult | None = None
    error: DativoError | None = None

    @property
    def exit_code(self) -> int:
        """Give the job's own code, 2 when it never ran."""
        return self.result.exit_code if self.result else 2

    def to_json(self) -> dict[str, Any]:
        """Give the outcome as JSON-serialisable data."""
        facts = self.result.to_json() if self.result else {"job": self.name}
        return {**facts, **({"error": self.error.to_dict()} if self.error else {}), "exit_code": self.exit_code}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what ``run`` takes."""
    add_job_arguments(parser, folder=True)
    add_partition_arguments(parser)
    parser.add_argument(
        "--parallel", type=_count, default=1, metavar="N", help="streams, or parts of them, that run at once (1)"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def _count(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of 1 or more")
    return int(text)


def main(args: argparse.Namespace, console: Console) -> int:
    """Run the jobs."""
    selection = select(args)
    if args.job_dir:
        return _folder(selection, args, console)
    outcome = Outcome(name=selection.jobs[0].name, result=_run(selection.jobs[0], args, console))
    if args.json:
        console.json(outcome.to_json())
    return outcome.exit_code


def _folder(selection: Selection, args: argparse.Namespace, console: Console) -> int:
    """Run all jobs of a folder; one that fails does not stop the others, and is named at the end."""
    outcomes = [Outcome(name=str(p.path), error=p.error) for p in selection.problems]
    for outcome in outcomes:
        console.error(outcome.error or DativoError(outcome.name))
    told = [outcome.to_json() for outcome in outcomes]
    for job in selection.jobs:
        outcomes.append(_outcome(job, args, console))
        told.append(console.shown(outcomes[-1].to_json()))
    code = 2 if any(o.exit_code for o in outcomes) else 0
    if args.json:
        console.json({"jobs": told, "exit_code": code})
        return code
    bad = [f"{o.name} ({o.exit_code})" for o in outcomes if o.exit_code]
    console.line(
        counted(len(outcomes), "job")
        + (f"; not well, with their exit codes: {', '.join(bad)}" if bad else ", all well")
    )
    return code


def _outcome(job: Job, args: argparse.Namespace, console: Console) -> Outcome:
    try:
        return Outcome(name=job.name, result=_run(job, args, console))
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - the boundary of a job: it is reported and the others go on
        if args.debug:
            console.traceback(error)
        console.error(error)
        return Outcome(name=job.name, error=wrap_exception(error))


def _run(job: Job, args: argparse.Namespace, console: Console) -> JobResult:
    from dativo_dagster.pipeline.jobs import run_job

    job = prepare(job, args, console)
    streams = parts_of(job, args, lenient=bool(args.job_dir))
    who: dict[str, Any] = {"job_name": job.name, "tenant_id": job.tenant}
    event(logger, "job_started", f"job {job.name}", **who, **_what(streams), file=str(job.path))
    bar = ProgressBar(console.err) if console.interactive and args.parallel == 1 else None
    try:
        result = run_job(job, streams=streams, parallel=args.parallel, report=bar or _progress_log(who))
    except BaseException as error:
        event(logger, "job_error", f"job {job.name} ended", level=logging.ERROR, **who, error=type(error).__name__)
        raise
    finally:
        if bar:
            bar.clear()
    # Who sees both streams at a terminal reads the same in the summary.
    if args.json or not (console.interactive and console.out.isatty()):
        for stream in result.streams:
            _log(stream, who)
    event(
        logger, "job_finished", f"job {job.name}", **who, exit_code=result.exit_code, seconds=round(result.seconds, 3)
    )
    if not args.json:
        show_result(result, console, debug=args.debug)
    return result


def _what(streams: Sequence[JobStream]) -> dict[str, Any]:
    parts = list(dict.fromkeys(each.slice.key for each in streams if each.slice))
    return {"streams": list(dict.fromkeys(each.name for each in streams)), **({"partitions": parts} if parts else {})}


def _progress_log(who: dict[str, Any]) -> Callable[[Progress], None]:
    """Make a reporter that logs one line each few seconds."""
    last = time.monotonic()

    def report(progress: Progress) -> None:
        nonlocal last
        if (now := time.monotonic()) - last >= LOG_SECONDS:
            last = now
            event(logger, "batch_extracted", counted(progress.rows, "row"), **who, **progress.to_json())

    return report


def _log(stream: StreamResult, who: dict[str, Any]) -> None:
    """Log the end of a stream under the names that the earlier system gave its events."""
    facts: dict[str, Any] = {**who, "stream": stream.stream, "table": stream.table}
    if stream.partition is not None:
        facts["partition"] = stream.partition
    if stream.error:
        kinds = {"ValidationError": "validation_failed", "CommitError": "commit_failed"}
        kind = kinds.get(stream.error["error_type"], "job_error")
        event(logger, kind, stream.error["message"], level=logging.ERROR, **facts, error=stream.error)
        return
    if stream.status == "nothing_new":
        event(logger, "no_files", stream.reason, **facts, skipped=stream.skipped)
        return
    counts = stream.counts
    event(
        logger,
        "extraction_complete",
        f"{counted(counts.read, 'row')} read",
        **facts,
        **counts.to_json(),
        units=stream.units,
    )
    if stream.violations:
        rules = {v.rule: v.count for v in stream.violations}
        event(
            logger,
            "validation_errors",
            f"{counted(counts.rejected, 'row')} rejected",
            level=logging.WARNING,
            **facts,
            rules=rules,
        )
    if stream.snapshot:
        how: dict[str, Any] = {
            "files": stream.files,
            "bytes": stream.bytes,
            "snapshot": stream.snapshot.id,
            "status": stream.status,
        }
        event(logger, "commit_success", f"{counted(counts.written, 'row')} written", **facts, **how)
