"""``dativo plugin``: make, test and look at a plugin. One module a verb: `plugin_new`, `plugin_test`, `plugin_spec`."""

from __future__ import annotations

import argparse
import importlib
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dativo_dagster.cli.console import Console

VERBS = {
    "new": "write a plugin that works, with its tests and a job",
    "test": "carry out the conformance suite against a plugin",
    "spec": "say what a plugin is: its kind, its versions, what it can do",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verbs, each with what it takes."""
    verbs = parser.add_subparsers(metavar="VERB", title="verbs", dest="verb", required=True)
    for name, summary in VERBS.items():
        verb = verbs.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        verb.add_argument("--debug", action="store_true", help="show the traceback of an error")
        _module(name).add_arguments(verb)


def main(args: argparse.Namespace, console: Console) -> int:
    """Do what the verb says."""
    return int(_module(args.verb).main(args, console))


def _module(verb: str) -> ModuleType:
    return importlib.import_module(f"dativo_dagster.cli.plugin_{verb}")
