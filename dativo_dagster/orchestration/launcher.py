"""Our place in Dagster's step machinery: a step launcher, which every step of a stream goes through.

It lets the step run as Dagster runs it, in this process, and owns what holds for the whole step wherever its plugin
runs: the mode of the deployment, and that a step which somebody terminated stays terminated.
"""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from dativo_dagster.config.job import MODES
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dativo_dagster.config.job import Job

PLACES = "places"
"""Key of the resource."""
MODE = "DATIVO_MODE"


class UnitLauncher(dg.ConfigurableResource, dg.StepLauncher):  # type: ignore[type-arg]
    """Launches the steps of streams; the bases stand in the one order that Dagster takes."""

    mode: str = Field(
        default="",
        description="`self_hosted` or `cloud`, which puts plugins into containers; empty: what DATIVO_MODE says.",
    )

    def launch_step(self, step_context: Any) -> Iterator[dg.DagsterEvent]:
        """Run a step as Dagster does, but for one thing: an interrupt is no reason to try again.

        Dagster turns any exception below a retry policy into a retry, a termination included; the run would go on and
        end well.
        """
        from dagster._core.errors import DagsterExecutionInterruptedError
        from dagster._core.execution.plan.execute_step import core_dagster_event_sequence_for_step

        try:
            yield from core_dagster_event_sequence_for_step(step_context)
        except dg.RetryRequested as again:
            cause = again.__cause__
            if isinstance(cause, (DagsterExecutionInterruptedError, KeyboardInterrupt)):
                raise cause from None
            raise

    def deployed(self, job: Job) -> Job:
        """Give a job with the mode that this resource says, else as `deployed` gives it."""
        return deployed(job, self.mode)


def deployed(job: Job, mode: str = "") -> Job:
    """Give a job with the mode of this deployment, which says whether its plugins are confined.

    Raises:
        ConfigurationError: ``BAD_MODE``.
    """
    mode = mode or os.environ.get(MODE) or MODES[0]
    if mode not in MODES:
        raise ConfigurationError(
            f"the mode of this deployment is {mode!r}; set {MODE}, or `mode` of the resource `{PLACES}`, to one of "
            + ", ".join(MODES),
            "BAD_MODE",
        )
    return dataclasses.replace(job, mode=mode)
