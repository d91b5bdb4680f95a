"""Apache Spark with Iceberg's runtime, in a folder of its own below the user's cache. Shares no code with us."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "dativo"
VERSION = "4.0.1"
JARS = {
    "org.apache.iceberg:iceberg-spark-runtime-4.0_2.13:1.10.0": (
        "0480f1248e0a8b50ae2a730d7ad3e1a727351c362ca63f4a0c35182087a49323"
    ),
    "org.xerial:sqlite-jdbc:3.50.3.0": "a3f53a2aa15ae9425a9e793bbe9c8e5288febeb4b65ef5c1a4e80d4c2045cf08",
}
READS = Path(__file__).with_name("spark_reads.py")


@dataclass(frozen=True)
class Seen:
    """A table as Spark has it: its types, and every value as Spark prints it."""

    columns: dict[str, str]
    count: int
    rows: list[list[str | None]]


def read(catalog: Path, tables: Sequence[str]) -> dict[str, Seen]:
    """Read tables of a SQLite catalog; one start of Spark for all of them."""
    question = {"catalog": str(catalog), "jars": JARS, "ivy": str(CACHE / "ivy"), "tables": list(tables)}
    done = subprocess.run(
        [sys.executable, READS],
        input=json.dumps(question),
        env={**os.environ, "PYTHONPATH": str(_installed())},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4_000:]
    return {name: Seen(**table) for name, table in json.loads(done.stdout.splitlines()[-1]).items()}


def _installed() -> Path:
    """Give the folder with PySpark, which is filled when it is not there."""
    place = CACHE / f"pyspark-{VERSION}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "spark.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "ready").exists():
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--target", place]
            subprocess.run([*pip, f"pyspark=={VERSION}"], check=True)
            (place / "ready").touch()
    return place
