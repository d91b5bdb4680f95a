"""Job files become jobs. Nothing after this reads a job's YAML.

What happens to a file, in order: YAML to data with places (`document`), variables (`interpolate`), the earlier
system's form into ours (`legacy`), models (`jobfile`), the final form (`normal`). All mistakes of a file are one
error with one line each.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dativo_dagster.config import contractfile
from dativo_dagster.config.document import Document, Map, Mark, read_document
from dativo_dagster.config.interpolate import Filler, Unresolved
from dativo_dagster.config.kinds import is_job, is_legacy
from dativo_dagster.config.legacy import Legacy, in_utc, may_wait
from dativo_dagster.config.mistakes import Mistakes
from dativo_dagster.config.normal import Normal, Spot
from dativo_dagster.config.paths import is_file, resolve_path
from dativo_dagster.config.runner import is_runner, load_runner
from dativo_ingest.exceptions import ConfigurationError, DativoError, wrap_exception

if TYPE_CHECKING:
    from dativo_dagster.config.contract import Contract
    from dativo_dagster.config.job import Job

__all__ = ["LoadedFolder", "Problem", "job_files", "load_folder", "load_job", "parse_job", "resolve_path"]


@dataclass(frozen=True)
class Problem:
    """A file that should be a job and cannot be loaded."""

    path: Path
    error: DativoError

    @property
    def message(self) -> str:
        """Say what is wrong, one mistake a line."""
        return self.error.message


@dataclass(frozen=True)
class LoadedFolder:
    """The jobs of a folder in the order of their paths, and the files that should be jobs."""

    jobs: tuple[Job, ...]
    problems: tuple[Problem, ...]


def load_job(path: Path, *, environment: Mapping[str, str] | None = None, strict_environment: bool = True) -> Job:
    """Read a job file.

    Args:
        path: The file.
        environment: Variables by name, those of the process when left out.
        strict_environment: Whether a variable that is not set is a mistake everywhere. Otherwise it may be missing in
            the options of a connector or table, which keep the text as written: definitions need no secrets.

    Raises:
        ConfigurationError: Something is wrong; the message has a line with place, field and advice for each mistake.
    """
    return _Loading(_environment(environment), strict_environment).job(read_document(path))


def parse_job(
    document: Document, *, environment: Mapping[str, str] | None = None, strict_environment: bool = True
) -> Job:
    """Make a job of a file that was read already; see `load_job`."""
    return _Loading(_environment(environment), strict_environment).job(document)


def load_folder(
    folder: Path, *, environment: Mapping[str, str] | None = None, strict_environment: bool = False
) -> LoadedFolder:
    """Read all jobs in a folder and below; a bad file never hides the others.

    Files that are no jobs (`kinds.is_job`) are left out. Two jobs of a tenant with one name, or two streams with
    one table, are both problems.

    Raises:
        ConfigurationError: ``NO_SUCH_FILE``: there is no such folder.
    """
    loading = _Loading(_environment(environment), strict_environment)
    jobs: list[Job] = []
    problems: list[Problem] = []
    for path in job_files(folder):
        found = loading.attempt(path, named=folder.is_file())
        if isinstance(found, Problem):
            problems.append(found)
        elif found is not None:
            jobs.append(found)
    rivals = dict(_rivals(jobs))
    problems += [Problem(path, error) for path, error in rivals.items()]
    return LoadedFolder(
        jobs=tuple(job for job in jobs if job.path not in rivals),
        problems=tuple(sorted(problems, key=lambda problem: problem.path)),
    )


def job_files(folder: Path) -> Iterator[Path]:
    """Give the YAML files in a folder and below in the order of their paths, but nothing whose name starts with a dot.

    A file may stand for a folder: a job for itself, a runner file for the jobs that it names.

    Raises:
        ConfigurationError: ``NO_SUCH_FILE``: there is no such folder. ``BAD_RUNNER``: the runner file is wrong.
    """
    if folder.is_file():
        runner = load_runner(folder) if is_runner(folder) else None
        yield from dict.fromkeys(schedule.job for schedule in runner.schedules) if runner else [folder]
        return
    if not folder.is_dir():
        raise ConfigurationError(f"{folder}: there is no such folder of jobs", "NO_SUCH_FILE", {"path": str(folder)})
    found: list[Path] = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(parent, name) for name in files if name.endswith((".yaml", ".yml")) and name[0] != "."]
    yield from sorted(found)


@dataclass
class _Loading:
    """What the files of one load share: variables, and the contracts that were read so far."""

    environment: Mapping[str, str]
    strict: bool
    contracts: dict[tuple[Path, str | None], Contract | DativoError] = field(default_factory=dict)

    def attempt(self, path: Path, *, named: bool) -> Job | Problem | None:
        """Give the job in a file, None when it holds something else; a file that was named must be a job."""
        try:
            document = read_document(path)
            return self.job(document) if named or is_job(document.data) else None
        except Exception as error:  # noqa: BLE001 - the boundary of a file: whatever it is, the others load
            return Problem(path, wrap_exception(error, ConfigurationError))

    def job(self, document: Document) -> Job:
        mistakes, path = Mistakes(), document.path
        if not is_job(document.data):
            raise ConfigurationError(f"{document.mark(())}: {_no_job(document.data)}", "BAD_JOB")
        filler = Filler(
            environment=self.environment,
            wrong=mistakes.add,
            may_wait=(lambda _: False) if self.strict else may_wait,
            leave=lambda location: location[-1:] == ("contract",) and len(location) in {1, 3},
            used=mistakes.secret,
        )

        def contract(said: Any, mark: Mark, at: Spot, name: str) -> Contract | None:
            found = self.contract(said, mark, at, name, path, mistakes)
            return in_utc(found) if found is not None and legacy else found

        short, notes, legacy = document, [], is_legacy(document.data)
        if legacy:
            old = Legacy(
                document, filler, mistakes, lambda said, mark: contract(said, mark, ("asset_path",), path.stem)
            )
            rewritten, notes = old.rewritten(), old.notes
            short = rewritten or document
        else:
            short = Document(path, filler.fill(document.data, document.mark(())))
        job = None
        if not legacy or rewritten:
            job = Normal(short, mistakes, contract, legacy=legacy, notes=tuple(notes)).job()
        mistakes.raise_any()
        if job is None:
            raise ConfigurationError(f"{document.mark(())}: the job cannot be read", "BAD_JOB")
        return replace(job, variables=mistakes.secret)

    def contract(self, said: Any, mark: Mark, at: Spot, name: str, path: Path, mistakes: Mistakes) -> Contract | None:
        """Read a contract that a job names or holds; a contract that many jobs name is read once."""
        if isinstance(said, Unresolved):
            return None  # the variable is a mistake already
        try:
            if isinstance(said, Map):
                return contractfile.parse_contract(said, Document(path, said), name=name)
            return self._file(said, path.parent)
        except FileNotFoundError as error:
            mistakes.add(mark, at, str(error), "NO_SUCH_FILE")
        except DativoError as error:
            mistakes.take(error, mark)
        return None

    def _file(self, said: str, base: Path) -> Contract:
        place, chosen = resolve_path(said, base), None
        if not is_file(place) and "#" in said:
            text, _, chosen = said.rpartition("#")
            place = resolve_path(text, base)
        if not is_file(place):
            places = " nor in ".join(dict.fromkeys((str(Path.cwd()), str(base.absolute()))))
            raise FileNotFoundError(f"there is no file {said!r} in {places}")
        key = (place.absolute(), chosen)
        if key not in self.contracts:
            try:
                self.contracts[key] = contractfile.load_contract(place, object_name=chosen)
            except DativoError as error:
                self.contracts[key] = error
        found = self.contracts[key]
        if isinstance(found, DativoError):
            raise found
        return found


def _environment(given: Mapping[str, str] | None) -> Mapping[str, str]:
    return os.environ if given is None else given


def _no_job(data: Any) -> str:
    if data is None:
        return "the file is empty; a job has source, target and contract"
    if not isinstance(data, Map):
        return "a job is a mapping with source, target and contract"
    if "schema" in data or "asset" in data:
        return "this is a contract, not a job; a job names it in `contract`"
    if "default_engine" in data:
        return "this is a recipe, not a job; a job names it in `source_connector_path` or `target_connector_path`"
    if "runner" in data or "orchestrator" in data:
        return "this is a runner's file, not a job; it names jobs in `schedules`"
    return "this is no job: it has no source, target or contract"


def _rivals(jobs: list[Job]) -> Iterator[tuple[Path, ConfigurationError]]:
    """Find jobs that cannot live beside each other, each with the error that names the others."""
    claims: dict[tuple[str, str, str], list[Job]] = defaultdict(list)
    for job in jobs:
        claims["job", job.tenant, job.name].append(job)
        for stream in job.streams:
            claims["table", job.tenant, stream.target.table].append(job)
    wrong: dict[Path, list[str]] = defaultdict(list)
    for (what, tenant, name), rivals in claims.items():
        for job in rivals if len(rivals) > 1 else ():
            others = ", ".join(str(other.path) for other in rivals if other is not job)
            advice = "give one another `name`" if what == "job" else "give one another `target.table`"
            wrong[job.path].append(
                f"{job.path}: the {what} {name!r} of tenant {tenant!r} is also in {others}; {advice}"
            )
    for path, lines in wrong.items():
        yield path, ConfigurationError("\n".join(lines), "DUPLICATE_JOB", {"path": str(path)})
