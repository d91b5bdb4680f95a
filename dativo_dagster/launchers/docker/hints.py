"""What a plugin's own error does not tell: that its container has no network, or not the package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dativo_ingest.worker.errors import TRACEBACK

if TYPE_CHECKING:
    from dativo_dagster.launchers.docker.config import Config
    from dativo_ingest.exceptions import DativoError

_UNREACHED = ("gaierror", "name resolution", "Network is unreachable")
_NO_NETWORK = "its container has no network; a place with `network: bridge` gives it one"
_NO_PACKAGE = "its container has the packages that `requirements` of the place names"


def hint(error: DativoError, config: Config) -> str:
    """Give what is to be said after the message of an error that a plugin raised in a container; mostly nothing."""
    said = f"{error.message}\n{error.details.get(TRACEBACK, '')}"
    if config.network == "none" and any(words in said for words in _UNREACHED):
        return f"; {_NO_NETWORK}"
    return f"; {_NO_PACKAGE}" if "ModuleNotFoundError: No module named" in said else ""
