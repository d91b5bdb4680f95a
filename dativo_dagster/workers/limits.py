"""What a job may say under `place` of any worker; a place says what else, and what its memory is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt


class Limits(BaseModel):
    """Limits hold for each worker, and one that breaks a limit is ended.

    Attributes:
        memory_mb: Memory of one worker, in MiB.
        timeout_seconds: How long one verb may take from its beginning to its end, whoever it waits for.
        idle_seconds: How long the host waits for anything at all from a verb that runs.
        start_seconds: How long the worker and the plugin may take to be opened.
        output_mb: What one verb may print and log, in MiB.
        environment: Variables for the worker.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    memory_mb: PositiveInt
    timeout_seconds: PositiveFloat = 6 * 3600
    idle_seconds: PositiveFloat = 600
    start_seconds: PositiveFloat = 60
    output_mb: PositiveInt = 64
    environment: dict[str, str] = Field(default_factory=dict)
