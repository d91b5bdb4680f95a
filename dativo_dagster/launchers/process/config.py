"""The limits of a child process, as a job says them under `place`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt


class Config(BaseModel):
    """Limits hold for each child, and a child that breaks one is ended.

    Attributes:
        memory_mb: Memory of its own, in MiB: pages of files and of libraries do not count. Watched on Linux only.
        timeout_seconds: How long one verb may take from its beginning to its end, whoever it waits for.
        idle_seconds: How long the host waits for anything at all from a verb that runs.
        start_seconds: How long the plugin may take to be opened.
        output_mb: What one verb may print and log, in MiB.
        environment: Variables besides those of the host.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    memory_mb: PositiveInt = 4096
    timeout_seconds: PositiveFloat = 6 * 3600
    idle_seconds: PositiveFloat = 600
    start_seconds: PositiveFloat = 60
    output_mb: PositiveInt = 64
    environment: dict[str, str] = Field(default_factory=dict)
