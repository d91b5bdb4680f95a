"""What a job says of the places of its plugins, held against what those places take. `config.normal` calls it.

Nothing of a cloud or of a container engine is imported: a launcher's ``Config`` is a plain model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field, ValidationError, field_validator

from dativo_dagster import registry
from dativo_dagster.config.blocks import FileModel, OpenModel
from dativo_dagster.config.document import Document, Map, Mark
from dativo_dagster.config.mistakes import Mistakes, explained, nearest, validated
from dativo_dagster.config.places import CLOUDS, SANDBOX, beside_a_sandbox, switched_on
from dativo_ingest.exceptions import DativoError

if TYPE_CHECKING:
    from pathlib import Path

    from dativo_dagster.config.document import Location


class CloudFile(OpenModel):
    """Where in a cloud a function lives. All keys are options of the place."""


class CloudExecutionFile(FileModel):
    """The block ``engine.cloud_execution`` of a source or target: the earlier system's word for a place."""

    enabled: bool = False
    provider: str = "aws"
    runtime: str | None = None
    memory_mb: int | None = Field(default=None, gt=0)
    timeout_seconds: float | None = Field(default=None, gt=0)
    aws: CloudFile | None = None
    gcp: CloudFile | None = None
    environment_variables: dict[str, str] | None = None

    @field_validator("provider")
    @classmethod
    def _known(cls, value: str) -> str:
        if value.lower() not in CLOUDS:
            raise ValueError(f"there is no provider {value!r}; {nearest(value.lower(), CLOUDS)}")
        return value


def sandboxed(job: Map) -> bool:
    """Say whether a job in the short form has a sandbox that is on."""
    plugins = job.get("plugins")
    sandbox = plugins.get("sandbox") if isinstance(plugins, Map) else None
    return isinstance(sandbox, Map) and switched_on(sandbox.get("enabled", True))


@dataclass(frozen=True)
class Placed:
    """Looks at the places of one job file; ``sandboxed`` says that the job has a sandbox."""

    path: Path
    mistakes: Mistakes
    sandboxed: bool = False

    def side(self, block: Map, at: Location) -> None:
        """Check where the plugin of a source or target is to run, and the options of that place."""
        if "place" in block:
            self._place(block, (*at, "place"))
        if isinstance(engine := block.get("engine"), Map):
            self._engine(engine, (*at, "engine", "cloud_execution"), block)

    def options(
        self,
        kind: registry.Kind,
        name: str,
        options: Map,
        at: Location,
        known: list[str],
        said_as: Mapping[str, Location] = MappingProxyType({}),
    ) -> None:
        """Hold options against the model of what they are for.

        Args:
            kind: The shelf of what they are for.
            name: Its name.
            options: They.
            at: Where in the file they stand.
            known: Keys beside those of the model.
            said_as: Where an option stands below ``at`` that has another name there.
        """
        document = Document(self.path, options)
        try:
            model: type[BaseModel] = registry.load(kind, name).Config
            model.model_validate(options)
        except ValidationError as error:
            for location, why, key in explained(error, model, options, known=known):
                shown = (*said_as.get(str(location[0]), location[:1]), *location[1:]) if location else ()
                self.mistakes.add(document.mark(location, key=key), (*at, *shown), why)
        except DativoError as error:
            self.mistakes.add(options.mark, at, error.message, error.error_code)

    def _place(self, block: Map, at: Location) -> None:
        said: Any = block["place"]
        mark: Mark = block.marks["place"][1]
        name = said.get("launcher") if isinstance(said, Map) else said
        known = registry.entries("launchers")
        if not _is_plugin(block):
            self.mistakes.add(mark, at, "only a plugin has a place: what is built in runs where the run does")
        elif said is None:
            self.mistakes.add(mark, at, "name a place here, or leave the key out")
        elif not isinstance(said, (str, Map)) or name is None:
            pass  # told by the file's own model
        elif not isinstance(name, str) or name not in known:
            why = f"there is no place {name!r}; {nearest(str(name), known)}"
            self.mistakes.add(mark, at, why, "UNKNOWN_LAUNCHER")
        else:
            self._beside_a_sandbox(name, mark, at)
            if isinstance(said, Map):
                self.options("launchers", name, said.without("launcher"), at, ["launcher"])

    def _beside_a_sandbox(self, launcher: str, mark: Mark, at: Location) -> None:
        if self.sandboxed and launcher != SANDBOX:
            self.mistakes.add(mark, at, beside_a_sandbox(launcher), "PLACE_CONFLICT")

    def _engine(self, engine: Map, at: Location, block: Map) -> None:
        cloud = engine.get("cloud_execution")
        if isinstance(cloud, Map):
            self._cloud(cloud, engine.marks["cloud_execution"][0], at, block)
        elif cloud is not None:
            mark = engine.marks["cloud_execution"][1]
            self.mistakes.add(mark, at, "write a mapping here, such as {key: value}")

    def _cloud(self, said: Map, mark: Mark, at: Location, block: Map) -> None:
        """Check the earlier system's block; what it says of one cloud are options of that place."""
        file = validated(CloudExecutionFile, Document(self.path, said), self.mistakes, within=at)
        if file is None or not file.enabled:
            return
        provider = file.provider.lower()
        if block.get("place") is not None:
            why = "the plugin has a `place` already; take out one of them, or set `enabled: false` here"
            self.mistakes.add(mark, at, why, "PLACE_CONFLICT")
        elif _is_plugin(block):
            self._beside_a_sandbox(CLOUDS[provider], mark, at)
        if CLOUDS[provider] not in registry.entries("launchers"):
            return
        own = said.get(provider)
        own = own if isinstance(own, Map) else Map(said.mark)
        options = own.over(said.only("runtime", "memory_mb", "timeout_seconds"))
        said_as: dict[str, Location] = {name: (provider, name) for name in own}
        if file.environment_variables:
            options.put("environment", said["environment_variables"], said.marks["environment_variables"])
            said_as["environment"] = ("environment_variables",)
        self.options("launchers", CLOUDS[provider], options, at, [], said_as)


def _is_plugin(block: Map) -> bool:
    return bool(block.get("custom_reader") or block.get("custom_writer"))
