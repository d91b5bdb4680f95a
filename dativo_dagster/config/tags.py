"""Governance tags of a table, from its contract and from what source and job say about it.

Later wins: tags of the source, then the contract, then overrides of the job. Nothing is classified by guessing.
`pipeline.assemble` writes them as table properties.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dativo_dagster.config.contract import Contract

_FINOPS = ("cost_center", "business_tags", "project", "environment")
_GOVERNANCE = ("retention_days", "owner", "domain", "data_product", "regulations")


def derive_tags(
    contract: Contract,
    *,
    source_tags: Mapping[str, str] | None = None,
    classification_overrides: Mapping[str, str] | None = None,
    finops: Mapping[str, Any] | None = None,
    governance_overrides: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """Give the tags as text by key: ``asset.*``, ``classification.*``, ``governance.*``, ``finops.*``.

    Args:
        contract: The contract.
        source_tags: Class of a column by its name, as the source knows it.
        classification_overrides: The job's class by column name; ``default`` is that of the whole table.
        finops: The job's finops block.
        governance_overrides: The job's governance; an empty value removes the tag.
    """
    tags = {
        **dict(_asset(contract)),
        **dict(_classes(contract, source_tags or {}, classification_overrides or {})),
        **dict(_prefixed("governance", _GOVERNANCE, _said(contract), governance_overrides or {})),
        **dict(_prefixed("finops", _FINOPS, contract.finops, finops or {})),
    }
    return {key: value for key, value in tags.items() if value}


def _asset(contract: Contract) -> Iterator[tuple[str, str]]:
    for key in ("name", "version", "domain", "data_product", "source_type", "object"):
        yield f"asset.{key}", _text(getattr(contract, key))


def _classes(contract: Contract, source: Mapping[str, str], overrides: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    default = overrides.get("default", next(iter(contract.classification), None))
    yield "classification.default", _text(default).lower()
    declared = {f.name: f.classification for f in contract.fields if f.classification}
    by_column = {k: v for k, v in overrides.items() if k != "default"}
    for column, value in {**source, **declared, **by_column}.items():
        yield f"classification.fields.{column}", _text(value).lower()


def _said(contract: Contract) -> dict[str, Any]:
    return {key: getattr(contract, key) for key in _GOVERNANCE}


def _prefixed(
    prefix: str, keys: tuple[str, ...], said: Mapping[str, Any], overrides: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    for key in keys:
        yield f"{prefix}.{key}", _text(overrides[key] if key in overrides else said.get(key))


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple, set, frozenset)):
        return ",".join(str(v) for v in value)
    return str(value)
