"""A Dagster job by folder and name, for `dg.build_reconstructable_job`: only such a job can be run again in part."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from dativo_dagster.orchestration.build import build_definitions


def job(folder: str, name: str) -> dg.JobDefinition:
    return build_definitions(Path(folder)).resolve_job_def(name)


def job_in_processes(folder: str, name: str) -> dg.JobDefinition:
    """Give a job whose steps run in processes of their own."""
    made = build_definitions(Path(folder))
    parts = {"assets": made.assets, "asset_checks": made.asset_checks, "jobs": made.jobs, "resources": made.resources}
    return dg.Definitions(**parts, executor=dg.multiprocess_executor).resolve_job_def(name)
