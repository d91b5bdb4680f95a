"""What containers of hosts that were killed leave in the engine, and images that nobody used for long."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from dativo_dagster.launchers.docker.engine import Client, refusals
from dativo_dagster.workers.owner import gone
from dativo_ingest.model import Leftover

_OURS = {"label": "dativo=1"}
_HOST = "dativo.host"


def find(client: Client, older_than: datetime) -> Sequence[Leftover]:
    """Find containers whose host is gone, those of other machines by age, and old images that no container uses."""
    with refusals("leftovers"):
        containers = client.containers.list(all=True, filters={"label": ["dativo=1", _HOST]}, ignore_removed=True)
        images = client.images.list(filters={**_OURS, "dangling": False})
        used = {container.attrs["Image"] for container in client.containers.list(all=True, ignore_removed=True)}
    return [*_containers(containers, older_than), *_images(images, used, older_than)]


def _containers(containers: Sequence[Any], older_than: datetime) -> Iterator[Leftover]:
    for container in containers:
        labels, since = container.labels, _when(container.attrs["Created"])
        dead = gone(labels[_HOST])
        if dead or (dead is None and since < older_than):
            why = "the process that started it is gone" if dead else "it is old, and was started by another machine"
            owner = f"{labels.get('dativo.tenant', '')}/{labels.get('dativo.job', '')}"
            yield Leftover(kind="container", name=container.id, since=since.isoformat(), owner=owner, why=why)


def _images(images: Sequence[Any], used: set[str], older_than: datetime) -> Iterator[Leftover]:
    for image in images:
        since = _when(image.attrs["Created"])
        if image.id not in used and since < older_than and "dativo.hash" in image.labels:
            size = image.attrs["Size"]
            why = "no container uses it, and it is old; the next job that needs it builds it again"
            yield Leftover(kind="image", name=image.tags[0], since=since.isoformat(), why=why, bytes=size)


def remove(client: Client, leftover: Leftover) -> None:
    """Remove one; it may be gone already."""
    import docker

    with refusals(f"{leftover.kind} {leftover.name}"):
        try:
            if leftover.kind == "image":
                client.images.remove(leftover.name)
            else:
                client.containers.get(leftover.name).remove(force=True, v=True)
        except docker.errors.NotFound:
            return


def _when(text: str) -> datetime:
    """Read the engine's time: nanoseconds, in UTC."""
    return datetime.fromisoformat(f"{text.partition('.')[0].removesuffix('Z')}+00:00")
