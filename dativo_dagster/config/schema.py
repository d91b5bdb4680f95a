"""JSON Schemas of the files that people write, made from the models that read them. For editors and `dativo schema`.

Options of connectors and tables come from their own ``Config``. A schema promises less than `config.load` checks: it
knows no other file, and a variable may stand wherever a number or a choice is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import AliasChoices, BaseModel

from dativo_dagster import registry
from dativo_dagster.config.contractfile import contract_schema
from dativo_dagster.config.jobfile import JobFile
from dativo_dagster.config.kinds import LEGACY_KEYS
from dativo_dagster.config.legacyfile import LegacyJobFile
from dativo_dagster.config.mistakes import models_in
from dativo_dagster.config.recipe import RecipeFile
from dativo_dagster.config.runner import RunnerFile
from dativo_dagster.config.streamfile import SourceFile, TargetFile

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["contract_schema", "job_schema", "recipe_schema", "runner_schema", "write_schemas"]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]
_SIDES: tuple[tuple[Literal["Source", "Target"], registry.Kind, type[BaseModel], str, tuple[str, ...]], ...] = (
    ("Source", "connectors", SourceFile, "custom_reader", ("connector",)),
    ("Target", "tables", TargetFile, "custom_writer", ("connector", "table")),
)
_VARIABLE = {"type": "string", "pattern": r"\$\{", "description": "A variable, such as ${NAME:-default}."}
_SCALARS = frozenset({"integer", "number", "boolean"})


def job_schema(*, built_in: bool = False) -> Schema:
    """Give the schema of a job in either form.

    Args:
        built_in: Leave out what other distributions brought, so that the schema is the same on every machine.
    """
    schema = _schema("A job of dativo", JobFile, LegacyJobFile)
    defs: Schema = schema["$defs"]
    whole: Schema = {}
    for side, kind, model, plugin, needed in _SIDES:
        entries = registry.ENTRIES[kind] if built_in else registry.entries(kind)
        whole[side.lower()] = {
            "if": {"not": {"required": [plugin]}},
            "then": {"required": [*needed]},
            **_per_connector(defs, side, kind, model, plugin, sorted(entries)),
        }
    defs["Contract"] = _inlined(defs, contract_schema())
    for block in ("JobFile", "StreamFile"):
        defs[block]["properties"]["contract"] = {
            "description": "A file, or the contract itself.",
            "anyOf": [{"type": "string"}, {"$ref": "#/$defs/Contract"}, {"required": ["apiVersion", "kind"]}],
        }
    defs["JobFile"]["if"] = {"not": {"required": ["streams"]}}
    defs["JobFile"]["then"] = {"required": ["source", "target", "contract"], "properties": whole}
    return {
        **schema,
        "type": "object",
        "if": {"anyOf": [{"required": [key]} for key in sorted(LEGACY_KEYS)]},
        "then": {"$ref": "#/$defs/LegacyJobFile"},
        "else": {"$ref": "#/$defs/JobFile"},
    }


def recipe_schema() -> Schema:
    """Give the schema of a connector recipe."""
    return {**_schema("A connector recipe of dativo", RecipeFile), "$ref": "#/$defs/RecipeFile"}


def runner_schema() -> Schema:
    """Give the schema of a runner file, wrapped in ``runner`` or not."""
    bare = {"$ref": "#/$defs/RunnerFile"}
    wrapped = {"required": ["runner"], "properties": {"runner": bare}, "additionalProperties": False}
    schema = _schema("A runner file of dativo", RunnerFile)
    return {**schema, "type": "object", "if": {"required": ["runner"]}, "then": wrapped, "else": bare}


def write_schemas(folder: Path) -> None:
    """Write ``job``, ``contract``, ``recipe`` and ``runner.schema.json`` into ``folder``; the same bytes every time."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {
        "job": job_schema(built_in=True),
        "contract": contract_schema(),
        "recipe": recipe_schema(),
        "runner": runner_schema(),
    }
    for name, schema in made.items():
        text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        (folder / f"{name}.schema.json").write_text(text, encoding="utf-8")


def _schema(title: str, *models: type[BaseModel]) -> Schema:
    """Give a schema whose ``$defs`` hold the models and all that they are made of."""
    defs: Schema = {}
    for model in models:
        _define(defs, model)
    return {"$schema": DIALECT, "title": title, "$defs": defs}


def _define(defs: Schema, model: type[BaseModel], prefix: str = "") -> Schema:
    """Add a model and its parts to ``defs``, the parts with ``prefix`` before their names, and give the model's own."""
    made: Schema = model.model_json_schema(ref_template=f"#/$defs/{prefix}{{model}}")
    parts: Schema = made.pop("$defs", {})
    models = {found.__name__: found for found in _reachable(model)}
    for name, part in {model.__name__: made, **parts}.items():
        if name in models:
            _other_names(part, models[name])
    for name, part in parts.items():
        defs[prefix + name] = _with_variables(part)
    made = dict(_with_variables(made))
    if not prefix:
        defs[model.__name__] = made
    return made


def _per_connector(
    defs: Schema, side: str, kind: registry.Kind, model: type[BaseModel], plugin: str, names: list[str]
) -> Schema:
    """Close a source or target for each connector that it may name; give what each needs when it stands alone."""
    block: Schema = defs[f"{side}File"]
    own = block["properties"]
    own["connector"] = {"enum": names, "description": own["connector"]["description"]}
    closed, needed, made = [], [], dict[str, str]()
    for name in names:
        entry = registry.entry(kind, name)
        options = made.get(entry.module)
        config: Schema = {}
        if options is None:
            options = f"{side}_{name}"
            config = _define(defs, registry.load(kind, name).Config, prefix=f"{options}_")
            made[entry.module] = options
            properties = {**dict.fromkeys(model.model_fields, True), **config.get("properties", {})}
            defs[options] = {"properties": properties, "additionalProperties": config.get("additionalProperties", True)}
            defs[options + "_needs"] = {"required": config.get("required", [])}
        chosen = {
            "properties": {"connector": {"const": name}},
            "required": ["connector"],
            "not": {"required": [plugin]},
        }
        closed.append({"if": chosen, "then": {"$ref": f"#/$defs/{options}"}})
        needed.append({"if": chosen, "then": {"$ref": f"#/$defs/{options}_needs"}})
    block["allOf"] = closed
    return {"allOf": needed}


def _inlined(defs: Schema, schema: Schema) -> Schema:
    """Move the parts of a schema of its own into ``defs``, which know none of them."""
    own = {key: value for key, value in schema.items() if key not in {"$defs", "$schema"}}
    defs.update(schema.get("$defs", {}))
    return own


def _reachable(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        for part in models_in(field.annotation):
            yield from _reachable(part)


def _other_names(schema: Schema, model: type[BaseModel]) -> None:
    """Add the names that a field has beside its first, which pydantic leaves out."""
    properties: Schema = schema.get("properties", {})
    for field in model.model_fields.values():
        if not isinstance(field.validation_alias, AliasChoices):
            continue
        first, *others = (str(choice) for choice in field.validation_alias.choices)
        for other in others:
            properties[other] = {**properties[first], "description": f"Another name of `{first}`."}
        if first in schema.get("required", []):
            schema["required"].remove(first)
            schema["anyOf"] = [{"required": [name]} for name in (first, *others)]


def _with_variables(schema: Any) -> Any:
    """Let a variable stand for each number, truth value and choice; leave out titles that only repeat names."""
    if isinstance(schema, list):
        return [_with_variables(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    found = {
        key: {name: _with_variables(part) for name, part in value.items()}
        if key == "properties"
        else value
        if key in {"default", "enum", "const", "required"}
        else _with_variables(value)
        for key, value in schema.items()
        if key != "title"
    }
    if found.get("type") not in _SCALARS and "enum" not in found:
        return found
    notes = {key: found.pop(key) for key in ("description", "default") if key in found}
    return {**notes, "anyOf": [found, dict(_VARIABLE)]}
