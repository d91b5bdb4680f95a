"""A contract as a plan for batches: the Arrow schema and one vector check a rule. Made once a stream and run."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import pyarrow as pa

from dativo_dagster.config.contract import Contract, Field, Rule
from dativo_dagster.validation.rules import Check, make_check
from dativo_dagster.validation.seen import Seen
from dativo_dagster.validation.typemap import arrow_schema, arrow_type
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from dativo_dagster.config.job import Validation, ValidationMode


@dataclass(frozen=True, kw_only=True)
class ColumnPlan:
    """One column: its field in the contract, and its rules but ``unique`` with their checks, in order."""

    field: Field
    checks: tuple[tuple[Rule, Check], ...]
    unique: Rule | None = None
    seen: Seen = dataclasses.field(default_factory=Seen)


@dataclass(frozen=True, kw_only=True)
class Compiled:
    """What every `Enforcer` of a run shares. ``seen`` in the columns is the only thing that changes, under a lock."""

    contract: Contract
    mode: ValidationMode
    schema: pa.Schema
    columns: tuple[ColumnPlan, ...]

    @cached_property
    def classified(self) -> frozenset[str]:
        """Name the columns whose values no report shows."""
        return frozenset(p.field.name for p in self.columns if p.field.classification)


def compile_contract(contract: Contract, validation: Validation) -> Compiled:
    """Make the plan; uniqueness holds among all batches that are checked with the same plan.

    Raises:
        ConfigurationError: ``BAD_RULE``, a rule names no column of the contract or does not fit its type.
    """
    names = {f.name for f in contract.fields}
    for rule in contract.rules:
        if rule.column not in names:
            raise ConfigurationError(
                f"contract {contract.name!r}: rule {rule.kind!r} is about {rule.column!r}, which is no column",
                "BAD_RULE",
                {"column": rule.column, "rule": rule.kind},
            )
    return Compiled(
        contract=contract,
        mode=validation.mode,
        schema=arrow_schema(contract, all_nullable=validation.mode == "warn"),
        columns=tuple(_plan(f, [r for r in contract.rules if r.column == f.name]) for f in contract.fields),
    )


def _plan(column: Field, rules: list[Rule]) -> ColumnPlan:
    kinds = {r.kind for r in rules}
    if column.required and "required" not in kinds:
        rules = [Rule(kind="required", column=column.name), *rules]
    if "unique" in kinds and pa.types.is_nested(arrow_type(column.type)):
        raise ConfigurationError(
            f"rule 'unique' of column {column.name!r} ({column.type}): a nested value cannot be unique",
            "BAD_RULE",
            {"column": column.name, "rule": "unique"},
        )
    return ColumnPlan(
        field=column,
        checks=tuple((rule, make_check(rule, column)) for rule in rules if rule.kind != "unique"),
        unique=next((rule for rule in rules if rule.kind == "unique"), None),
    )
