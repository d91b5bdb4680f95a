"""The image that a plugin runs in: built once, named by the hash of all that goes into it."""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import json
import logging
import re
import tarfile
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dativo_dagster.launchers.docker import locks
from dativo_dagster.launchers.docker.engine import Client, has_image, refusals, when
from dativo_ingest.exceptions import ConfigurationError
from dativo_ingest.loader.packing import sdk_files

if TYPE_CHECKING:
    from dativo_dagster.launchers.docker.config import Config

BASE = "python:3.11-slim-bookworm"
NAME = "dativo/plugin-runner"
_RECIPES = Path(__file__).parent / "image"
_TAIL_LINES = 15
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_ENGINE_WORDS = (" ---> ", "Removing intermediate container ", "The command '")
"""How lines begin that the engine writes about a step, and that are not what the step printed."""
_NOTED_EVERY = timedelta(hours=1)
_LOGGER = logging.getLogger(__name__)


def runner(client: Client, config: Config) -> str:
    """Give the image for a job; what is not there yet is built.

    Raises:
        ConfigurationError: ``IMAGE_MISSING``: the engine has no base image and gets none. ``IMAGE_UNFIT``: it could
            not be built; the end of the engine's log tells why.
        SandboxError: The engine refused.
    """
    base = config.image or _build(client, *_standard())
    if not config.image and not config.requirements:
        return base
    requirements = "".join(f"{line}\n" for line in config.requirements).encode()
    if config.image:
        base = _known(client, base)
    return _build(client, "Dockerfile.derived", base, {**sdk_files(), "requirements.txt": requirements}, {})


def with_files(client: Client, base: str, files: Mapping[str, bytes]) -> str:
    """Give an image that has a plugin's own files in it, for an engine that sees no folder of this machine."""
    content = {f"plugin/{name}": data for name, data in files.items()}
    return _build(client, "Dockerfile.plugin", base, content, {})


def standard() -> str:
    """Name the image that this version takes where a job says nothing."""
    recipe, base, files, given = _standard()
    return f"{NAME}:{_digest(*_ingredients(recipe, base, files, given))}"


def _standard() -> tuple[str, str, Mapping[str, bytes], Mapping[str, str]]:
    return "Dockerfile", BASE, sdk_files(), {"PYARROW": _pyarrow()}


def _ingredients(
    recipe: str, base: str, files: Mapping[str, bytes], given: Mapping[str, str]
) -> tuple[dict[str, bytes], dict[str, str]]:
    return {"Dockerfile": (_RECIPES / recipe).read_bytes(), **files}, {"BASE": base, **given}


def _build(client: Client, recipe: str, base: str, files: Mapping[str, bytes], given: Mapping[str, str]) -> str:
    content, arguments = _ingredients(recipe, base, files, given)
    digest = _digest(content, arguments)
    tag = f"{NAME}:{digest}"
    if _take(client, tag):
        return tag
    with locks.alone(digest):
        if not has_image(client, tag):
            _need(client, base)
            _LOGGER.info("building image %s from %s, once; packages may take half a minute", tag, base)
            _make(client, tag, content, arguments, {"dativo": "1", "dativo.hash": digest})
    return tag


def _take(client: Client, tag: str) -> bool:
    """Take an image if the engine has it: it is tagged once more, and when that was the engine knows."""
    import docker

    with refusals(f"image {tag}"):
        try:
            image = client.images.get(tag)
        except docker.errors.ImageNotFound:
            return False
        if datetime.now(timezone.utc) - last_used(image) > _NOTED_EVERY:
            image.tag(NAME, tag.rpartition(":")[2])
    return True


def last_used(image: Any) -> datetime:
    """Tell to the hour when an image of ours was last taken for a job, or when it was built if that is not known."""
    born, tagged = image.attrs["Created"], (image.attrs.get("Metadata") or {}).get("LastTagTime")
    return max(when(born), when(tagged or born))  # one that came by `docker load` was tagged in the year 1


def _make(
    client: Client, tag: str, content: Mapping[str, bytes], arguments: Mapping[str, str], labels: Mapping[str, str]
) -> None:
    import docker

    with refusals(f"image {tag}"):
        try:
            client.images.build(
                fileobj=_archive(content),
                custom_context=True,
                tag=tag,
                buildargs=dict(arguments),
                labels=dict(labels),
                rm=True,
                forcerm=True,
            )
        except docker.errors.BuildError as error:
            message = (
                f"the image for plugins cannot be built from {_called(client, arguments['BASE'])}: it must have Python "
                "3.10 or newer and pyarrow, and `requirements` must be found by pip; the build said:\n"
                f"{_last_words(error.build_log)}"
            )
            raise ConfigurationError(message, "IMAGE_UNFIT", {"image": arguments["BASE"]}) from error


def _last_words(log: Iterable[Mapping[str, Any]]) -> str:
    """Give what the step that failed printed; where it printed nothing, what the engine says of it."""
    said = _COLOURS.sub("", "".join(str(line.get("stream") or line.get("error") or "") for line in log)).strip()
    lines = said.rpartition("\nStep ")[2].splitlines()
    printed = [line for line in lines[1:] if not line.startswith(_ENGINE_WORDS)]
    return "\n".join((printed or lines)[-_TAIL_LINES:])


def _known(client: Client, name: str) -> str:
    """Name an image of the job's by its content: a tag that moves gives another derived image."""
    _need(client, name)
    with refusals(f"image {name}"):
        return str(client.images.get(name).id)


def _called(client: Client, image: str) -> str:
    """Give the names that people know an image by."""
    return ", ".join(client.images.get(image).tags) or image


def _need(client: Client, name: str) -> None:
    import docker

    if has_image(client, name):
        return
    _LOGGER.info("pulling image %s", name)
    try:
        client.images.pull(name)
    except docker.errors.APIError as error:
        message = f"the Docker engine has no image {name} and cannot pull it ({error.explanation}); load it with "
        message += f"`docker load` or `docker pull {name}`, or name another with `image`"
        raise ConfigurationError(message, "IMAGE_MISSING", {"image": name}) from error


def _pyarrow() -> str:
    return importlib.metadata.version("pyarrow")


def _digest(content: Mapping[str, bytes], arguments: Mapping[str, str]) -> str:
    known = [(name, hashlib.sha256(content[name]).hexdigest()) for name in sorted(content)]
    return hashlib.sha256(json.dumps([known, sorted(arguments.items())]).encode()).hexdigest()[:16]


def _archive(content: Mapping[str, bytes]) -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name in sorted(content):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content[name]), 0o644
            archive.addfile(entry, io.BytesIO(content[name]))
    out.seek(0)
    return out
