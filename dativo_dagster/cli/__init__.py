"""The command ``dativo``: thin over the pipeline, one module a command.

A command module has ``add_arguments(parser)`` and ``main(args, console) -> exit code``. It imports what it needs inside
its functions, so that ``dativo --help`` costs nothing and ``dativo run`` only what a run needs; none but ``start``
ever imports Dagster.

Exit codes: 0 all is well, 1 the job went on although rows broke their contract, 2 failure or wrong use,
130 interrupted, 141 nobody reads the output.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from dativo_dagster import __version__
from dativo_dagster.cli.console import Console
from dativo_ingest.exceptions import wrap_exception

COMMANDS = {
    "init": "write a new job and its contracts by looking at files or a database",
    "validate": "find what is wrong in job files, without connecting to anything",
    "plan": "say what a run would read, write and change; writes nothing",
    "run": "run jobs: read, validate, write, commit",
    "check": "try to reach the source and the target of a job",
    "discover": "list what a source has",
    "plugin": "make, test and look at plugins of your own",
    "places": "list where plugins can run; remove what their earlier use left there",
    "state": "show how far streams were read; set or reset it",
    "replay": "let rows out of quarantine that the contract now takes, or that were mended",
    "maintain": "look after tables: small files, left branches, old snapshots, orphans",
    "gc": "find files that no commit names, and delete them when told to",
    "schema": "print the JSON Schema of a kind of file",
    "start": "start Dagster with the schedules of a runner file",
}
INTERRUPTED, BROKEN_PIPE = 130, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit code; the entry point ``dativo``."""
    console = Console()
    try:
        code = _main(sys.argv[1:] if argv is None else argv, console)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes stdout once more at exit; let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except KeyboardInterrupt:
        console.note("\ninterrupted; run the command again, nothing that was committed is repeated")
        return INTERRUPTED
    return code


def _main(argv: Sequence[str], console: Console) -> int:
    parser, commands = _parser()
    if not argv or argv[0] not in COMMANDS:
        parser.parse_args(argv)
        parser.print_help()
        return 2
    from dativo_dagster.telemetry import one_command

    command = importlib.import_module(f"{__name__}.{argv[0]}")
    command.add_arguments(commands[argv[0]])
    args = parser.parse_args(argv)
    try:
        with one_command():
            return int(command.main(args, console))
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - the outermost boundary: a person gets one line, --debug the rest
        _report(error, args, console)
    return 2


def _report(error: Exception, args: argparse.Namespace, console: Console) -> None:
    if args.debug:
        console.traceback(error)
    console.error(error)
    if getattr(args, "json", False):
        console.json({"error": wrap_exception(error).to_dict(), "exit_code": 2})


def _parser() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    parser = argparse.ArgumentParser(
        prog="dativo",
        description="Move data into a lake under contract, exactly once, as YAML jobs say.",
        epilog="`dativo COMMAND --help` explains a command. Exit codes: 0 well, 1 rows broke the contract, 2 failure.",
    )
    parser.add_argument("--version", action="version", version=f"dativo {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", title="commands", dest="command")
    found = {}
    for name, summary in COMMANDS.items():
        found[name] = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        found[name].add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser, found
