"""P9: how many rows one core validates a second when every column is typed and three rules hold.

Run: python benchmarks/validation.py [--rows N] [--rounds N]

The input is the one of docs/performance.md, eight columns, made in memory in batches of 65,536 rows. The first line
is the target's case. The others tell what it costs when columns come as text, when rows break rules, and what a loop
over rows would take, as the earlier system validated.
"""

from __future__ import annotations

import argparse
import platform
import random
import statistics
import time
from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from dativo_dagster.config.contract import Contract, Field, Rule
from dativo_dagster.config.job import Validation
from dativo_dagster.config.types import parse_type
from dativo_dagster.validation.compile import compile_contract
from dativo_dagster.validation.enforce import Enforcer

BATCH = 65_536
TARGET = 20_000_000
COUNTRIES = ["DE", "FR", "US", "GB", "JP", "BR", "IN"]
TYPES = {
    "id": "int64",
    "name": "string",
    "email": "string",
    "amount": "decimal(12,2)",
    "created_at": "timestamp",
    "country": "string",
    "active": "boolean",
    "note": "string",
}
RULES = (
    Rule(kind="required", column="id"),
    Rule(kind="range", column="amount", parameters={"minimum": 0, "maximum": 100_000}),
    Rule(kind="enum", column="country", parameters={"values": COUNTRIES}),
)
OTHERS = {
    "length": Rule(kind="length", column="name", parameters={"minimum": 1, "maximum": 40}),
    "pattern": Rule(kind="pattern", column="email", parameters={"regex": "^[^@]+@[^@]+$"}),
    "unique": Rule(kind="unique", column="id"),
}


def contract(*rules: Rule) -> Contract:
    required = {r.column for r in rules if r.kind == "required"}
    fields = tuple(Field(name=n, type=parse_type(t), required=n in required) for n, t in TYPES.items())
    return Contract(name="bench", fields=fields, rules=rules)


def batches(rows: int, schema: pa.Schema) -> list[pa.RecordBatch]:
    rng = random.Random(7)
    made = []
    for start in range(0, rows, BATCH):
        ids = range(start, min(start + BATCH, rows))
        columns = {
            "id": pa.array(ids, pa.int64()),
            "name": pa.array([f"Name {i % 9973}" for i in ids]),
            "email": pa.array([f"user{i}@example.com" for i in ids]),
            "amount": pa.array([f"{rng.randrange(10_000_000) / 100:.2f}" for _ in ids]).cast(pa.decimal128(12, 2)),
            "created_at": pa.array([1_600_000_000_000_000 + i * 1_000_000 for i in ids]).cast(pa.timestamp("us")),
            "country": pa.array([COUNTRIES[i % 7] for i in ids]),
            "active": pa.array([i % 3 == 0 for i in ids]),
            "note": pa.array([None if i % 17 == 0 else "a, quoted, note" if i % 13 == 0 else "note" for i in ids]),
        }
        made.append(pa.RecordBatch.from_arrays([columns[f.name] for f in schema], schema=schema))
    return made


def as_text(batch: pa.RecordBatch) -> pa.RecordBatch:
    return pa.record_batch({n: batch.column(n).cast(pa.string()) for n in batch.schema.names})


def with_bad_rows(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Break the enum in one row of a hundred."""
    every = pc.equal(pc.bit_wise_and(pa.arange(0, batch.num_rows), 127), 0)
    country = pc.if_else(every, "XX", batch.column("country"))
    return batch.set_column(batch.schema.get_field_index("country"), "country", country)


def vectorised(data: list[pa.RecordBatch], *rules: Rule) -> Callable[[], int]:
    def run() -> int:
        enforcer = Enforcer(compile_contract(contract(*rules), Validation(mode="quarantine")), run_id="bench")
        rows = good = 0
        for batch in data:
            verdict = enforcer.check(batch, source="memory", first_row=rows + 1)
            rows += batch.num_rows
            good += verdict.good.num_rows + (verdict.rejected.num_rows if verdict.rejected else 0)
        assert good == rows
        return rows

    return run


def row_by_row(data: list[pa.RecordBatch]) -> Callable[[], int]:
    def check(row: dict[str, object]) -> bool:
        return row["id"] is not None and 0 <= row["amount"] <= 100_000 and row["country"] in COUNTRIES

    return lambda: sum(check(row) for batch in data[:2] for row in batch.to_pylist())


def cases(rows: int) -> Iterator[tuple[str, Callable[[], int]]]:
    typed = batches(rows, pa.schema([(n, _arrow(t)) for n, t in TYPES.items()]))
    yield "typed, required + range + enum", vectorised(typed, *RULES)
    yield "typed, no rule", vectorised(typed)
    for rule in RULES:
        yield f"typed, {rule.kind} alone", vectorised(typed, rule)
    for kind, rule in OTHERS.items():
        yield f"typed, {kind} alone", vectorised(typed, rule)
    yield "typed, 3 rules, 0.8 % rejected", vectorised([with_bad_rows(b) for b in typed], *RULES)
    yield "all text, 3 rules", vectorised([as_text(b) for b in typed[:8]], *RULES)
    yield "a loop over rows, 3 rules", row_by_row(typed)


def _arrow(text: str) -> pa.DataType:
    from dativo_dagster.validation.typemap import arrow_type

    return arrow_type(parse_type(text))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=2_000_000)
    options.add_argument("--rounds", type=int, default=5)
    given = options.parse_args()
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    print(f"Python {platform.python_version()}, pyarrow {pa.__version__}, one thread, {given.rows:,} rows")
    for label, run in cases(given.rows):
        run()
        speeds = []
        for _ in range(given.rounds):
            started = time.process_time()
            rows = run()
            speeds.append(rows / max(time.process_time() - started, 1e-9))
        speed = statistics.median(speeds)
        note = f"  target {TARGET / 1e6:.0f}: {'met' if speed >= TARGET else 'MISSED'}" if "required +" in label else ""
        print(f"{label:<34} {speed / 1e6:10.2f} M rows/s{note}")


if __name__ == "__main__":
    main()
