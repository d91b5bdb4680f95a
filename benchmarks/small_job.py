"""P11: a job of 1,000 rows, by `dativo run` and by `dagster job execute`, beside an empty Dagster job.

`python benchmarks/small_job.py [runs]`. Every run is a fresh process on an empty table; the Dagster instance exists
before the clock starts. Targets: `dativo run` within 1.0 s, the Dagster job within 1.5 times the empty one.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from measure import compare, ratio, run, versions

JOB = """\
name: small
source: {{connector: csv, files: [{root}/small.csv]}}
target:
  connector: iceberg
  table: bench.small
  catalog: {{type: sql, uri: "sqlite:///{root}/lake/catalog.db", warehouse: "file://{root}/lake"}}
contract:
  name: small
  schema:
    - {{name: id, type: integer, required: true}}
    - {{name: name, type: string}}
    - {{name: amount, type: "decimal(12,2)"}}
    - {{name: created_at, type: timestamp}}
"""

EMPTY = """\
import dagster as dg

@dg.op
def nothing(): ...

@dg.job(executor_def=dg.in_process_executor)
def empty():
    nothing()

defs = dg.Definitions(jobs=[empty])
"""


def main(runs: int) -> None:
    """Make the job, run the three commands in turn and print medians and ratio."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        rows = "".join(f"{n},name {n},{n % 997}.25,2024-01-01T00:00:{n % 60:02}\n" for n in range(1000))
        (root / "small.csv").write_text("id,name,amount,created_at\n" + rows)
        jobs, home = root / "jobs", root / "home"
        jobs.mkdir()
        home.mkdir()
        (jobs / "small.yaml").write_text(JOB.format(root=root))
        (root / "empty.py").write_text(EMPTY)
        shutil.copy(Path(__file__).parents[1] / "dagster.yaml", home)
        os.environ |= {"DAGSTER_HOME": str(home), "DATIVO_JOBS": str(jobs)}
        os.chdir(root)
        bin_folder = Path(sys.executable).parent
        dagster = [str(bin_folder / "dagster")]
        run([*dagster, "instance", "info"])

        def fresh() -> None:
            shutil.rmtree(root / "lake", ignore_errors=True)
            (root / "lake").mkdir()

        commands = {
            "empty dagster job": [*dagster, "job", "execute", "-f", str(root / "empty.py"), "-j", "empty"],
            "1,000 rows, dagster job execute": [
                *(*dagster, "job", "execute", "-m", "dativo_dagster.definitions"),
                *("-j", "ingest__default__small"),
            ],
            "1,000 rows, dativo run": [str(bin_folder / "dativo"), "run", str(jobs / "small.yaml")],
        }
        figures = compare(commands, runs=runs, before=dict.fromkeys(commands, fresh))
        print(versions("dagster", "pyarrow", "pyiceberg"))
    for name, found in figures.items():
        print(found.line(name))
    empty, small = figures["empty dagster job"], figures["1,000 rows, dagster job execute"]
    print(f"dagster job execute / empty dagster job: {ratio(small, empty):.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
