"""Functions that nobody uses any more.

Google does not tell when a function was last called, so a kept one ages from its deployment. It stays as long as
somebody has it open, which hosts tell in the staging folder. Between the look and the removal one may come; its next
try deploys the function anew.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timezone
from functools import cache
from typing import TYPE_CHECKING, Any

from dativo_dagster.functions.staying import is_open, tell_it_stays
from dativo_dagster.owner import is_gone
from dativo_ingest.exceptions import DativoError
from dativo_ingest.model import Leftover

if TYPE_CHECKING:
    from dativo_dagster.launchers.gcp_functions.admin import Project
    from dativo_dagster.launchers.gcp_functions.naming import Named

KIND = "function"
_BUSY = frozenset({"DEPLOYING", "DELETING"})


def leftovers(project: Project, older_than: datetime, claims: Callable[[str], Collection[str]]) -> list[Leftover]:
    """Find the functions of ours in the region: kept ones by age, others whose host is gone.

    Args:
        project: The project.
        older_than: Kept ones that are younger stay.
        claims: Gives the ids of functions that somebody has open, as hosts tell in a staging folder; ours if it is "".
    """
    claims = cache(claims)
    settled = (function for function in project.ours() if function.state.name not in _BUSY)
    found = ((function, _leftover(function, older_than)) for function in settled)
    return [left for function, left in found if left is not None and not _is_open(function, claims)]


def remove_own(project: Project, named: Named) -> None:
    """Remove a function that is not kept, whether or not it could be deployed.

    What cannot be removed is logged: the rows are there, and `leftovers` finds it later.
    """
    try:
        project.remove(project.name_of(named))
    except DativoError as error:
        tell_it_stays(named.id, "is not kept, and could not be removed", error)


def _is_open(function: Any, claims: Callable[[str], Collection[str]]) -> bool:
    # By the id: before it a name has the project, which jobs may give by its number.
    return is_open(function.name.rpartition("/")[2], function.description.partition(" ")[2], claims)


def _leftover(function: Any, older_than: datetime) -> Leftover | None:
    labels = function.labels
    since = datetime.fromtimestamp(function.update_time.timestamp(), timezone.utc)
    gone = None if labels.get("dativo_keep") == "true" else is_gone(function.description.partition(" ")[0])
    if gone is False or (gone is None and since >= older_than):
        return None
    return Leftover(
        kind=KIND,
        name=function.name,
        since=since.isoformat(timespec="seconds"),
        owner=f"{labels.get('dativo_tenant', '')}/{labels.get('dativo_job', '')}",
        why="its host is gone" if gone else "it was deployed that long ago",
    )
