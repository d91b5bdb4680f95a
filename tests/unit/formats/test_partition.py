from datetime import date, datetime, time, timezone
from decimal import Decimal
from uuid import UUID

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyiceberg import transforms as ice
from pyiceberg import types as it

from dativo_dagster.config.job import Partition
from dativo_dagster.formats import partition
from dativo_dagster.formats.partition import Transform
from dativo_ingest.exceptions import ConfigurationError

US = pa.timestamp("us")
UTC = timezone.utc
TIMES = st.datetimes()
LONGS = st.integers(-(2**63) + 100, 2**63 - 1)
DECIMALS = st.decimals(-(10**7), 10**7, places=2, allow_nan=False)
CASES = [
    ("year", ice.YearTransform(), pa.date32(), it.DateType(), st.dates()),
    ("month", ice.MonthTransform(), pa.date32(), it.DateType(), st.dates()),
    ("day", ice.DayTransform(), pa.date32(), it.DateType(), st.dates()),
    ("year", ice.YearTransform(), US, it.TimestampType(), TIMES),
    ("month", ice.MonthTransform(), US, it.TimestampType(), TIMES),
    ("day", ice.DayTransform(), US, it.TimestampType(), TIMES),
    ("hour", ice.HourTransform(), US, it.TimestampType(), TIMES),
    ("bucket[7]", ice.BucketTransform(7), pa.int64(), it.LongType(), LONGS),
    ("bucket[16]", ice.BucketTransform(16), pa.int32(), it.IntegerType(), st.integers(-(2**31), 2**31 - 1)),
    ("bucket[16]", ice.BucketTransform(16), pa.string(), it.StringType(), st.text()),
    ("bucket[16]", ice.BucketTransform(16), pa.binary(), it.BinaryType(), st.binary()),
    ("bucket[16]", ice.BucketTransform(16), pa.uuid(), it.UUIDType(), st.uuids()),
    ("bucket[16]", ice.BucketTransform(16), pa.date32(), it.DateType(), st.dates()),
    ("bucket[16]", ice.BucketTransform(16), US, it.TimestampType(), TIMES),
    ("bucket[16]", ice.BucketTransform(16), pa.time64("us"), it.TimeType(), st.times()),
    ("bucket[16]", ice.BucketTransform(16), pa.decimal128(10, 2), it.DecimalType(10, 2), DECIMALS),
    ("truncate[10]", ice.TruncateTransform(10), pa.int64(), it.LongType(), LONGS),
    ("truncate[3]", ice.TruncateTransform(3), pa.string(), it.StringType(), st.text()),
    ("truncate[3]", ice.TruncateTransform(3), pa.binary(), it.BinaryType(), st.binary()),
    ("truncate[50]", ice.TruncateTransform(50), pa.decimal128(10, 2), it.DecimalType(10, 2), DECIMALS),
    ("identity", ice.IdentityTransform(), pa.string(), it.StringType(), st.text()),
]


@pytest.mark.parametrize(("text", "theirs", "arrow", "iceberg", "values"), CASES, ids=[f"{c[0]}-{c[2]}" for c in CASES])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_transform_gives_what_pyiceberg_gives_value_by_value(text, theirs, arrow, iceberg, values, data):
    column = data.draw(st.lists(st.none() | values, min_size=1, max_size=20))
    array = pa.array([v.bytes if isinstance(v, UUID) else v for v in column], arrow)

    ours = Transform.parse(text).apply(array).to_pylist()

    function = theirs.transform(iceberg)
    assert ours == [None if v is None else function(v) for v in column]


def test_a_decimal_of_38_digits_is_bucketed_and_truncated_by_all_of_them():
    numbers = [Decimal("9999999999999999999999999999.9999999999"), Decimal("-1000000000000000000000000000.0000000001")]
    array, kind = pa.array(numbers, pa.decimal128(38, 10)), it.DecimalType(38, 10)

    buckets = Transform.parse("bucket[1000003]").apply(array).to_pylist()
    cut = Transform.parse("truncate[10]").apply(array).to_pylist()

    function = ice.BucketTransform(1000003).transform(kind)
    assert buckets == [function(n) for n in numbers]
    assert cut == [
        Decimal("9999999999999999999999999999.9999999990"),
        Decimal("-1000000000000000000000000000.0000000010"),
    ]


def test_the_least_integer_is_truncated_as_icebergs_own_transform_does_and_not_refused():
    least = pa.array([-(2**31)], pa.int32())

    assert Transform.parse("truncate[3]").apply(least).to_pylist() == [2**31 - 1]


def test_a_sliced_column_is_bucketed_by_its_own_values():
    whole = pa.array(["a", None, "bcdef", "ghijklmno", ""])
    bucket = Transform.parse("bucket[100]")
    assert bucket.apply(whole.slice(2)).to_pylist() == bucket.apply(whole).to_pylist()[2:]


@given(
    rows=st.lists(st.tuples(st.none() | st.sampled_from("abc"), st.none() | st.integers(0, 3)), min_size=1, max_size=50)
)
@settings(deadline=None)
def test_a_batch_is_cut_into_one_part_a_partition_and_no_row_is_lost(rows):
    batch = pa.record_batch(
        {
            "s": pa.array([r[0] for r in rows], pa.string()),
            "n": pa.array([r[1] for r in rows], pa.int32()),
            "at": pa.array(range(len(rows)), pa.int64()),
        }
    )
    parts = list(partition.split(batch, [Partition(column="s"), Partition(column="n")]))

    assert len({values for values, _ in parts}) == len(parts)
    for values, part in parts:
        assert {(r["s"], r["n"]) for r in part.to_pylist()} == {values}
        assert part.column("at").to_pylist() == sorted(part.column("at").to_pylist())
    assert sorted(i for _, part in parts for i in part.column("at").to_pylist()) == list(range(len(rows)))


def test_an_empty_batch_has_no_parts():
    assert list(partition.split(pa.record_batch({"s": pa.array([], pa.string())}), [Partition(column="s")])) == []


def test_without_partitioning_a_batch_stays_whole():
    batch = pa.record_batch({"n": [1, 2, 3]})
    assert [(v, b.num_rows) for v, b in partition.split(batch, [])] == [((), 3)]


@pytest.mark.parametrize(
    ("transform", "value", "text"),
    [
        ("year", 56, "2026"),
        ("month", -1, "1969-12"),
        ("day", 20000, "2024-10-04"),
        ("hour", 0, "1970-01-01-00"),
        ("bucket[4]", 3, "3"),
        ("identity", date(2026, 1, 5), "2026-01-05"),
        ("identity", datetime(2026, 1, 5, 1, tzinfo=UTC), "2026-01-05T01:00:00+00:00"),
        ("identity", time(1, 2), "01:02:00"),
        ("identity", Decimal("1.50"), "1.50"),
        ("identity", True, "true"),
        ("identity", b"\x00\xff", "00ff"),
        ("identity", None, None),
    ],
)
def test_a_partition_value_has_a_text_that_people_read(transform, value, text):
    assert Transform.parse(transform).text(value) == text


def test_a_folder_names_every_value_apart_even_with_slashes_case_and_null():
    fields = [Partition(column="Land"), Partition(column="at", transform="month")]
    folders = {partition.folder(fields, (v, 0)) for v in ("US", "us", "u/s", "", None, "null", "é")}
    assert len(folders) == 7
    assert partition.folder(fields, ("u/s=x", None)) == "Land=u%2Fs%3Dx/at_month=__HIVE_DEFAULT_PARTITION__/"


@pytest.mark.parametrize("text", ["week", "bucket", "bucket[0]", "day[3]", "truncate[x]", ""])
def test_an_unknown_transform_is_refused_with_the_list_of_known_ones(text):
    with pytest.raises(ConfigurationError, match="is none of identity, year") as caught:
        Transform.parse(text)
    assert caught.value.error_code == "BAD_TRANSFORM"


@pytest.mark.parametrize(
    ("field", "why"),
    [
        (Partition(column="x"), "no such column; columns are n, s"),
        (Partition(column="n", transform="day"), "day does not take int64"),
        (Partition(column="s", transform="hour"), "hour does not take string"),
    ],
)
def test_a_partition_field_that_the_schema_cannot_have_is_refused(field, why):
    with pytest.raises(ConfigurationError, match=why):
        partition.check([field], pa.schema({"n": pa.int64(), "s": pa.string()}))
