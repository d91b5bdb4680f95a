"""P14: what grows with the table. Commits into 10 and 10,000 files, 1 and 10 times the rows, 1 to 100 partitions.

The peer of a commit is pyiceberg's own append of the same file to a table with the same history, made by it.

    python benchmarks/scale.py [--rows 1000000] [--commits 15] [--folder /tmp/bench] [--only commits|partitions|rows]
"""

from __future__ import annotations

import argparse
import dataclasses
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
from measure import CONTRACT, make_input, run, versions

from dativo_dagster.config.contract import Contract, Field
from dativo_dagster.config.job import Slice, TableSpec
from dativo_dagster.config.types import parse_type
from dativo_dagster.tables.iceberg import Config, Table
from dativo_dagster.tables.iceberg.reached import PROPERTIES
from dativo_dagster.tables.iceberg.write import Shape, committed_file
from dativo_ingest.model import Snapshot, Staged

FILES = {"10 files": (1, 10), "10,000 files in 1 commit": (1, 10_000), "10,000 files in 100": (100, 100)}
DAY = date(2024, 1, 1)
JOB = """
name: {name}
tenant: bench
source: {{connector: csv, files: ["{path}"]}}
target:
  connector: iceberg
  table: bench.{name}
  catalog: {{type: sql, uri: "sqlite:///{lake}/catalog.db", warehouse: "file://{lake}/warehouse"}}
contract: {folder}/contracts/input.yaml
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--commits", type=int, default=15)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "dativo-bench")
    parser.add_argument("--only", choices=["commits", "partitions", "rows"])
    options = parser.parse_args()
    print(versions("pyiceberg", "pyarrow"))
    for name, part in {"commits": commits, "partitions": partitions, "rows": rows}.items():
        if options.only in (None, name):
            part(options)


def commits(options: argparse.Namespace) -> None:
    """Commit one file into tables of different size, in turn; ours and bare pyiceberg."""
    lake = fresh(options.folder / "scale-commits")
    sides: dict[str, Callable[[], object]] = {}
    for name, (count, files) in FILES.items():
        ours, theirs = Filled(lake, f"t{len(sides)}"), Filled(lake, f"t{len(sides) + 1}")
        for _ in range(count):
            ours.commit(files)
            theirs.bare(files)
        sides[name] = ours.commit
        sides[f"{name}, pyiceberg"] = theirs.bare
    kept = Filled(lake, "kept")
    for _ in range(100):
        kept.commit(100)
    Table(kept.config, kept.spec).expire(datetime.now(timezone.utc), keep=1)
    sides["10,000 files in 100, history expired"] = kept.commit
    spent: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(options.commits):
        for name, commit in sides.items():
            started = time.process_time()
            commit()
            spent[name].append(time.process_time() - started)
    for name, seconds in spent.items():
        base = spent["10 files" + (", pyiceberg" if "pyiceberg" in name else "")]
        grown = statistics.median(seconds) / statistics.median(base)
        print(f"commit into {name:<40} {statistics.median(seconds) * 1000:7.1f} CPU-ms   {grown:5.2f}x of 10 files")


class Filled:
    """A table that gets more files, each the copy of one that was written once."""

    def __init__(self, lake: Path, name: str, **more: Any) -> None:
        fields = tuple(Field(name=n, type=parse_type(k)) for n, k in {"id": "int64", "day": "date"}.items())
        self.spec = TableSpec(
            identifier=f"bench.{name}", contract=Contract(name=name, fields=fields), base=lake, run_date=DAY, **more
        )
        self.config = Config.model_validate(
            {"catalog": {"uri": f"sqlite:///{lake}/catalog.db", "warehouse": str(lake / "warehouse")}}
        )
        self.made = 0
        self.staged = self.stage(pa.record_batch({"id": [1, 2, 3], "day": [DAY] * 3}))

    def stage(self, batch: pa.RecordBatch) -> Staged:
        """Write rows up to the commit."""
        self.made += 1
        table = Table(self.config, self.spec)
        files = table.writer(f"{self.made:024x}").write([batch], "unit")
        return Staged(
            token=f"{self.made:024x}",
            key=self.spec.identifier,
            mode=self.spec.mode,
            files=tuple(files),
            table=table.prepared(),
        )

    def commit(self, files: int = 1) -> Snapshot:
        """Commit as a run does."""
        self.made += 1
        return Table(self.config, self.spec).commit(
            dataclasses.replace(self.staged, token=f"{self.made:024x}", files=self._copies(files))
        )

    def bare(self, files: int = 1) -> None:
        """Commit with pyiceberg alone: no token, no state, no look before."""
        table = Table(self.config, self.spec)
        found = table._load()  # noqa: SLF001 - the very catalog that ours uses
        if found is None:
            found = self._created(table)
        shape = Shape(schema=found.schema(), spec=found.spec(), properties=PROPERTIES)
        self.made += 1
        with found.transaction() as transaction, transaction.update_snapshot().fast_append() as append:
            for file in self._copies(files):
                append.append_data_file(committed_file(file, shape, 0))

    @staticmethod
    def _created(table: Table) -> Any:
        table._make_namespace()  # noqa: SLF001 - as above
        return table._stage().commit_transaction()  # noqa: SLF001 - as above

    def _copies(self, files: int) -> tuple[Any, ...]:
        (one,) = self.staged.files
        return tuple(dataclasses.replace(one, path=f"{one.path}.{self.made}.{n}") for n in range(files))


def partitions(options: argparse.Namespace) -> None:
    """Replace one day after the other, a hundred of them, twice: the second time each has rows to replace."""
    lake = fresh(options.folder / "scale-partitions")
    spent: list[float] = []
    for at in range(200):
        day = DAY + timedelta(days=at % 100)
        start = datetime.combine(day, datetime.min.time(), timezone.utc)
        part = Slice(key=str(day), column="day", lower=start.isoformat(), upper=(start + timedelta(days=1)).isoformat())
        batch = pa.record_batch({"id": pa.array(range(10_000)), "day": pa.array([day] * 10_000, pa.date32())})
        started = time.process_time()
        table = Filled.__new__(Filled)
        Filled.__init__(table, lake, "days", mode="overwrite", slice=part)
        table.made += 1_000 * at
        Table(table.config, table.spec).commit(table.stage(batch))
        spent.append(time.process_time() - started)
    for name, seconds in {"first": spent[:100], "again": spent[100:]}.items():
        first, last = sum(seconds[:10]), sum(seconds[-10:])
        grown = f"the last ten are {last / first:5.2f}x of the first ten"
        print(f"100 partitions, {name:<8} {sum(seconds):6.2f} CPU-s   {grown}")
    print(f"peak RSS {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def rows(options: argparse.Namespace) -> None:
    """Run a whole job on one and on ten times the rows."""
    spent = {}
    for count in (options.rows, 10 * options.rows):
        lake, jobs = fresh(options.folder / "scale-rows"), options.folder / "scale-jobs"
        path = make_input(options.folder, count)
        (jobs / "contracts").mkdir(parents=True, exist_ok=True)
        (jobs / "contracts/input.yaml").write_text(CONTRACT)
        job = jobs / "scale.yaml"
        job.write_text(JOB.format(name="scale", path=path, lake=lake, folder=jobs))
        wall, cpu, rss = spent[count] = run([sys.executable, "-m", "dativo_dagster.cli", "run", str(job)])
        print(f"{count:>11,} rows {wall:8.2f} s {cpu:8.2f} CPU-s {rss:7.0f} MB")
    small, large = spent.values()
    time_, cpu, rss = (b / a for a, b in zip(small, large, strict=True))
    print(f"ten times the rows: {time_:.2f}x time, {cpu:.2f}x CPU, {rss:.2f}x RSS")


def fresh(folder: Path) -> Path:
    """Give an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


if __name__ == "__main__":
    main()
