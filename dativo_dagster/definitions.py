"""The code location: ``dagster dev -m dativo_dagster.definitions``.

The jobs are in the folder that ``DATIVO_JOBS`` names, else in ``jobs`` below the working directory, else in ``jobs``
beside this package, as in a clone of the repository.
"""

from __future__ import annotations

import os
from pathlib import Path

from dativo_dagster.orchestration.build import build_definitions


def jobs_folder() -> Path:
    """Give the folder of job files."""
    if named := os.environ.get("DATIVO_JOBS"):
        return Path(named).absolute()
    here = Path.cwd() / "jobs"
    return here if here.is_dir() else Path(__file__).parents[1] / "jobs"


defs = build_definitions(jobs_folder())
