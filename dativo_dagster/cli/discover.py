"""``dativo discover``: what a source has, with columns where they can be known."""

from __future__ import annotations

import argparse
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dativo_dagster.cli.console import counted
from dativo_dagster.cli.jobs import add_job_arguments, prepare, select, streams_of
from dativo_dagster.telemetry import configure_logging, event
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dativo_dagster.cli.console import Console
    from dativo_dagster.config.job import Job
    from dativo_ingest.model import Stream

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what ``discover`` takes."""
    which = add_job_arguments(parser)
    which.add_argument("--connector", metavar="NAME", help="a connector without a job; its options with --option")
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=YAML",
        help="option of --connector, such as --option files=data/*.csv; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help='print {"objects": ..., "metadata": ..., "count": ...}')
    parser.add_argument("--verbose", action="store_true", help="log everything to stderr")


def main(args: argparse.Namespace, console: Console) -> int:
    """List what the source has."""
    if args.connector:
        configure_logging("DEBUG" if args.verbose else "WARNING", stream=console.err, plain=console.interactive)
        job = bare_job(args.connector, options_of(args.option))
    else:
        job = prepare(select(args).jobs[0], args, console)
    event(logger, "discover_started", f"job {job.name}", job_name=job.name, tenant_id=job.tenant)
    found = list_streams(job, args.stream)
    event(logger, "discover_complete", counted(len(found), "object"), job_name=job.name, tenant_id=job.tenant)
    if args.json:
        connectors = sorted({s.source.connector for s in job.streams})
        metadata = {"job": None if args.connector else job.name, "connectors": connectors}
        console.json({"objects": [s.to_json() for s in found], "metadata": metadata, "count": len(found)})
    else:
        _show(found, console)
    return 0


def list_streams(job: Job, names: Sequence[str] | None) -> list[Stream]:
    """Ask the sources of a job what they have; what two streams of it find alike is listed once."""
    from dativo_dagster.pipeline.look import discover

    found = {s.dumps(): s for stream in streams_of(job, names) for s in discover(job, stream)}
    return list(found.values())


def bare_job(connector: str, options: Mapping[str, Any]) -> Job:
    """Make a job of nothing but a source, to look at what it has; relative paths start at the working directory.

    Raises:
        ConfigurationError: The connector is unknown, lacks its extra, or refuses its options.
    """
    from dativo_dagster import registry
    from dativo_dagster.config.contract import Contract
    from dativo_dagster.config.document import Document
    from dativo_dagster.config.job import Job, JobStream, Source, Target
    from dativo_dagster.config.mistakes import Mistakes, validated

    mistakes = Mistakes("BAD_OPTION")
    validated(registry.load("connectors", connector).Config, Document(Path("--option"), dict(options)), mistakes)
    mistakes.raise_any()
    stream = JobStream(
        name=connector,
        source=Source(connector=connector, options=dict(options)),
        target=Target(connector="files"),
        contract=Contract(name=connector, fields=()),
    )
    return Job(name=connector, tenant="default", path=Path.cwd() / "-", streams=(stream,))


def options_of(texts: Sequence[str]) -> dict[str, Any]:
    """Read ``NAME=YAML`` options; ``${NAME}`` is a variable, so that no password need stand in a command.

    Raises:
        ConfigurationError: One is not of that form, or a variable is not set.
    """
    from dativo_dagster.config.document import parse_document
    from dativo_dagster.config.interpolate import interpolated

    options = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise ConfigurationError(f"--option {text!r} is not NAME=YAML", "BAD_OPTION")
        try:
            value = interpolated(value, os.environ)
        except ValueError as error:
            raise ConfigurationError(f"--option {name}: {error}", "UNSET_VARIABLE") from None
        options[name] = parse_document(value, Path(f"--option {name}")).data
    return options


def _show(found: Sequence[Stream], console: Console) -> None:
    for stream in found:
        key = f", key {', '.join(stream.primary_key)}" if stream.primary_key else ""
        console.line(f"{console.style(stream.name, 'bold')}: {counted(len(stream.columns), 'column')}{key}")
        rows = [(c.name, c.type, "" if c.nullable else "required", c.description) for c in stream.columns]
        if rows:
            console.table(("column", "type", "", ""), rows, indent=2)
    console.line(counted(len(found), "object"))
    if not found:
        console.note("the source has nothing, or it does not tell: a plugin does with a method `discover`")
