"""Contract files of every form as one `Contract`: flat, nested (``asset:``) and ODCS 3.0.2 / 3.1.

Called by `config.load` for the path or the mapping that a job gives as its contract.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ValidationError

from dativo_dagster.config.contract import Contract
from dativo_dagster.config.contractflat import FlatContract, from_flat, unnest
from dativo_ingest.exceptions import ConfigurationError


class Document(Protocol):
    """Where the parts of a file stand."""

    def where(self, path: Sequence[str | int]) -> str:
        """Give ``file:line:column`` of what stands at ``path``, or of the nearest part around it."""
        ...


def load_contract(path: Path, *, object_name: str | None = None) -> Contract:
    """Read a contract file.

    Args:
        path: The file.
        object_name: Which object to take from an ODCS file with several.

    Raises:
        ConfigurationError: ``BAD_CONTRACT``; the message has file, line and column of each mistake.
    """
    data, document = _read(path)
    contract = parse_contract(data, document, name=path.name.partition(".")[0], object_name=object_name)
    return dataclasses.replace(contract, path=str(path))


def parse_contract(
    data: Any, document: Document, *, name: str = "contract", object_name: str | None = None
) -> Contract:
    """Make a contract from what a file holds, whichever form it has.

    ``name`` serves when the file says none; an error says its place by ``document``.
    """
    if not isinstance(data, Mapping):
        raise _bad([((), "a contract is a mapping with a `schema`")], document)
    if _is_odcs(data):
        from dativo_dagster.config.contractodcs import from_odcs

        return from_odcs(data, document, name=name, object_name=object_name)
    nested = isinstance(data.get("asset"), Mapping)
    try:
        return from_flat(FlatContract.model_validate(unnest(data) if nested else data), name=name)
    except ValidationError as error:
        prefix = ("asset",) if nested else ()
        raise _bad([((*prefix, *path), why) for path, why in mistakes(error, FlatContract)], document) from None


def contract_schema() -> dict[str, Any]:
    """Give the JSON Schema of the flat form, for editors."""
    schema = FlatContract.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _is_odcs(data: Mapping[str, Any]) -> bool:
    """Tell ODCS by its schema: objects with ``properties``, where the flat form has columns with a ``type``."""
    schema = data.get("schema")
    first = schema[0] if isinstance(schema, Sequence) and not isinstance(schema, str) and schema else None
    return isinstance(first, Mapping) and "properties" in first


def mistakes(error: ValidationError, model: type[BaseModel]) -> Iterable[tuple[tuple[str | int, ...], str]]:
    """Give path and message of each mistake, an unknown key with the known key nearest to it."""
    for found in error.errors(include_url=False, include_context=False, include_input=False):
        path = tuple(p for p in found["loc"] if isinstance(p, int) or not p.startswith("Flat"))
        why = found["msg"].removeprefix("Value error, ")
        if found["type"] == "extra_forbidden":
            why = f"unknown key {path[-1]!r}{_near(str(path[-1]), model, path)}"
        elif found["type"] == "missing":
            why = f"{path[-1]!r} is missing"
        yield path, why


def _near(key: str, model: type[BaseModel], path: tuple[str | int, ...]) -> str:
    defs = model.model_json_schema(by_alias=True)
    owner = _block(defs, defs, [p for p in path[:-1] if isinstance(p, str)])
    near = difflib.get_close_matches(key, owner.get("properties", {}), n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(owner.get('properties', {}))}"


def _block(root: Mapping[str, Any], at: Mapping[str, Any], path: list[str]) -> Mapping[str, Any]:
    """Follow ``path`` through a JSON Schema to the object that it names."""
    for option in at.get("anyOf", ()):
        if "$ref" in option or "items" in option:
            at = option
    if "items" in at:
        return _block(root, at["items"], path)
    if "$ref" in at:
        return _block(root, root["$defs"][at["$ref"].rsplit("/", 1)[-1]], path)
    return _block(root, at.get("properties", {}).get(path[0], {}), path[1:]) if path else at


def _bad(found: Iterable[tuple[tuple[str | int, ...], str]], document: Document) -> ConfigurationError:
    lines = [f"{document.where(path)}: {_dotted(path)}{why}" for path, why in found]
    return ConfigurationError("\n".join(lines), "BAD_CONTRACT", {"count": len(lines)})


def _dotted(path: tuple[str | int, ...]) -> str:
    text = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).removeprefix(".")
    return f"{text}: " if text else ""


def _read(path: Path) -> tuple[Any, Document]:
    """Read YAML (JSON is YAML) and remember where things stand."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        data = YAML(typ="rt").load(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise ConfigurationError(f"{path}: cannot read the contract: {error}", "BAD_CONTRACT") from error
    return _plain(data), _Positions(path, data)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return value


class _Positions:
    def __init__(self, path: Path, data: Any) -> None:
        self.path, self.data = path, data

    def where(self, path: Sequence[str | int]) -> str:
        at, line, column = self.data, 0, 0
        for part in path:
            try:
                line, column = at.lc.key(part) if isinstance(at, Mapping) else at.lc.item(part)
                at = at[part]
            except (KeyError, IndexError, AttributeError, TypeError):
                break
        return f"{self.path}:{line + 1}:{column + 1}"
