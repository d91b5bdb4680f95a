"""The spot in a job file that says which plugin runs and where, for a mistake that is found after reading."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dativo_dagster.config.document import read_document
from dativo_dagster.config.placed import sandboxed
from dativo_ingest.exceptions import DativoError

if TYPE_CHECKING:
    from pathlib import Path

    from dativo_dagster.config.document import Location


def spot(path: Path, stream: str, side: str, *, plugin: bool = False) -> str:
    """Give ``file:line:column`` of what says where a plugin runs.

    Args:
        path: The file of the job.
        stream: The name of the stream.
        side: ``source`` or ``target``.
        plugin: Whether the plugin itself is wanted, not its place.
    """
    try:
        document = read_document(path)
    except DativoError:  # it is gone since, or was never there
        return str(path)
    names = [own.get("name") for own in document.data.get("streams") or ()]
    starts: list[Location] = [("streams", names.index(stream), side)] if stream in names else []
    starts.append((side,))
    places: list[Location] = [] if plugin else [("place",), ("engine", "cloud_execution")]
    found: list[Location] = [(*start, *each) for each in places for start in starts]
    if not plugin and sandboxed(document.data):
        found.append(("plugins", "sandbox"))
    found += [(*start, key) for key in ("custom_reader", "custom_writer") for start in starts]
    return document.where(next((each for each in found if _has(document.data, each)), (side,)))


def _has(data: Any, location: Location) -> bool:
    if not location:
        return True
    try:
        return _has(data[location[0]], location[1:])
    except (KeyError, IndexError, TypeError):
        return False
