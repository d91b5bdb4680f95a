"""Apache Spark reads what we write: after every mode, in every type, and after the table has changed."""

from __future__ import annotations

from datetime import date, datetime, timezone
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.reliability import child, spark
from tests.reliability.deliveries import CATALOG, MODES, TARGETS, Desk

pytestmark = [
    pytest.mark.integration,
    pytest.mark.xdist_group("spark"),
    pytest.mark.timeout(1_200),  # Spark may have to be installed first
]

UTC = timezone.utc
FIRST, LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)
NINES = "9" * 29 + "." + "9" * 9
TYPES = {
    "i32": ("int32", pa.int32(), "int"),
    "i64": ("int64", pa.int64(), "bigint"),
    "f32": ("float32", pa.float32(), "float"),
    "f64": ("double", pa.float64(), "double"),
    "dec": ("decimal(38,9)", pa.decimal128(38, 9), "decimal(38,9)"),
    "flag": ("boolean", pa.bool_(), "boolean"),
    "day": ("date", pa.date32(), "date"),
    "local": ("timestamp", pa.timestamp("us"), "timestamp_ntz"),
    "moment": ("timestamptz", pa.timestamp("us", "UTC"), "timestamp"),
    "text": ("string", pa.string(), "string"),
    "raw": ("binary", pa.binary(), "binary"),
    "many": ("list<int64>", pa.list_(pa.int64()), "array<bigint>"),
    "one": ("struct<a: string, b: int32>", pa.struct({"a": pa.string(), "b": pa.int32()}), "struct<a:string,b:int>"),
}
"""By column: type in the contract, in the source, in Spark."""
LEAST = [-(2**31), -(2**63), float("-inf"), -1.5e308, Decimal(f"-{NINES}"), False, date(1, 1, 1),
         FIRST.replace(tzinfo=None), FIRST,
         "", b"", [], {"a": None, "b": None}]  # fmt: skip
MOST = [2**31 - 1, 2**63 - 1, float("inf"), 5e-324, Decimal(NINES), True, date(9999, 12, 31),
        LAST.replace(tzinfo=None), LAST, "\U0001f9ed\0é",
        b"\x00\xff", [1, None], {"a": "x", "b": 1}]  # fmt: skip
NOTHING = [None] * len(TYPES)
NAN = [0, 0, float("nan"), float("nan"), Decimal("0.000000001"), *NOTHING[5:]]
PRINTED = [
    ["-2147483648", "-9223372036854775808", "-Infinity", "-1.5E308", f"-{NINES}", "false", "0001-01-01",
     "0001-01-01 00:00:00", "0001-01-01 00:00:00", "", "", "[]", "{}"],
    ["2147483647", "9223372036854775807", "Infinity", "4.9E-324", NINES, "true", "9999-12-31",
     "9999-12-31 23:59:59.999999", "9999-12-31 23:59:59.999999", "\U0001f9ed\0é", "00FF", "[1,null]",
     '{"a":"x","b":1}'],
    NOTHING,
    ["0", "0", "NaN", "NaN", "0.000000001", *NOTHING[5:]],
]  # fmt: skip

OLD = '{name: n, type: int32, required: true}, {name: f, type: float32}, {name: d, type: "decimal(9,2)"}, {name: old}'
NEW = (
    '{name: n, type: int64}, {name: f, type: double}, {name: d, type: "decimal(18,2)"}, {name: new},'
    " {name: added, type: date}"
)
JOB = """
name: {name}
source: {{connector: {connector}, files: "{name}.{connector}"}}
target: {{connector: iceberg, table: a.{name}{options}}}
contract: {{name: {name}, schema: [{columns}]}}
"""


def run(place, job):
    code, result = child.run(place, job=job)
    assert code == 0
    assert result["status"] == "committed", result["error"]


def written_in_every_mode(place):
    for mode in MODES.values():
        (place / mode.name).mkdir()
        desk = Desk(place / mode.name, mode, TARGETS["iceberg"], table=f"a.{mode.name}")
        desk.lay_out()
        run(place, f"{mode.name}/job.yaml")
        desk.deliver(2)
        run(place, f"{mode.name}/job.yaml")


def written_in_every_type(place):
    columns = [
        pa.array(values, kind)
        for values, (_, kind, _) in zip(zip(LEAST, MOST, NOTHING, NAN, strict=True), TYPES.values(), strict=True)
    ]
    pq.write_table(pa.table(columns, names=list(TYPES)), place / "types.parquet")
    said = ", ".join(f'{{name: {name}, type: "{kind}"}}' for name, (kind, _, _) in TYPES.items())
    (place / "types.yaml").write_text(JOB.format(name="types", connector="parquet", columns=said, options=""))
    run(place, "types.yaml")


def written_and_changed(place):
    for columns, rows, options in (
        (OLD, "n,f,d,old\n1,0.5,1234567.89,a\n", ""),
        (NEW, "n,f,d,new,added\n9007199254740993,0.1,1234567890123456.78,b,\n,,,,2026-02-28\n",
         ", evolution: {rename: {old: new}}"),
    ):  # fmt: skip
        (place / "changed.csv").write_text(rows)
        (place / "changed.yaml").write_text(
            JOB.format(name="changed", connector="csv", columns=columns, options=options)
        )
        run(place, "changed.yaml")


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """Give every table as Spark reads it, all of them in one session."""
    place = tmp_path_factory.mktemp("spark")
    written_in_every_mode(place)
    written_in_every_type(place)
    written_and_changed(place)
    return spark.read(place / CATALOG, [f"a.{name}" for name in (*MODES, "types", "changed")])


@pytest.mark.parametrize("name", MODES)
def test_spark_reads_the_rows_of_every_mode(name, seen):
    table, mode = seen[f"a.{name}"], MODES[name]
    assert {"id": "bigint", "version": "bigint", "text": "string"}.items() <= table.columns.items()
    at = [list(table.columns).index(column) for column in mode.columns]
    rows = [tuple(row[n] for n in at) for row in table.rows]
    assert sorted(rows) == sorted(tuple(str(v).lower() for v in row) for row in mode.after)
    assert table.count == len(mode.after)


def test_spark_reads_every_type_and_its_extremes(seen):
    table = seen["a.types"]
    assert table.columns == {name: theirs for name, (_, _, theirs) in TYPES.items()}
    assert table.rows == PRINTED


def test_spark_reads_a_table_that_got_columns_wider_types_and_new_names(seen):
    table = seen["a.changed"]
    assert table.columns == {
        "n": "bigint", "f": "double", "d": "decimal(18,2)", "new": "string", "added": "date"
    }  # fmt: skip
    assert sorted(table.rows, key=str) == sorted(
        [
            ["1", "0.5", "1234567.89", "a", None],
            ["9007199254740993", "0.1", "1234567890123456.78", "b", None],
            [None, None, None, None, "2026-02-28"],
        ],
        key=str,
    )
