"""Batches of a source become batches of the contract, and rows that break it are set aside with the reason.

One `Enforcer` a unit; `pipeline.units` feeds it. No row is lost: of every batch, good and rejected rows add up.
"""

from __future__ import annotations

import difflib
from collections import Counter
from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from dativo_dagster.config.types import LogicalType, Timestamp
from dativo_dagster.validation.convert import convert, is_text
from dativo_dagster.validation.quarantine import RECORD_CORRUPT, Problem, corrupted, json_values, quarantined
from dativo_ingest.exceptions import ValidationError
from dativo_ingest.model import Violation
from dativo_ingest.protocols import CORRUPT

if TYPE_CHECKING:
    from dativo_dagster.config.contract import Rule
    from dativo_dagster.validation.compile import ColumnPlan, Compiled

SAMPLE = 10
LONGEST_VALUE = 60
UNKNOWN_COLUMNS = "unknown_columns"
_REASONS = {
    "required": "missing, and required",
    "enum": "not one of the allowed values",
    "range": "out of range",
    "length": "too short or too long",
    "pattern": "not a match of the pattern",
    "unique": "there already in this run, and unique",
}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What became of one batch.

    ``good`` has exactly the contract's schema, ``rejected`` that of the quarantine. ``nulled`` counts good rows that
    `warn` kept although a required value is missing.
    """

    good: pa.RecordBatch
    rejected: pa.RecordBatch | None = None
    nulled: int = 0


@dataclass
class Enforcer:
    """Checks the batches of one unit and keeps count. Not for two threads at once.

    Mode `strict` and `quarantine` reject every row that breaks anything; what follows is the pipeline's. `warn`
    rejects only rows that cannot be represented: corrupt records and values that are not of their type.
    """

    compiled: Compiled
    run_id: str
    _counts: Counter[tuple[str, str | None]] = field(default_factory=Counter)
    _samples: dict[tuple[str, str | None], list[str]] = field(default_factory=dict)

    def check(self, batch: pa.RecordBatch, *, source: str, first_row: int) -> Verdict:
        """Check one batch of ``source`` whose first row has the number ``first_row``.

        Raises:
            ValidationError: ``UNKNOWN_COLUMNS``, the mode is `strict` and the batch has a column that the contract
                does not; ``DUPLICATE_COLUMN``, it has one twice.
        """
        batch = batch if isinstance(batch, pa.RecordBatch) else pa.record_batch(batch)
        rows, rejected = pa.arange(first_row, first_row + batch.num_rows), None
        if CORRUPT in batch.schema.names:
            batch, rows, rejected = self._without_corrupt(batch, rows, source)
        self._look_at_names(batch, source)
        columns, problems = self._columns(batch)
        good = pa.RecordBatch.from_arrays(columns, schema=self.compiled.schema)
        if not problems:
            return Verdict(good=good, rejected=rejected)
        for problem in problems:
            self._count(problem, batch, source, rows)
        bad = _any([p.rows for p in problems if p.rejects])
        if bad is not None:
            good = good.filter(pc.invert(bad))
            aside = quarantined(batch, bad, problems, source=source, rows=rows, run_id=self.run_id)
            rejected = aside if rejected is None else pa.concat_batches([rejected, aside])
        return Verdict(good=good, rejected=rejected, nulled=_nulled(problems, bad))

    def violations(self) -> tuple[Violation, ...]:
        """Give what was counted so far, most broken first, with at most ten places each."""
        return tuple(
            Violation(rule=rule, column=column, count=count, sample=tuple(self._samples[rule, column]))
            for (rule, column), count in self._counts.most_common()
        )

    def _columns(self, batch: pa.RecordBatch) -> tuple[list[pa.Array], list[Problem]]:
        arrays, problems = [], []
        for plan in self.compiled.columns:
            array, found = self._column(plan, batch)
            arrays.append(array)
            problems += found
        for plan, array in zip(self.compiled.columns, arrays, strict=True):
            if plan.unique:
                # A row that goes anyway must not keep a good one out.
                bad = _any([p.rows for p in problems if p.rejects])
                mask = plan.seen.repeated(array, None if bad is None else pc.invert(bad))
                problems += self._broken(plan.unique, mask)
        return arrays, sorted(problems, key=lambda p: not p.rejects)

    def _column(self, plan: ColumnPlan, batch: pa.RecordBatch) -> tuple[pa.Array, list[Problem]]:
        name, kind = plan.field.name, plan.field.type
        there = name in batch.schema.names
        raw = batch.column(name) if there else pa.nulls(batch.num_rows)
        values, bad = convert(raw, kind, plan.field.timezone)
        problems = []
        if bad is not None and bad.true_count:
            problems.append(Problem(rule=f"{name}_type", column=name, reason=_not_a(kind, raw.type), rows=bad))
        for rule, check in plan.checks:
            mask = check(values)
            if rule.kind == "required" and mask is not None and bad is not None:
                mask = pc.and_not(mask, bad)
            problems += self._broken(rule, mask, "" if there else _absent(name, batch.schema.names))
        return values, problems

    def _broken(self, rule: Rule, mask: pa.BooleanArray | None, more: str = "") -> list[Problem]:
        if mask is None or not mask.true_count:
            return []
        said = ", ".join(f"{key} {value}" for key, value in rule.parameters.items())
        reason = _REASONS[rule.kind] + (f" ({_shortened(said)})" if said else "") + more
        rejects = self.compiled.mode != "warn"
        return [Problem(rule=rule.id, column=rule.column, reason=reason, rows=mask, rejects=rejects)]

    def _without_corrupt(
        self, batch: pa.RecordBatch, rows: pa.Array, source: str
    ) -> tuple[pa.RecordBatch, pa.Array, pa.RecordBatch | None]:
        """Take the records out that the reader could not parse, and the column that tells of them."""
        corrupt = batch.column(CORRUPT)
        batch = batch.drop_columns([CORRUPT])
        if corrupt.null_count == len(corrupt):
            return batch, rows, None
        mask = corrupt.is_valid()
        rejected = corrupted(corrupt.filter(mask), source=source, rows=rows.filter(mask), run_id=self.run_id)
        places = [
            f"row {row} of {source}: {_shortened(reason)}"
            for row, reason in zip(rejected["row"][:SAMPLE].to_pylist(), rejected["reason"].to_pylist(), strict=False)
        ]
        self._add(RECORD_CORRUPT, None, rejected.num_rows, places)
        return batch.filter(pc.invert(mask)), rows.filter(pc.invert(mask)), rejected

    def _look_at_names(self, batch: pa.RecordBatch, source: str) -> None:
        names = batch.schema.names
        if len(set(names)) < len(names):
            twice = sorted(n for n, count in Counter(names).items() if count > 1)
            raise ValidationError(
                f"{source}: column {', '.join(map(repr, twice))} is there more than once; give each its own name",
                "DUPLICATE_COLUMN",
                {"columns": twice},
            )
        promised = [p.field.name for p in self.compiled.columns]
        unknown = [n for n in names if n not in set(promised)]
        if unknown and self.compiled.mode == "strict":
            listed = ", ".join(repr(n) + _near(n, promised) for n in unknown)
            raise ValidationError(
                f"{source}: not in the contract {self.compiled.contract.name!r}: {listed}. Add it to the contract or "
                "take it out of the source; with `validation: warn` or `quarantine` it is left out and counted",
                "UNKNOWN_COLUMNS",
                {"columns": unknown},
            )
        for name in unknown:
            place = f"{source}: the contract has no column {name!r}{_near(name, promised)}; it is not written"
            self._add(UNKNOWN_COLUMNS, name, batch.num_rows, [place])

    def _count(self, problem: Problem, batch: pa.RecordBatch, source: str, rows: pa.Array) -> None:
        wanted = SAMPLE - len(self._samples.get((problem.rule, problem.column), ()))
        places = pc.indices_nonzero(problem.rows)[:wanted].to_pylist() if wanted else []
        shown = [
            f"row {rows[i]} of {source}: {self._shown(batch, problem.column, i)} is {problem.reason}" for i in places
        ]
        self._add(problem.rule, problem.column, problem.rows.true_count, shown)

    def _add(self, rule: str, column: str | None, count: int, places: list[str]) -> None:
        self._counts[rule, column] += count
        sample = self._samples.setdefault((rule, column), [])
        sample += [p for p in places if p not in sample][: SAMPLE - len(sample)]

    def _shown(self, batch: pa.RecordBatch, column: str | None, row: int) -> str:
        """Give a value as a report may show it: short, and masked when the column is classified."""
        if column is None or column not in batch.schema.names:
            return str(column)
        array = batch.column(column)
        (value,) = json_values(array[row : row + 1])
        if value is None:
            return column
        if column in self.compiled.classified:
            return "a masked value"
        return _shortened(repr(value) if is_text(array.type) else str(value))


def _any(masks: list[pa.BooleanArray]) -> pa.BooleanArray | None:
    return reduce(pc.or_, masks) if masks else None


def _nulled(problems: list[Problem], bad: pa.BooleanArray | None) -> int:
    missing = _any([p.rows for p in problems if not p.rejects and p.rule == f"{p.column}_required"])
    if missing is None:
        return 0
    return int((missing if bad is None else pc.and_not(missing, bad)).true_count)


def _not_a(kind: LogicalType, source: pa.DataType) -> str:
    article = "an" if str(kind)[0] in "aeiou" else "a"
    zone = ""
    if isinstance(kind, Timestamp):
        zone = " with a time zone" if kind.zoned else " without a time zone"
    return f"not {article} {kind}{zone}" if is_text(source) else f"not exactly {article} {kind}{zone}, but {source}"


def _absent(name: str, names: list[str]) -> str:
    return f"; the source has no column {name!r}{_near(name, names)}"


def _near(name: str, names: list[str]) -> str:
    folded = {n.casefold(): n for n in names}
    near = difflib.get_close_matches(name.casefold(), folded, n=1)
    return f" (did you mean {folded[near[0]]!r}?)" if near else ""


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"
