"""Which jobs a command is about, and how one is loaded for a run: with its tenant's secrets and its own logging."""

from __future__ import annotations

import argparse
import getpass
import logging
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dativo_dagster.config.job import MODES
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dativo_dagster.cli.console import Console
    from dativo_dagster.config.job import Job, JobStream
    from dativo_dagster.config.load import Problem

YAML = (".yaml", ".yml")
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The jobs that were asked for, without secrets yet, and the files that could not be read."""

    jobs: tuple[Job, ...]
    problems: tuple[Problem, ...] = ()


def add_job_arguments(parser: argparse.ArgumentParser, *, folder: bool = False) -> argparse._MutuallyExclusiveGroup:
    """Add what says which job, with which secrets; gives the group in which exactly one is to be named."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("job", nargs="?", metavar="JOB", help="path of a job file, or name of a job in the jobs folder")
    which.add_argument("--config", metavar="JOB", help="the same, as an option")
    if folder:
        which.add_argument("--job-dir", metavar="FOLDER", help="all job files in a folder, one after the other")
    parser.add_argument("--tenant-id", metavar="TENANT", help="only jobs of this tenant")
    parser.add_argument("--stream", action="append", metavar="NAME", help="only this stream; may be repeated")
    parser.add_argument("--mode", choices=MODES, default=MODES[0], help="cloud puts plugins into a sandbox")
    add_secret_arguments(parser)
    return which


def add_partition_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what says which parts of a partitioned job."""
    parts = parser.add_argument_group("partitions", "A partitioned job runs part by part, with a commit each.")
    parts.add_argument("--partition", action="append", metavar="KEY", help="this part; may be repeated")
    parts.add_argument(
        "--partitions", metavar="FIRST..LAST", help="from one part to another, both included; either may be left out"
    )
    parts.add_argument("--missing", action="store_true", help="those that have ended and are not in the table yet")


def parts_of(job: Job, args: argparse.Namespace, *, lenient: bool = False) -> list[JobStream]:
    """Give the streams, or the parts of streams, that the arguments name; a ``lenient`` job may have no parts.

    Raises:
        ConfigurationError: The job has no such stream or no such part.
    """
    from dativo_dagster.pipeline.parts import Choice, chosen

    choice = Choice(keys=tuple(args.partition or ()), span=args.partitions, missing=args.missing)
    if lenient and job.partitions is None:
        choice = Choice()
    return chosen(job, streams_of(job, args.stream), choice)


def add_secret_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what says where secrets come from."""
    secrets = parser.add_argument_group("secrets", "Their names are what ${NAME} in a job finds.")
    secrets.add_argument(
        "--secret-manager", metavar="NAME", help="env, filesystem, vault, aws, gcp ($DATIVO_SECRET_MANAGER, else env)"
    )
    secrets.add_argument(
        "--secret-manager-config", metavar="FILE_OR_JSON", help="its settings ($DATIVO_SECRET_MANAGER_CONFIG)"
    )
    secrets.add_argument(
        "--secrets-dir", metavar="FOLDER", default="/secrets", help="folder of the filesystem manager (%(default)s)"
    )


def is_named(text: str) -> bool:
    """Say whether a text names a job, not a file or folder."""
    return not Path(text).exists() and Path(text).suffix not in YAML and Path(text).name == text


def jobs_folder() -> Path:
    """Give the folder where jobs are looked for by name: ``$DATIVO_JOBS``, else ``jobs``."""
    return Path(os.environ.get("DATIVO_JOBS") or "jobs")


def select(args: argparse.Namespace) -> Selection:
    """Find the jobs that the arguments name.

    Raises:
        ConfigurationError: There is no such job, its file is wrong, or the tenants do not fit.
    """
    if getattr(args, "job_dir", None):
        return _in_folder(Path(args.job_dir), args.tenant_id)
    job = named(args.config or args.job)
    if args.tenant_id not in (None, job.tenant):
        raise ConfigurationError(
            f"{job.path}: the job {job.name!r} belongs to the tenant {job.tenant!r}, not to {args.tenant_id!r}",
            "WRONG_TENANT",
        )
    return Selection(jobs=(job,))


def named(name: str) -> Job:
    """Load a job by the path of its file, or by its name in the jobs folder; secrets may be missing.

    Raises:
        ConfigurationError: There is no such job, or its file is wrong.
    """
    from dativo_dagster.config.load import load_folder, load_job

    path = Path(name)
    if path.is_file() or path.suffix in YAML:
        return load_job(path, strict_environment=False)
    loaded = load_folder(jobs_folder())
    known = {job.name: job for job in loaded.jobs}
    if name in known:
        return known[name]
    for problem in loaded.problems:
        if problem.path.stem == name:  # its own name cannot be read, and most files are called as their job
            raise problem.error
    broken = "".join(f"\nnot loaded: {problem.message}" for problem in loaded.problems)
    raise ConfigurationError(
        f"there is no file {name!r}, and no job in {jobs_folder()} is called that; "
        f"known are: {', '.join(sorted(known)) or 'none'}{broken}",
        "NO_SUCH_JOB",
    )


def _in_folder(folder: Path, tenant: str | None) -> Selection:
    from dativo_dagster.config.load import load_folder

    loaded = load_folder(folder)
    jobs = tuple(job for job in loaded.jobs if tenant in (None, job.tenant))
    tenants = sorted({job.tenant for job in jobs})
    if len(tenants) > 1:
        raise ConfigurationError(
            f"{folder} has jobs of several tenants: {', '.join(tenants)}; choose one with --tenant-id", "WRONG_TENANT"
        )
    if not jobs and not loaded.problems:
        whose = f" of the tenant {tenant!r}" if tenant else ""
        raise ConfigurationError(f"{folder} has no job{whose}", "NO_SUCH_JOB")
    return Selection(jobs=jobs, problems=tuple(loaded.problems))


def prepare(job: Job, args: argparse.Namespace, console: Console) -> Job:
    """Load a job for a run, with its tenant's secrets, and log as it says.

    Raises:
        DativoError: A secret cannot be had, or a variable that the job names is not set.
    """
    import dataclasses

    from dativo_dagster.cli.console import counted
    from dativo_dagster.pipeline.secrets import SecretOptions, load_with
    from dativo_dagster.secrets import literals
    from dativo_dagster.telemetry import event, secrets_in

    options = SecretOptions(manager=args.secret_manager, config=args.secret_manager_config, folder=args.secrets_dir)
    secrets = options.load(job.tenant)
    hidden, verbose = literals(secrets), getattr(args, "verbose", False)
    _log_as(job, hidden, console, verbose=verbose)
    if secrets:
        event(logger, "secrets_loaded", counted(len(secrets), "secret"), tenant_id=job.tenant, names=sorted(secrets))
    loaded = load_with(job.path, secrets)
    # A secret may also have come from a plain variable.
    own = [text for s in loaded.streams for text in secrets_in([s.source.options, s.target.options])]
    _log_as(loaded, [*hidden, *own], console, verbose=verbose)
    return dataclasses.replace(loaded, mode=args.mode)


def _log_as(job: Job, hidden: Iterable[str], console: Console, *, verbose: bool) -> None:
    """Log as a job says, and never what is ``hidden``."""
    from dativo_dagster.telemetry import configure_logging

    # A person at a terminal has the bar and the summary; the lines of INFO are for machines.
    level = "DEBUG" if verbose else "WARNING" if console.interactive and job.log_level == "INFO" else job.log_level
    console.redactor = configure_logging(
        level,
        redact=job.redact_logs,
        secrets=hidden,
        stream=console.err,
        plain=console.interactive,
    )


def streams_of(job: Job, names: Sequence[str] | None) -> tuple[JobStream, ...]:
    """Give the streams of a job that were asked for, all when none was.

    Raises:
        ConfigurationError: The job has no stream of that name.
    """
    known = {stream.name: stream for stream in job.streams}
    for name in names or ():
        if name not in known:
            raise ConfigurationError(
                f"{job.path}: the job {job.name!r} has no stream {name!r}; it has: {', '.join(known)}", "NO_SUCH_STREAM"
            )
    return tuple(known[name] for name in names or known)


def only_stream(job: Job, names: Sequence[str] | None) -> JobStream:
    """Give the stream that was asked for, of a job that has only one without being asked.

    Raises:
        ConfigurationError: The job has several, or none of that name.
    """
    streams = streams_of(job, names)
    if len(streams) > 1:
        raise ConfigurationError(
            f"{job.path}: the job {job.name!r} has several streams; say which with --stream: "
            f"{', '.join(s.name for s in streams)}",
            "NO_SUCH_STREAM",
        )
    return streams[0]


def whoami() -> str:
    """Say who runs the command, for an audit trail."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # in a container, a user without a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
