"""What the checks on the shelf say of a result."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from dativo_dagster import registry

if TYPE_CHECKING:
    from dativo_dagster.config.job import JobStream
    from dativo_ingest.result import StreamResult


def with_checks(stream: JobStream, result: StreamResult) -> StreamResult:
    """Add what every check on the shelf says of a result."""
    outcomes = [
        outcome
        for name in registry.entries("checks")
        for outcome in registry.load("checks", name).evaluate(result, stream)
    ]
    return dataclasses.replace(result, checks=tuple(outcomes))
