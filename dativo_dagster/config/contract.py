"""The one internal form of a data contract, whatever file it came from. `config.contractfile` reads the files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from dativo_dagster.config.types import LogicalType

RuleKind = Literal["required", "unique", "enum", "range", "length", "pattern"]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One promise about one column, beyond its type.

    ``parameters`` by kind: enum ``{values: [...]}``; range ``{minimum, maximum, exclusive_minimum,
    exclusive_maximum}``; length ``{minimum, maximum}`` in characters; pattern ``{regex}`` (RE2, matched anywhere as
    ODCS has it); required and unique ``{}``. ``unique`` holds within one run. Bounds and values are JSON values as
    the contract wrote them, dates and times in ISO 8601; `validation.compile` turns them into the column's type.
    """

    kind: RuleKind
    column: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Name the rule: ``<column>_<kind>``."""
        return f"{self.column}_{self.kind}"


@dataclass(frozen=True, kw_only=True)
class Field:
    """One column of a contract.

    ``timezone`` says where clocks without a zone stood, for a timestamptz whose source writes none; and whose clocks a
    timestamp shows, when its source writes zones. A primary key is
    required; it is unique only when the contract says so too, since a window may hold a key more than once.
    """

    name: str
    type: LogicalType
    required: bool = False
    primary_key: bool = False
    description: str = ""
    classification: str | None = None
    tags: tuple[str, ...] = ()
    timezone: str | None = None


@dataclass(frozen=True, kw_only=True)
class Contract:
    """What a stream promises its readers.

    ``minimum_rows`` and ``maximum_rows`` bound the rows of one run. ``unsupported`` names, in words, each promise of
    the file that nothing here checks; reports show it, so that no promise is dropped in silence.
    """

    name: str
    fields: tuple[Field, ...]
    version: str = "1.0.0"
    id: str | None = None
    status: str = "active"
    domain: str | None = None
    data_product: str | None = None
    tenant: str | None = None
    owner: str | None = None
    description: str = ""
    tags: tuple[str, ...] = ()
    source_type: str | None = None
    object: str | None = None
    rules: tuple[Rule, ...] = ()
    classification: tuple[str, ...] = ()
    regulations: tuple[str, ...] = ()
    retention_days: int | None = None
    finops: Mapping[str, Any] = field(default_factory=dict)
    roles: tuple[Mapping[str, Any], ...] = ()
    minimum_rows: int | None = None
    maximum_rows: int | None = None
    unsupported: tuple[str, ...] = ()
    path: str | None = None
    standard: str | None = None

    @property
    def primary_key(self) -> tuple[str, ...]:
        """Give the names of the key columns, in order."""
        return tuple(f.name for f in self.fields if f.primary_key)
