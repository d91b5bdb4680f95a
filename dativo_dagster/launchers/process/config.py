"""The limits of a child process, as a job says them under `place`."""

from __future__ import annotations

from pydantic import Field

from dativo_dagster.workers.limits import Limits


class Config(Limits):
    """Limits hold for each child, and a child that breaks one is ended.

    Attributes:
        memory_mb: Memory of its own, in MiB: pages of files and of libraries do not count. Watched on Linux only.
        environment: Variables besides those of the host.
    """

    memory_mb: int = Field(default=4096, gt=0)
