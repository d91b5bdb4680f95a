"""How code that runs finds its job: by the asset it runs for, or by name in the folder of jobs.

Files are read again for every run, now with the tenant's secrets and every variable required, so that a run does what
the file says at that time; secrets never enter a definition.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from dativo_dagster.config.job import Job
from dativo_dagster.config.load import LoadedFolder, Problem, load_folder
from dativo_dagster.orchestration.launcher import deployed
from dativo_dagster.pipeline.secrets import load_for_run
from dativo_ingest.exceptions import ConfigurationError, DativoError

if TYPE_CHECKING:
    from dativo_dagster.config.job import JobStream

JOB_FILE = "dativo/job_file"
STREAM = "dativo/stream"


class JobsResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The folder of job files, for ops that are not about one asset."""

    path: str

    def chosen(self, name: str | None) -> LoadedFolder:
        """Give the job called ``name``; without a name all jobs, and the files that cannot be loaded for a run.

        Raises:
            ConfigurationError: There is no job of that name; the message says what is wrong with broken files.
        """
        folder = load_folder(Path(self.path))
        if name is None:
            return _for_run(folder)
        jobs = tuple(as_deployed(job.path) for job in folder.jobs if job.name == name)
        if not jobs:
            broken = "".join(f"\nNot loaded: {problem.message}" for problem in folder.problems)
            known = ", ".join(sorted(job.name for job in folder.jobs)) or "none"
            raise ConfigurationError(f"no job in {self.path} is called {name!r}; known are: {known}{broken}")
        return LoadedFolder(jobs=jobs, problems=())


def as_deployed(path: Path) -> Job:
    """Give the job of a file for a run of this deployment, whose mode says whether plugins are confined."""
    return deployed(load_for_run(path))


def _for_run(folder: LoadedFolder) -> LoadedFolder:
    """Give all jobs that can be loaded for a run; the others become problems."""
    found = [_attempt(job) for job in folder.jobs]
    return LoadedFolder(
        jobs=tuple(each for each in found if isinstance(each, Job)),
        problems=(*folder.problems, *(each for each in found if isinstance(each, Problem))),
    )


def _attempt(job: Job) -> Job | Problem:
    try:
        return as_deployed(job.path)
    except DativoError as error:
        return Problem(job.path, error)


def stream_of(assets: dg.AssetsDefinition, key: dg.AssetKey, run_id: str) -> tuple[Job, JobStream]:
    """Give the job and the stream that an asset stands for, read from the file that the asset names."""
    metadata = assets.metadata_by_key[key]
    job = _job(metadata[JOB_FILE].value, run_id)
    return job, job.stream(metadata[STREAM])


@lru_cache(maxsize=8)
def _job(path: str, run_id: str) -> Job:  # noqa: ARG001 - one run sees one version of the file
    return as_deployed(Path(path))
