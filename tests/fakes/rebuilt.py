"""A Dagster job by folder and name, for `dg.build_reconstructable_job`: only such a job can be run again in part."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dativo_dagster.orchestration.build import build_definitions

if TYPE_CHECKING:
    import dagster as dg


def job(folder: str, name: str) -> dg.JobDefinition:
    return build_definitions(Path(folder)).resolve_job_def(name)
