"""What hosts that were killed leave in the engine and on the disk, and images that nobody used for long."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from dativo_dagster.launchers.docker import locks
from dativo_dagster.launchers.docker.engine import BEING_REMOVED, Client, refusals, when
from dativo_dagster.launchers.docker.image import last_used, standard
from dativo_dagster.launchers.docker.laid import clear
from dativo_dagster.launchers.docker.shared import OWNER, PREFIX
from dativo_dagster.owner import is_gone
from dativo_ingest.model import Leftover

_OURS = {"label": "dativo=1"}
_HOST = "dativo.host"
_FOLDER, _LOCK = "folder", "lock"


def find(client: Client, older_than: datetime) -> Sequence[Leftover]:
    """Find containers and folders whose host is gone, others by age, and images and locks that nobody used since."""
    with refusals("leftovers"):
        containers = client.containers.list(all=True, filters={"label": ["dativo=1", _HOST]}, ignore_removed=True)
        images = _named(client)
        used = {container.attrs["Image"] for container in client.containers.list(all=True, ignore_removed=True)}
    found = [("container", c.id, c.labels, when(c.attrs["Created"])) for c in containers]
    found += [(_FOLDER, str(path), _labels(path), since) for path, since in _folders()]
    return [*_ownerless(found, older_than), *_images(images, used, older_than), *_locks(older_than)]


def _ownerless(
    found: Sequence[tuple[str, str, Mapping[str, str], datetime]], older_than: datetime
) -> Iterator[Leftover]:
    for kind, name, labels, since in found:
        dead = is_gone(labels.get(_HOST, ""))
        if dead or (dead is None and since < older_than):
            why = "the process that made it is gone" if dead else "it is old, and not known to be of this machine"
            owner = f"{labels.get('dativo.tenant', '')}/{labels.get('dativo.job', '')}"
            yield Leftover(kind=kind, name=name, since=since.isoformat(), owner=owner, why=why)


def _folders() -> Iterator[tuple[Path, datetime]]:
    """Give the private folders of this user's places: everybody may make a folder there that is called so."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(FileNotFoundError):  # its job just ended
            facts = path.lstat()
            if stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.geteuid():
                yield path, datetime.fromtimestamp(facts.st_mtime, timezone.utc)


def _labels(folder: Path) -> Mapping[str, str]:
    """Read whose a folder is; nobody's where its host was killed before it could say so."""
    try:
        return dict(json.loads((folder / OWNER).read_text()))
    except (OSError, ValueError):
        return {}


def _named(client: Client) -> list[Any]:
    """Give our images that have a name; another may remove one, or take its name, while they are looked at."""
    import docker

    found = []
    for listed in client.api.images(filters={**_OURS, "dangling": False}):
        with contextlib.suppress(docker.errors.ImageNotFound):
            found.append(client.images.get(listed["Id"]))
    return [image for image in found if image.tags]


def _images(images: Sequence[Any], used: set[str], older_than: datetime) -> Iterator[Leftover]:
    """Find images that no job took since; the youngest first, since one may be the base of those built after it."""
    current = standard()
    for image in sorted(images, key=lambda each: str(each.attrs["Created"]), reverse=True):
        since = last_used(image)
        ours = "dativo.hash" in image.labels and current not in image.tags
        if ours and image.id not in used and since < older_than:
            size = image.attrs["Size"]
            why = "no job used it since, and no container does; the next job that needs it builds it again"
            yield Leftover(kind="image", name=image.tags[0], since=since.isoformat(), why=why, bytes=size)


def _locks(older_than: datetime) -> Iterator[Leftover]:
    for path in sorted(locks.folder().glob("*.lock")):
        with contextlib.suppress(FileNotFoundError):  # its build just ended
            since = datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)
            if since < older_than and not locks.is_held(path):
                yield Leftover(kind=_LOCK, name=str(path), since=since.isoformat(), why="its build is over for long")


def remove(client: Client, leftover: Leftover) -> None:
    """Remove one; it may be gone already."""
    import docker

    if leftover.kind == _LOCK:
        Path(leftover.name).unlink(missing_ok=True)
        return
    if leftover.kind == _FOLDER:
        if Path(leftover.name).exists():
            clear(Path(leftover.name))
        return

    with refusals(f"{leftover.kind} {leftover.name}"):
        try:
            if leftover.kind == "image":
                client.images.remove(leftover.name)
            else:
                client.containers.get(leftover.name).remove(force=True, v=True)
        except docker.errors.APIError as error:
            if error.status_code not in (BEING_REMOVED if leftover.kind == "container" else {404}):
                raise
