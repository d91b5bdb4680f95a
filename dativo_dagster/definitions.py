"""The code location: ``dagster dev -m dativo_dagster.definitions``.

The jobs are in the folder that ``DATIVO_JOBS`` names, else in ``jobs`` below the working directory, else in ``jobs``
beside this package, as in a clone of the repository.
"""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING

from dativo_dagster.orchestration.build import build_definitions

if TYPE_CHECKING:
    import dagster as dg


def jobs_folder() -> Path:
    """Give the folder of job files."""
    if named := os.environ.get("DATIVO_JOBS"):
        return Path(named).absolute()
    here = Path.cwd() / "jobs"
    return here if here.is_dir() else Path(__file__).parents[1] / "jobs"


def load(folder: Path) -> dg.Definitions:
    """Make the definitions with the garbage collector out of the way.

    They live as long as the process: looking for garbage in them, while they are made and ever after, costs a large
    location a third of its load time and finds nothing.
    """
    gc.disable()
    try:
        return build_definitions(folder)
    finally:
        gc.freeze()
        gc.enable()


defs = load(jobs_folder())
