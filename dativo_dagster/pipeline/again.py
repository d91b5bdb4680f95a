"""Rows of the quarantine, held against the contract once more."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dativo_dagster.formats.json_rows import column_of, is_json, read_record
from dativo_dagster.validation.quarantine import QUARANTINE_SCHEMA, RECORD_CORRUPT

if TYPE_CHECKING:
    from dativo_dagster.validation.enforce import Enforcer

QUARANTINE = "the quarantine"
_IDENTITY = ("record", "source", "row", "line", "offset", "run_id", "rejected_at")
_WRONG = ("rule", "column", "reason", "violations")


@dataclass(frozen=True, kw_only=True)
class Fix:
    """What a person says of one quarantined row: another record for it, or that it is to be dropped, and why."""

    record: str | None = None
    drop: bool = False
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What became of one batch: rows of the contract, rows that stay in quarantine, and what was dropped."""

    good: pa.RecordBatch
    stays: pa.RecordBatch
    dropped: tuple[Mapping[str, Any], ...] = ()


@dataclass
class Ids:
    """Names the rows of a quarantine as they are read, each by what it was and where it came from."""

    _seen: Counter[str] = field(default_factory=Counter)

    def of(self, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        """Name rows; of several that are the same in everything each gets a number."""
        names = []
        for name in map(row_id, rows):
            self._seen[name] += 1
            names.append(name if self._seen[name] == 1 else f"{name}-{self._seen[name]}")
        return names


@dataclass
class Judge:
    """Decides on quarantined rows, batch by batch.

    Args:
        enforcer: The contract as it is now.
        fixes: What a person says, by the rows' ids. None looks at all rows; otherwise all rows that are not named
            stay as they are.
    """

    enforcer: Enforcer
    fixes: Mapping[str, Fix] | None = None
    used: set[str] = field(default_factory=set)
    _ids: Ids = field(default_factory=Ids)
    _rows: int = 0

    def look(self, batch: pa.RecordBatch) -> Judged:
        """Look at one batch of the quarantine."""
        rows = batch.to_pylist()
        fixes = self._fixes(rows)
        dropped = [i for i, fix in fixes.items() if fix.drop]
        places, values, broken = self._values(rows, fixes)
        good, wrong = self._checked(places, values)
        wrong |= broken
        left = sorted(set(range(len(rows))) - set(dropped) - (set(places) - set(wrong)))
        # A row that was mended in vain stays as it came.
        stays = [rows[i] | (wrong[i] if i not in fixes else {}) if i in wrong else rows[i] for i in left]
        return Judged(
            good=good,
            stays=pa.RecordBatch.from_pylist(stays, schema=QUARANTINE_SCHEMA),
            dropped=tuple(_dropped(rows[i], fixes[i]) for i in dropped),
        )

    def _fixes(self, rows: list[dict[str, Any]]) -> dict[int, Fix]:
        if self.fixes is None:
            return {}
        found = {}
        for i, name in enumerate(self._ids.of(rows)):
            if name in self.fixes:
                self.used.add(name)
                found[i] = self.fixes[name]
        return found

    def _values(
        self, rows: list[dict[str, Any]], fixes: Mapping[int, Fix]
    ) -> tuple[list[int], list[dict[str, Any]], dict[int, dict[str, Any]]]:
        """Read the records that are to be looked at; gives their places, and what is wrong with those that are none."""
        places, values, broken = [], [], {}
        schema = self.enforcer.compiled.schema
        nested = [f for f in schema if pa.types.is_nested(f.type)]
        plain = [f.name for f in schema if f not in nested and not is_json(f)]
        for i, row in enumerate(rows):
            text = fixes[i].record if i in fixes else row["record"]
            wanted = i in fixes if self.fixes is not None else row["rule"] != RECORD_CORRUPT
            if not wanted or text is None:
                continue
            record = read_record(text, 0, 0, pa.schema(nested))
            reason = record.reason if record.value is None else _misshapen(record.value, plain)
            if record.value is None or reason:
                broken[i] = _wrong(RECORD_CORRUPT, None, reason)
                continue
            places.append(i)
            values.append(record.value)
        return places, values, broken

    def _checked(
        self, places: list[int], values: list[dict[str, Any]]
    ) -> tuple[pa.RecordBatch, dict[int, dict[str, Any]]]:
        """Hold records against the contract; gives the good rows, and what is wrong with the others."""
        schema, first = self.enforcer.compiled.schema, self._rows + 1
        names = list(dict.fromkeys([*schema.names, *(name for value in values for name in value)]))
        nested = {f.name: f for f in schema if pa.types.is_nested(f.type)}
        arrays = [column_of([v.get(name) for v in values], nested.get(name)) for name in names]
        self._rows += len(values)
        verdict = self.enforcer.check(
            pa.RecordBatch.from_arrays(arrays, names=names), source=QUARANTINE, first_row=first
        )
        rejected = verdict.rejected.to_pylist() if verdict.rejected is not None else []
        return verdict.good, {places[row["row"] - first]: {key: row[key] for key in _WRONG} for row in rejected}


def row_id(row: Mapping[str, Any]) -> str:
    """Name a row by what it was and where it came from; replays change neither."""
    facts = json.dumps([row[key] for key in _IDENTITY], default=str, ensure_ascii=False)
    return hashlib.sha256(facts.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _misshapen(value: Mapping[str, Any], plain: Sequence[str]) -> str:
    """Say which column has a list or an object where the contract has a plain value."""
    wrong = [name for name in plain if isinstance(value.get(name), (list, dict))]
    return f"{wrong[0]}: an array or an object, expected a plain value" if wrong else ""


def _wrong(rule: str, column: str | None, reason: str) -> dict[str, Any]:
    said = {"rule": rule, "column": column, "reason": reason}
    return {**said, "violations": [said]}


def _dropped(row: Mapping[str, Any], fix: Fix) -> dict[str, Any]:
    place = {key: row[key] for key in ("source", "row", "line", "offset", "run_id", "rule")}
    return {"id": row_id(row), **place, "reason": fix.reason}
