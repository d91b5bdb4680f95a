"""Run commands in turn, A B A B ..., as whole processes, and compare their medians. Used by every benchmark here."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path


@dataclass
class Figures:
    """Wall seconds, CPU seconds and peak RSS in MB of each run of one command."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    rss: list[float] = field(default_factory=list)

    def line(self, name: str) -> str:
        """Give the medians as one row of a table."""
        return (
            f"{name:<44} {statistics.median(self.wall):8.2f} s {statistics.median(self.cpu):8.2f} CPU-s "
            f"{max(self.rss):7.0f} MB"
        )


def run(command: list[str], environment: dict[str, str] | None = None) -> tuple[float, float, float]:
    """Run a command to its end and give wall seconds, CPU seconds and peak RSS in MB.

    Raises:
        SystemExit: The command failed; what it printed is shown.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        command, env={**os.environ, **(environment or {})}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    output = process.stdout.read() if process.stdout else b""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)}\nended with {process.returncode}:\n{output.decode(errors='replace')}")
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def compare(
    commands: dict[str, list[str]], *, runs: int, before: dict[str, object] | None = None
) -> dict[str, Figures]:
    """Run the commands in turn ``runs`` times; ``before[name]`` is called without arguments before each run."""
    figures = {name: Figures() for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            if before and (prepare := before.get(name)):
                prepare()  # type: ignore[operator]
            wall, cpu, rss = run(command)
            figures[name].wall.append(wall)
            figures[name].cpu.append(cpu)
            figures[name].rss.append(rss)
    return figures


def ratio(ours: Figures, peer: Figures) -> float:
    """Give the median over the runs of ours / peer, pair by pair, so that a drifting machine cancels out."""
    return statistics.median(a / b for a, b in zip(ours.wall, peer.wall, strict=True))


def versions(*names: str) -> str:
    """Give ``name version`` of each distribution, for the head of a report."""
    return ", ".join(f"{n} {version(n)}" for n in names)


INPUT_SQL = """
COPY (
  SELECT
    i AS id,
    'name ' || (hash(i, {seed}) % 1000000)::VARCHAR AS name,
    'user' || i || '@example.org' AS email,
    ((hash(i * 3, {seed}) % 100000000)::DECIMAL(18,2) / 100)::DECIMAL(12,2) AS amount,
    TIMESTAMP '2020-01-01' + to_seconds((hash(i * 5, {seed}) % 150000000)::BIGINT) AS created_at,
    ['DE','FR','IT','ES','PL','NL','SE'][(hash(i * 7, {seed}) % 7)::BIGINT + 1] AS country,
    hash(i * 11, {seed}) % 2 = 0 AS active,
    CASE
      WHEN i % 17 = 0 THEN NULL
      WHEN i % 13 = 0 THEN 'a "quoted", remark ' || (hash(i, {seed}) % 1000)
      ELSE 'plain remark ' || (hash(i * 13, {seed}) % 100000)
    END AS note
  FROM range(1, {rows} + 1) t(i)
) TO '{path}' (HEADER, DELIMITER ',')
"""


def make_input(folder: Path, rows: int, seed: int = 7) -> Path:
    """Make the CSV of docs/performance.md once; eight columns, seeded, about 98 bytes a row."""
    import duckdb

    path = folder / f"input-{rows}-{seed}.csv"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        duckdb.sql(INPUT_SQL.format(rows=rows, seed=seed, path=path))
    return path


CONTRACT = """
name: input
version: 1.0.0
source_type: csv
object: input
team: {owner: bench}
schema:
  - {name: id, type: int64, required: true, minimum: 1}
  - {name: name, type: string}
  - {name: email, type: string, max_length: 64}
  - {name: amount, type: "decimal(12,2)"}
  - {name: created_at, type: timestamp}
  - {name: country, type: string, enum: [DE, FR, IT, ES, PL, NL, SE]}
  - {name: active, type: boolean}
  - {name: note, type: string}
"""
