"""A job, what its source is given, and the rows that must then be in the table.

Every row has an ``id`` and the ``version`` of the delivery that it came with, so that no two rows are alike: a lost,
a doubled and a stale row all show. A delivery makes many batches and many data files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.reliability import oracle

if TYPE_CHECKING:
    from tests.reliability.oracle import Lying, Row

BATCH = 50
CATALOG = ".dativo/warehouse/catalog.db"
JOB = """
name: things
source: {{connector: csv, files: "in/*.csv", batch_rows: {batch}{source}}}
target: {{connector: {connector}, table: {table}, mode: {mode}, file_size_mb: 0.001{options}}}
contract:
  name: things
  schema:
    - {{name: id, type: int64, required: true}}
    - {{name: version, type: int64, required: true}}
    - {{name: text, type: string}}
"""


@dataclass(frozen=True)
class Mode:
    """A write mode.

    Args:
        name: As a job writes it.
        ids: The ids of the first and of the second delivery.
        becomes: The rows of a table that held the first delivery, once it has got the second.
        beside: Whether the second delivery is a file beside the first one, or comes in its place.
        options: What the job's target says beside the mode, and ``source`` what its source does.
        columns: The columns that tell one row from another.
    """

    name: str
    ids: tuple[range, range]
    becomes: Callable[[range, range], list[Row]]
    beside: bool = False
    options: str = ""
    source: str = ""
    columns: tuple[str, ...] = ("id", "version")

    @property
    def before(self) -> list[Row]:
        """Give the rows after the first delivery."""
        return sorted(((n, 1, True)[: len(self.columns)] for n in self.ids[0]), key=repr)

    @property
    def after(self) -> list[Row]:
        """Give the rows after both deliveries."""
        return sorted(self.becomes(*self.ids), key=repr)


def _append(first: range, second: range) -> list[Row]:
    return [(n, 1) for n in first] + [(n, 2) for n in second]


def _overwrite(first: range, second: range) -> list[Row]:
    return [(n, 2) for n in second]


def _merge(first: range, second: range) -> list[Row]:
    return [(n, 2 if n in second else 1) for n in {*first, *second}]


def _scd2(first: range, second: range) -> list[Row]:
    return [(n, 1, n not in second) for n in first] + [(n, 2, True) for n in second]


APART, ACROSS = (range(400), range(400, 800)), (range(400), range(200, 600))
MODES = {
    mode.name: mode
    for mode in (
        Mode("append", APART, _append, beside=True, source=", incremental: {strategy: file_modified_time}"),
        Mode("overwrite", ACROSS, _overwrite),
        Mode("merge", ACROSS, _merge, options=", key: [id], order_by: version"),
        Mode("scd2", ACROSS, _scd2, options=", key: [id]", columns=("id", "version", "is_current")),
    )
}


@dataclass(frozen=True)
class Target:
    """A kind of table: its name in a job, what that says beside, and how to see what lies there without us.

    In ``options`` a job's own folder is called ``{place}``.
    """

    connector: str
    options: str
    lying: Callable[[Desk], Lying]
    modes: tuple[str, ...] = tuple(MODES)


def _iceberg(desk: Desk) -> Lying:
    return oracle.iceberg(desk.place / CATALOG, desk.table, desk.mode.columns)


def _files(desk: Desk) -> Lying:
    return oracle.folder(desk.place / "out", desk.mode.columns)


def _delta(desk: Desk) -> Lying:
    return oracle.delta(desk.place / "lake", desk.mode.columns)


def _duckdb(desk: Desk) -> Lying:
    return oracle.duckdb_file(desk.place / "lake.duckdb", desk.table, desk.mode.columns, desk.place / "staged")


def postgres(url: str) -> Target:
    """Give the tables of a PostgreSQL database as a target."""

    def lying(desk: Desk) -> Lying:
        return oracle.postgres(url, desk.table, desk.mode.columns, desk.place / "staged")

    return Target("postgres", f', url: "{url}"' + STAGED, lying)


STAGED = ", staging: {place}/staged"
TARGETS = {
    "iceberg": Target("iceberg", "", _iceberg),
    "parquet": Target("parquet", ", path: out", _files),
    "delta": Target("delta", ", path: lake", _delta, modes=("append", "overwrite")),
    "duckdb": Target("duckdb", ", path: {place}/lake.duckdb" + STAGED, _duckdb),
}
"""Targets that need no server."""
EVERYWHERE = {**dict.fromkeys(TARGETS, ()), "postgres": (pytest.mark.integration,)}
"""The names of all targets, with the marks of tests that use them."""


def modes_of(target: str) -> Sequence[str]:
    """Give the modes that a target has."""
    return TARGETS[target].modes if target in TARGETS else tuple(MODES)


@dataclass(frozen=True)
class Desk:
    """A folder with one job in it, where runs are started."""

    place: Path
    mode: Mode
    target: Target
    table: str = "a.things"

    def lay_out(self) -> None:
        """Write the job and the first delivery."""
        job = JOB.format(
            batch=BATCH,
            source=self.mode.source,
            connector=self.target.connector,
            table=self.table,
            mode=self.mode.name,
            options=self.target.options.replace("{place}", str(self.place)) + self.mode.options,
        )
        (self.place / "job.yaml").write_text(job)
        (self.place / "in").mkdir()
        self.deliver(1)

    def deliver(self, version: int) -> None:
        """Give the source its first or second delivery."""
        name = f"{version if self.mode.beside else 'all'}.csv"
        rows = [f"{n},{version},{'x' * 30}{n * 7919}\n" for n in self.mode.ids[version - 1]]
        fresh = self.place / "in" / "fresh"
        fresh.write_text("id,version,text\n" + "".join(rows))
        fresh.rename(self.place / "in" / name)

    def lying(self) -> Lying:
        """See what lies at the target."""
        return self.target.lying(self)
