"""``dativo schema``: the JSON Schema of a kind of file, for editors and for CI."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dativo_dagster.cli.console import Console

KINDS = ("job", "contract", "recipe", "runner")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what ``schema`` takes."""
    parser.add_argument("kind", nargs="?", choices=KINDS, default="job", help="kind of file (%(default)s)")


def main(args: argparse.Namespace, console: Console) -> int:
    """Print the schema."""
    from dativo_dagster.config import schema

    console.json(getattr(schema, f"{args.kind}_schema")())
    return 0
