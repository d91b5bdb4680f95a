"""P10: the cold code location of 1,000 jobs. `python benchmarks/definitions.py [jobs]`.

Each job is a file of its own with eight columns, two rules and a schedule; each run is a fresh interpreter. Told are
seconds beyond `import dagster`: for `import dativo_dagster.definitions`, and for all that a code server does with it.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

JOB = """\
name: job_{n}
tenant: tenant_{tenant}
source: {{connector: csv, files: [data/{n}.csv], incremental: file_modified_time}}
target: {{connector: iceberg, table: sales.table_{n}}}
contract:
  name: orders_{n}
  schema:
    - {{name: id, type: integer, required: true}}
    - {{name: name, type: string}}
    - {{name: email, type: string, classification: pii}}
    - {{name: amount, type: "decimal(12,2)"}}
    - {{name: created_at, type: timestamp}}
    - {{name: country, type: string}}
    - {{name: active, type: boolean}}
    - {{name: note, type: string}}
schedule: {{cron: "0 3 * * *"}}
"""

PROBE = """
import json, resource, sys, time
began = time.perf_counter()
import dagster
dagster_ready = time.perf_counter()
import dativo_dagster.definitions as location
imported = time.perf_counter()
location.defs.get_repository_def().load_all_definitions()
loaded = time.perf_counter()
print(json.dumps({
    "dagster": dagster_ready - began,
    "import": imported - dagster_ready,
    "loaded": loaded - dagster_ready,
    "cpu": time.process_time(),
    "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    "heavy": sorted({"pyarrow", "pyiceberg", "obstore"} & set(sys.modules)),
    "jobs": len(location.defs.get_repository_def().job_names),
    "version": dagster.__version__,
}))
"""


def main(jobs: int, runs: int = 3) -> None:
    """Write the jobs, load them a few times and print medians."""
    with tempfile.TemporaryDirectory() as folder:
        for n in range(jobs):
            Path(folder, f"job_{n}.yaml").write_text(JOB.format(n=n, tenant=n % 10))
        environment = {**os.environ, "DATIVO_JOBS": folder}
        found = [
            json.loads(
                subprocess.run(
                    [sys.executable, "-c", PROBE], env=environment, capture_output=True, text=True, check=True
                ).stdout
            )
            for _ in range(runs)
        ]
    print(f"{jobs} jobs, dagster {found[0]['version']}, python {sys.version.split()[0]}, median of {runs}")
    for name in ("dagster", "import", "loaded", "cpu", "rss_mb"):
        print(f"{name:>8} {statistics.median(f[name] for f in found):8.2f}")
    print(f"   heavy {found[0]['heavy'] or 'none'}, {found[0]['jobs']} dagster jobs")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
