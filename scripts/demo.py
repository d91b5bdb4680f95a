"""Run the main example through Dagster, as anybody would, and show what it did. Called by `make demo`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from dativo_dagster.cli.console import Console
from dativo_dagster.config.load import load_job
from dativo_dagster.pipeline.assemble import open_table

if TYPE_CHECKING:
    from dativo_dagster.config.job import Job

ROOT = Path(__file__).parents[1]
JOB_FILE = ROOT / "jobs" / "world_cities.yaml"
ASSET = dg.AssetKey(["demo", "geo", "world_cities"])
COMMAND = ["dagster", "job", "execute", "-m", "dativo_dagster.definitions", "-j", "ingest__demo__world_cities"]
FIRST_ROWS = 5
LOG_TAIL_LINES = 30


def main() -> int:
    """Run, show, and give the exit code."""
    console = Console()
    console.line(console.style(f"$ {' '.join(COMMAND)}", "bold"))
    log = Path(os.environ["DAGSTER_HOME"]) / "demo.log"
    if code := run(log, console):
        console.note("\n".join(log.read_text().splitlines()[-LOG_TAIL_LINES:]))
        console.note(f"The run failed; all of its log is in {log}")
        return code
    job = load_job(JOB_FILE)
    table = open_table(job, job.streams[0])
    show(facts(), console)
    show_rows(job, table.preview(FIRST_ROWS), console)
    console.line(f"\nSee it in Dagster: {console.style('make ui', 'bold')}, then open")
    console.line(f"  http://127.0.0.1:3000/assets/{'/'.join(ASSET.path)}")
    return 0


def run(log: Path, console: Console) -> int:
    """Execute the job in a process of its own; of its log, pass on what a job says and keep Dagster's own part."""
    program = [str(Path(sys.executable).with_name(COMMAND[0])), *COMMAND[1:]]
    with (
        log.open("w") as kept,
        subprocess.Popen(program, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process,
    ):
        assert process.stdout is not None  # noqa: S101 - PIPE says so
        for line in process.stdout:
            kept.write(line)
            if " - INFO - " in line:
                console.line(f"  {line.strip().rpartition(' - ')[2]}")
    return process.returncode


def facts() -> dict[str, Any]:
    """Give what Dagster keeps of the newest materialization, and the snapshot of the newest that made one."""
    with dg.DagsterInstance.get() as instance:
        records = instance.fetch_materializations(ASSET, limit=100).records
    made = [record.asset_materialization.metadata for record in records if record.asset_materialization]
    snapshot = next((metadata["snapshot"] for metadata in made if "snapshot" in metadata), None)
    return {name: value.value for name, value in {"snapshot": snapshot, **made[0]}.items() if value is not None}


def show(found: dict[str, Any], console: Console) -> None:
    """Write the figures of the run."""
    fresh = found["status"] == "committed"
    said = f"Committed in {found['seconds']:.1f} s" if fresh else found["reason"].capitalize()
    console.line(f"\n{console.style(said, 'green')}")
    lines = {
        "rows read": f"{found['rows_read']:,}",
        "rows written": f"{found['rows_written']:,}",
        "rows rejected": f"{found['rows_rejected']:,}",
        "files written": f"{found['files']:,} ({found['bytes']:,} bytes)",
        "snapshot": found.get("snapshot"),
        "quarantine": found.get("quarantine"),
    }
    for name, value in lines.items():
        if value is not None:
            console.line(f"  {name:<13}  {value}")


def show_rows(job: Job, rows: Any, console: Console) -> None:
    """Write the first rows of the table, as many columns of them as fit."""
    texts = [["" if v is None else str(v) for v in row.values()] for row in rows.to_pylist()]
    names, room = rows.column_names, shutil.get_terminal_size((120, 24)).columns - 2
    widths = [max(map(len, [name, *(row[i] for row in texts)])) + 2 for i, name in enumerate(names)]
    fitting = next((n for n in range(len(names), 0, -1) if sum(widths[:n]) <= room), 1)
    console.line(f"\nFirst rows of {job.streams[0].target.table}, {fitting} of {len(names)} columns:")
    console.table(names[:fitting], [row[:fitting] for row in texts], indent=2)


if __name__ == "__main__":
    sys.exit(main())
