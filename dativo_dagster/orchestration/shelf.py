"""Which resources a code location has: one for each connector, table format or plugin in each place it runs.

Never one for each job: Dagster's work grows with resources times jobs, and a thousand jobs share a handful of plugins.
What a single stream asks of its plugin is metadata of its asset.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from dativo_dagster.config.job import PLUGIN
from dativo_dagster.config.paths import resolve_path
from dativo_dagster.orchestration.hiding import shown
from dativo_dagster.orchestration.launcher import PLACES, UnitLauncher
from dativo_dagster.orchestration.libraries import SHIPPED, NativeLibraryResource
from dativo_dagster.orchestration.plugins import ReaderResource, WriterResource
from dativo_dagster.pipeline.plugins import place as place_of
from dativo_ingest.exceptions import DativoError
from dativo_ingest.loader.path import LIBRARIES

if TYPE_CHECKING:
    from pathlib import Path

    import dagster as dg

    from dativo_dagster.config.job import Job, JobStream, Place, Source, Target

READER, WRITER = "reader", "writer"
_SUFFIX = re.compile(r"\.(py|so|dylib|dll)(?=:)")
_OTHER = re.compile(r"[^A-Za-z0-9]+")
_PARTS_OF_A_PATH = 2


class Keys(NamedTuple):
    """The resources that the ops of a stream go through."""

    reader: str
    writer: str


class Shelf:
    """The resources of a code location by key; parts that are the same share one."""

    def __init__(self) -> None:
        self.resources: dict[str, dg.ResourceDefinition] = {PLACES: UnitLauncher().get_resource_definition()}
        self._keys: dict[tuple[Any, ...], str] = {}

    def keys(self, job: Job, stream: JobStream) -> Keys:
        """Name the resources of a stream, and make those that are new."""
        return Keys(self._key(READER, stream.source, job), self._key(WRITER, stream.target, job))

    def of(self, *streams: Keys) -> dict[str, dg.ResourceDefinition]:
        """Give the resources of some streams."""
        return {key: self.resources[key] for keys in streams for key in (*keys, PLACES)}

    def _key(self, side: str, part: Source | Target, job: Job) -> str:
        place = (part.place.launcher, repr(sorted(part.place.options.items()))) if part.place else ()
        plugin = _absolute(part.plugin, job.path.parent) if part.plugin else ""
        facts = (side, part.connector, plugin, place)
        if facts not in self._keys:
            self._keys[facts] = key = self._free(f"{side}__{_words(part)}", facts)
            self.resources[key] = _resource(side, part, plugin, job).get_resource_definition()
        return self._keys[facts]

    def _free(self, key: str, facts: tuple[Any, ...]) -> str:
        """Give the key, with a digest behind it when another part has it already."""
        if key not in self.resources:
            return key
        return f"{key}_{hashlib.sha256(repr(facts).encode()).hexdigest()[:8]}"


def _words(part: Source | Target) -> str:
    """Say in letters that Dagster takes which plugin it is, with the last folder of its path; else the connector."""
    if not part.plugin:
        return _letters(part.connector)
    path = _SUFFIX.sub("", part.plugin)
    name = _letters("/".join(path.split("/")[-_PARTS_OF_A_PATH:]))
    return name if part.connector == PLUGIN else f"{_letters(part.connector)}__{name}"


def _letters(text: str) -> str:
    return _OTHER.sub("_", text).strip("_")


def _absolute(plugin: str, base: Path) -> str:
    """Give a plugin with the whole path of its file, which need not be there; ``native:`` names one of our own."""
    path, _, name = plugin.rpartition(":")
    if not path or plugin.startswith(SHIPPED):
        return plugin
    return f"{resolve_path(path, base).absolute()}:{name}"


def _resource(side: str, part: Source | Target, plugin: str, job: Job) -> ReaderResource | WriterResource:
    place = _place(part, job) if plugin else None
    facts: dict[str, Any] = {
        "connector": "" if part.connector == PLUGIN else part.connector,
        "plugin": plugin,
        "place": place.launcher if place else "",
        "limits": shown(place.options, job) if place else {},
        "library": _library(plugin) if place and place.launcher == "local" else None,
    }
    facts = {name: value for name, value in facts.items() if value}
    return ReaderResource(**facts) if side == READER else WriterResource(**facts)


def _place(part: Source | Target, job: Job) -> Place | None:
    """Say where a plugin will run; a run says what is wrong when it cannot."""
    try:
        return place_of(job, part)
    except DativoError:
        return part.place


def _library(plugin: str) -> NativeLibraryResource | None:
    """Give the library of a native plugin that is loaded into the process of the run."""
    if plugin.startswith(SHIPPED):
        return NativeLibraryResource(path=plugin)
    path = plugin.rpartition(":")[0]
    return NativeLibraryResource(path=path) if path.endswith(LIBRARIES) else None
