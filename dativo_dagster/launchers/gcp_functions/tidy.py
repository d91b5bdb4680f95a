"""Functions that nobody uses any more.

Google does not tell when a function was last called, so a kept one ages from its deployment. It stays as long as
somebody has it open, which hosts tell in the staging folder. Between the look and the removal one may come; its next
try deploys the function anew.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from dativo_dagster.owner import is_gone
from dativo_dagster.telemetry import event
from dativo_ingest.exceptions import DativoError
from dativo_ingest.model import Leftover

if TYPE_CHECKING:
    from dativo_dagster.launchers.gcp_functions.admin import Project
    from dativo_dagster.launchers.gcp_functions.naming import Named


KIND = "function"
_BUSY = frozenset({"DEPLOYING", "DELETING"})
_logger = logging.getLogger(__name__)


def leftovers(project: Project, older_than: datetime, claims: Collection[str]) -> list[Leftover]:
    """Find the functions of ours in the region: kept ones by age, others whose host is gone.

    Args:
        project: The project.
        older_than: Kept ones that are younger stay.
        claims: Names of the functions that somebody has open: such a one stays, however old.
    """
    free = (function for function in project.ours() if function.name not in claims)
    found = (_leftover(function, older_than) for function in free if function.state.name not in _BUSY)
    return [leftover for leftover in found if leftover is not None]


def remove_own(project: Project, named: Named) -> None:
    """Remove a function that is not kept, whether or not it could be deployed.

    What cannot be removed is logged: the rows are there, and `leftovers` finds it later.
    """
    try:
        project.remove(project.name_of(named))
    except DativoError as error:
        told = f"{named.id} is not kept, and could not be removed: {error}"
        event(_logger, "function_not_removed", told, level=logging.WARNING, function=named.id, code=error.error_code)


def _leftover(function: Any, older_than: datetime) -> Leftover | None:
    labels = function.labels
    since = datetime.fromtimestamp(function.update_time.timestamp(), timezone.utc)
    gone = None if labels.get("dativo_keep") == "true" else is_gone(function.description)
    if gone is False or (gone is None and since >= older_than):
        return None
    return Leftover(
        kind=KIND,
        name=function.name,
        since=since.isoformat(timespec="seconds"),
        owner=f"{labels.get('dativo_tenant', '')}/{labels.get('dativo_job', '')}",
        why="its host is gone" if gone else "it was deployed that long ago",
    )
