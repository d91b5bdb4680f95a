"""``dativo validate``: everything that is wrong in job files, one line each, without connecting to anything."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from dativo_dagster.cli.console import counted
from dativo_dagster.cli.jobs import is_named, jobs_folder, named
from dativo_ingest.exceptions import ConfigurationError, DativoError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dativo_dagster.cli.console import Console
    from dativo_dagster.config.job import Job


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what ``validate`` takes."""
    parser.add_argument(
        "jobs",
        nargs="*",
        metavar="JOB",
        help="job files, folders, or names of jobs ($DATIVO_JOBS, else the folder jobs)",
    )
    parser.add_argument("--config", action="append", metavar="JOB", help="the same, as an option; may be repeated")
    parser.add_argument("--json", action="store_true", help="print jobs and problems as JSON")


def main(args: argparse.Namespace, console: Console) -> int:
    """Load all files; 2 when anything is wrong with one."""
    jobs: list[Job] = []
    problems: list[DativoError] = []
    for name in [*args.jobs, *(args.config or ())] or [str(jobs_folder())]:
        for found in _load(name):
            wrong = [found] if isinstance(found, DativoError) else [e for e in _refused(found) if not _may_come(e)]
            problems += wrong
            if not wrong:
                jobs.append(cast("Job", found))
    if args.json:
        console.json({"jobs": [_facts(job) for job in jobs], "problems": [e.to_dict() for e in problems]})
    else:
        _show(jobs, problems, console)
    return 2 if problems else 0


def _load(name: str) -> Iterator[Job | DativoError]:
    from dativo_dagster.config.load import load_folder, load_job

    path = Path(name)
    try:
        if not path.is_dir():
            yield named(name) if is_named(name) else load_job(path, strict_environment=False)
            return
        folder = load_folder(path)
    except DativoError as error:
        yield error
        return
    yield from folder.jobs
    yield from (problem.error for problem in folder.problems)
    if not folder.jobs and not folder.problems:
        yield ConfigurationError(f"{path} has no job file", "NO_SUCH_JOB")


def _notes(job: Job) -> list[str]:
    """Give what a job says and nothing here acts on: better known before a run than after."""
    promises = [
        f"{s.contract.path or job.path}: promised, and not checked here: {promise}"
        for s in job.streams
        for promise in s.contract.unsupported
    ]
    return [*job.notes, *promises, *(error.message for error in _refused(job) if _may_come(error))]


def _refused(job: Job) -> list[ConfigurationError]:
    """Give what no run of the job would get by, whoever answers."""
    from dativo_dagster.pipeline.assemble import SIDES, refused

    return [error for stream in job.streams for side in SIDES if (error := refused(job, stream, side))]


def _may_come(error: ConfigurationError) -> bool:
    """Say whether what is missing may be there where the job runs: a package, a plugin, a newer version."""
    return error.error_code in {"MISSING_EXTRA", "PLUGIN_NOT_FOUND", "UNKNOWN_CONNECTOR", "UNKNOWN_TABLE"}


def _facts(job: Job) -> dict[str, Any]:
    streams = [{"name": s.name, "table": s.target.table, "contract": s.contract.name} for s in job.streams]
    return {"job": job.name, "tenant": job.tenant, "path": str(job.path), "streams": streams, "notes": _notes(job)}


def _show(jobs: list[Job], problems: list[DativoError], console: Console) -> None:
    for job in jobs:
        streams = ", ".join(f"{s.name} -> {s.target.table}" for s in job.streams)
        console.line(f"{console.style('ok', 'green')}  {job.path}: {job.name} ({job.tenant}): {streams}")
        for note in _notes(job):
            console.line(f"{console.style('note', 'yellow')}  {note}")
    for problem in problems:
        for text in problem.message.splitlines():
            console.line(text)
    wrong = sum(p.message.count("\n") + 1 for p in problems)
    console.line(f"{counted(len(jobs), 'job')} right, {counted(wrong, 'problem')}")
