"""Apache Spark with Iceberg's runtime, in an environment of its own below the user's cache. Shares no code with us."""

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
        [_python(), READS], input=json.dumps(question), capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr[-4_000:]
    return {name: Seen(**table) for name, table in json.loads(done.stdout.splitlines()[-1]).items()}


def _python() -> Path:
    """Give the interpreter of the environment, which is made when it is not there."""
    place = CACHE / f"spark-{VERSION}-{sys.version_info.major}.{sys.version_info.minor}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "spark.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "ready").exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True)
            subprocess.run([place / "bin/pip", "install", "--quiet", f"pyspark=={VERSION}"], check=True)
            (place / "ready").touch()
    return place / "bin/python"
