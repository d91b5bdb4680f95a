"""What staging folders tell of their hosts: which functions these have open, and which folders nobody uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from dativo_dagster.owner import is_gone
from dativo_ingest.exceptions import DativoError
from dativo_ingest.model import Leftover

if TYPE_CHECKING:
    from dativo_dagster.functions.staging import Staging
    from dativo_dagster.storage import FileInfo

_CLAIMED = "function"
_HOLDS = timedelta(days=1)
"""How long a claim does of a host that nobody here can look at. Our own buckets forget what is older."""


@contextmanager
def claim(staging: Staging, owner: Mapping[str, str], function: str) -> Iterator[None]:
    """Say for a block that a function is in use, to whoever would remove it: no cloud tells."""
    folder = staging.folder({**owner, _CLAIMED: function})
    try:
        yield
    finally:
        try:
            folder.remove()
        except DativoError as error:
            folder.tell_it_stays(error)


def claims(staging: Staging) -> Iterator[tuple[str, str]]:
    """Give function and tenant of each claim that holds: of a host here that lives, of another one for a day."""
    now = datetime.now(timezone.utc)
    for folder, files in staging.folders():
        said = folder.owner()
        if _CLAIMED in said and _leftover(folder.url, files, said, now) is None:
            yield str(said[_CLAIMED]), str(said.get("tenant", ""))


def leftovers(staging: Staging, older_than: datetime) -> list[Leftover]:
    """Find folders that nobody uses: of hosts of this machine that are gone, and others that are old."""
    found = (_leftover(folder.url, files, folder.owner(), older_than) for folder, files in staging.folders())
    return [leftover for leftover in found if leftover is not None]


def _leftover(url: str, files: Sequence[FileInfo], said: Mapping[str, Any], older_than: datetime) -> Leftover | None:
    last = max(file.modified for file in files)
    gone = is_gone(str(said.get("host", "")))
    if _CLAIMED in said:
        older_than = min(older_than, datetime.now(timezone.utc) - _HOLDS)
    if gone is False or (gone is None and last >= older_than):
        return None
    return Leftover(
        kind="staged",
        name=url,
        since=last.isoformat(timespec="seconds"),
        owner=f"{said.get('tenant', '')}/{said.get('job', '')}".strip("/"),
        why="its host is gone" if gone else "it is old, and its host is of another machine",
        bytes=sum(file.size for file in files),
    )
