"""Functions that are not removed: somebody has them open, as hosts claim in staging folders, or the cloud refuses."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from dativo_dagster.telemetry import event
from dativo_ingest.exceptions import DativoError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

_LOG = logging.getLogger(__name__)


def is_open(function: str, folder: str, claims: Callable[[str], Collection[str]]) -> bool:
    """Say whether somebody has a function open, or may have.

    Args:
        function: What hosts call it in their claims.
        folder: The staging folder that it was deployed with; ours where it is empty.
        claims: Gives the functions that are claimed in such a folder.
    """
    try:
        return function in claims(folder)
    except DativoError as error:
        where = folder or "our staging folder"
        tell_it_stays(function, f"stays: nobody can see in {where} whether it is open", error)
        return True


def tell_it_stays(function: str, why: str, error: DativoError) -> None:
    """Log why a function is not removed; `protocols.Tidied` finds it later."""
    told, code = f"{function} {why}: {error}", error.error_code
    event(_LOG, "function_not_removed", told, level=logging.WARNING, function=function, code=code)
