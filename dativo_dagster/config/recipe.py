"""Connector recipes of the earlier system: defaults that a job's source or target is laid over.

A recipe is named by its path. When there is no such file, the built-in one of that name serves: those of the folder
``recipes`` beside this module, which are data and stand for the recipes that the earlier system shipped.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from dativo_dagster.config.blocks import OpenModel
from dativo_dagster.config.document import Document, Map, read_document
from dativo_dagster.config.mistakes import Mistakes, validated
from dativo_dagster.config.paths import is_file, resolve_path
from dativo_ingest.exceptions import ConfigurationError

BUILT_IN = Path(__file__).parent / "recipes"
Role = Literal["source", "target"]


class RecipeFile(OpenModel):
    """A connector recipe. Either role may stand in one file."""

    name: str = Field(description="The name of the recipe.")
    type: str = Field(description="The connector.")
    roles: list[Literal["source", "target"]] = Field(default=["source", "target"], min_length=1)
    description: str | None = ""
    default_engine: dict[str, Any] | None = Field(default=None, description="How the connector runs: type and options.")
    credentials: dict[str, Any] | None = None
    incremental: dict[str, Any] | None = Field(default=None, description="Defaults for jobs that are incremental.")
    rate_limits: dict[str, Any] | None = None
    connection_template: dict[str, Any] | None = None
    catalog: str | dict[str, Any] | None = None
    file_format: str | None = None
    partitioning_default: list[str] | None = None


_BELOW: dict[Role, dict[str, str]] = {
    # key of a source or a target: key of the recipe that lies below it
    "source": {k: k for k in ("type", "description", "credentials", "rate_limits")} | {"engine": "default_engine"},
    "target": {k: k for k in ("type", "description", "catalog", "file_format")}
    | {"engine": "default_engine", "connection": "connection_template", "partitioning": "partitioning_default"},
}


def built_in_recipes() -> frozenset[str]:
    """Give the names of the built-in recipes."""
    return frozenset(path.stem for path in BUILT_IN.glob("*.yaml"))


def read_recipe(named: str, base: Path, role: Role) -> Document:
    """Read the recipe called or lying at ``named``.

    Raises:
        ConfigurationError: There is none, it is not well formed, or it is not for that role.
    """
    place = resolve_path(named, base)
    if not is_file(place):
        place = BUILT_IN / f"{Path(named).stem}.yaml"
    if not is_file(place) or (Path(named).suffix not in {"", ".yaml", ".yml"}):
        known = ", ".join(sorted(built_in_recipes()))
        raise ConfigurationError(f"there is no recipe {named!r}; give its path, or one of {known}", "NO_SUCH_FILE")
    document, mistakes = read_document(place), Mistakes()
    if not isinstance(document.data, Map):
        mistakes.add(document.mark(()), (), "a recipe is a mapping with name and type")
    elif (recipe := validated(RecipeFile, document, mistakes)) and role not in recipe.roles:
        raise ConfigurationError(f"the recipe {recipe.name!r} cannot be a {role}; choose another", "WRONG_ROLE")
    mistakes.raise_any()
    return document


def laid_over(block: Map | None, recipe: Map, role: Role) -> Map:
    """Give a job's source or target over its recipe; mappings on both sides merge one level deep.

    A recipe's ``incremental`` is not among what lies below: only a job switches it on.
    """
    below = Map(recipe.mark)
    for key, theirs in _BELOW[role].items():
        if recipe.get(theirs) is not None:
            below.put(key, recipe[theirs], recipe.marks[theirs])
    return block.over(below) if block else below
