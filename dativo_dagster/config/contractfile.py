"""Contract files of every form as one `Contract`: flat, nested (``asset:``) and ODCS 3.

Called by `config.load` for the path or the mapping that a job gives as its contract.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dativo_dagster.config.contractflat import FlatContract, from_flat, unnest
from dativo_dagster.config.document import Document, Map, read_document
from dativo_dagster.config.mistakes import Mistakes, validated

if TYPE_CHECKING:
    from dativo_dagster.config.contract import Contract

CODE = "BAD_CONTRACT"


def load_contract(path: Path, *, object_name: str | None = None) -> Contract:
    """Read a contract file.

    Args:
        path: The file.
        object_name: Which object to take from an ODCS file with several.

    Raises:
        ConfigurationError: ``BAD_CONTRACT``; the message has file, line and column of each mistake. What `document`
            raises when there is no file or no YAML in it.
    """
    document = read_document(path)
    contract = parse_contract(document.data, document, name=path.name.partition(".")[0], object_name=object_name)
    return dataclasses.replace(contract, path=str(path))


def parse_contract(
    data: Any, document: Document, *, name: str = "contract", object_name: str | None = None
) -> Contract:
    """Make a contract from what a file or a part of one holds, whichever form it has.

    ``name`` serves when the contract says none; ``document`` knows where everything stands.
    """
    mistakes, contract = Mistakes(CODE), None
    if not isinstance(data, Map):
        mistakes.add(document.mark(()), (), "a contract is a mapping with a `schema`")
    elif _is_odcs(data):
        from dativo_dagster.config.contractodcs import from_odcs

        contract = from_odcs(document, mistakes, name=name, object_name=object_name)
    else:
        nested = isinstance(data.get("asset"), Map)
        flat = validated(FlatContract, Document(document.path, unnest(data) if nested else data), mistakes)
        contract = from_flat(flat, document, mistakes, name=name) if flat else None
    mistakes.raise_any()
    if contract is None:
        raise AssertionError(data)
    return contract


def contract_schema() -> dict[str, Any]:
    """Give the JSON Schema of the flat form, for editors."""
    schema = FlatContract.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _is_odcs(data: Mapping[str, Any]) -> bool:
    """Tell ODCS by its schema: objects with ``properties``, where the flat form has columns with a ``type``."""
    schema = data.get("schema")
    first = schema[0] if isinstance(schema, Sequence) and not isinstance(schema, str) and schema else None
    return isinstance(first, Mapping) and "properties" in first
