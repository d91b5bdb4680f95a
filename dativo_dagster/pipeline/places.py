"""What places are there, and what their earlier use left behind. `cli.places` and `orchestration.tidying` call it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, cast

from dativo_dagster import registry
from dativo_dagster.config.job import Place
from dativo_dagster.pipeline.plugins import launcher_of, places
from dativo_ingest.exceptions import DativoError, wrap_exception
from dativo_ingest.model import Leftover, Value

if TYPE_CHECKING:
    from dativo_dagster.config.job import Job
    from dativo_ingest.protocols import Tidied

ON_THIS_MACHINE = ("docker",)
"""Places that are asked without a job that names them: their engine is here, and needs no account."""


@dataclass(frozen=True, kw_only=True)
class PlaceFacts(Value):
    """One place: what it is, whether a plugin can run there now, and what stands in the way.

    ``usable`` is None where only a job can tell, since it has the account.
    """

    name: str
    summary: str
    extra: str | None = None
    usable: bool | None = True
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Tidying(Value):
    """What became of one thing that was left over, or of a place that could not be asked."""

    place: str
    leftover: Leftover | None = None
    removed: bool = False
    error: str = ""


def known_places() -> Iterator[PlaceFacts]:
    """Look at every place: is its package installed, and does its engine answer."""
    for name, entry in registry.entries("launchers").items():
        usable, why = _usable(name)
        yield PlaceFacts(name=name, summary=entry.summary, extra=entry.extra, usable=usable, why=why)


def tidied_places(jobs: Iterable[Job], only: str | None = None, *, machine: bool = True) -> list[Place]:
    """Give the places of the jobs' plugins, and those of this machine, that may keep things; each once.

    Args:
        jobs: Whose places are meant.
        only: The one place to give.
        machine: Whether those of this machine are given that no job names, and nobody asks for by name.

    Raises:
        ConfigurationError: There is no place that is called ``only``.
    """
    if only is not None:
        registry.entry("launchers", only)
    here = [name for name in ON_THIS_MACHINE if machine or name == only]
    found = [Place(launcher=name) for name in here if name in registry.entries("launchers")]
    found += [chosen for job in jobs for stream in job.streams for chosen in places(job, stream).values()]
    once: dict[tuple[str, str], Place] = {}
    for each in found:
        reached = "" if each.launcher in ON_THIS_MACHINE else repr(sorted(each.options.items()))
        once.setdefault((each.launcher, reached), each)
    return [each for each in once.values() if only in (None, each.launcher) and _keeps(each)]


def tidy_all(chosen: Iterable[Place], *, older_than: datetime, dry_run: bool = False) -> Iterator[Tidying]:
    """Tidy places, one after the other; what two of them tell, since they share an account, is told once."""
    told = set()
    for place in chosen:
        for each in tidy(place, older_than=older_than, dry_run=dry_run):
            if each.removed or each not in told:
                told.add(each)
                yield each


def tidy(chosen: Place, *, older_than: datetime, dry_run: bool = False) -> Iterator[Tidying]:
    """Remove what a place keeps and nobody uses; what cannot be removed, or not be asked, is told and hinders nothing.

    Args:
        chosen: The place, with what reaches it.
        older_than: What was kept for reuse and used since then stays.
        dry_run: Only say what there is.
    """
    try:
        launcher = cast("Tidied", launcher_of(chosen))
        leftovers = launcher.leftovers(older_than)
    except Exception as error:  # noqa: BLE001 - one place that does not answer must not hide the others
        yield Tidying(place=chosen.launcher, error=_told(error))
        return
    for leftover in leftovers:
        yield _removed(chosen, launcher, leftover, dry_run=dry_run)


def _removed(chosen: Place, launcher: Tidied, leftover: Leftover, *, dry_run: bool) -> Tidying:
    if dry_run:
        return Tidying(place=chosen.launcher, leftover=leftover)
    try:
        launcher.remove(leftover)
    except Exception as error:  # noqa: BLE001 - as above
        return Tidying(place=chosen.launcher, leftover=leftover, error=_told(error))
    return Tidying(place=chosen.launcher, leftover=leftover, removed=True)


def _usable(name: str) -> tuple[bool | None, str]:
    try:
        module = registry.ready("launchers", name)
        if not hasattr(module.Launcher, "leftovers"):
            return True, ""
        if name not in ON_THIS_MACHINE:
            return None, "only a job names its account; `dativo places gc JOB --dry-run` asks it, and makes nothing"
        module.Launcher(module.Config()).leftovers(datetime.now(timezone.utc))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is why the place cannot be used
        return False, _told(error)
    return True, ""


def _keeps(chosen: Place) -> bool:
    """Say whether a place may keep things; one that cannot be looked at is asked, and says why not then."""
    try:
        return hasattr(registry.load("launchers", chosen.launcher).Launcher, "leftovers")
    except DativoError:
        return True


def _told(error: Exception) -> str:
    found = wrap_exception(error)
    return f"{found.error_code}: {found.message}"
