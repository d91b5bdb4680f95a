"""Read Iceberg tables with Apache Spark and print them as JSON. Runs in Spark's own environment, not in ours.

Standard input: ``{"catalog": "file.db", "jars": {"group:name:version": "sha256"}, "ivy": "folder", "tables": [...]}``.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f
from pyspark.sql.types import ArrayType, BinaryType, MapType, StructType


def session(asked: dict[str, Any]) -> SparkSession:
    """Start Spark with a catalog named as ours is, over the same SQLite file."""
    lake = "spark.sql.catalog.dativo"
    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "1",
        "spark.jars.ivy": asked["ivy"],
        "spark.jars.packages": ",".join(asked["jars"]),
        lake: "org.apache.iceberg.spark.SparkCatalog",
        f"{lake}.type": "jdbc",
        f"{lake}.uri": f"jdbc:sqlite:{asked['catalog']}",
        f"{lake}.warehouse": str(Path(asked["catalog"]).parent),
    }
    builder = SparkSession.builder.master("local[1]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def pinned(jars: dict[str, str], ivy: Path) -> None:
    """Refuse jars that are not the ones that were pinned."""
    for coordinates, digest in jars.items():
        group, name, version = coordinates.split(":")
        found = hashlib.sha256((ivy / "jars" / f"{group}_{name}-{version}.jar").read_bytes()).hexdigest()
        if found != digest:
            sys.exit(f"{coordinates} is {found}, and {digest} was pinned")


def as_text(table: DataFrame) -> DataFrame:
    """Give every value as Spark prints it: bytes in hex, nested values as JSON."""

    def column(field: Any) -> Any:
        value = f.col(f"`{field.name}`")
        if isinstance(field.dataType, BinaryType):
            return f.hex(value).alias(field.name)
        if isinstance(field.dataType, (ArrayType, MapType, StructType)):
            return f.to_json(value).alias(field.name)
        return value.cast("string").alias(field.name)

    return table.select(*map(column, table.schema.fields))


def main() -> None:
    """Answer what standard input asks."""
    asked = json.load(sys.stdin)
    spark = session(asked)
    pinned(asked["jars"], Path(asked["ivy"]))
    seen = {}
    for name in asked["tables"]:
        table = spark.table(f"dativo.{name}")
        seen[name] = {
            "columns": {field.name: field.dataType.simpleString() for field in table.schema.fields},
            "count": table.count(),
            "rows": [list(row) for row in as_text(table).collect()],
        }
    print(json.dumps(seen))


main()
