"""Types told from a sample: cautious, so that no sample turns a code into a number."""

from decimal import Decimal

import pyarrow as pa
import pytest

from dativo_dagster.formats.infer import columns_of
from dativo_ingest.protocols import CORRUPT


def kind(values, arrow=None):
    batch = pa.record_batch({"a": pa.array(values, arrow or pa.string())})
    (column,) = columns_of([batch], lambda field: f"<{field.type}>")
    return column.type


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "-20", None], "int64"),
        (["007"], "string"),
        (["1", "007"], "string"),
        (["+1"], "string"),
        (["1e5"], "string"),
        (["12345678901234567890"], "decimal(26,0)"),
        (["1.50", "-20"], "decimal(10,2)"),
        (["1." + "0" * 40], "string"),
        (["true", "False"], "boolean"),
        (["0", "1"], "int64"),
        (["yes"], "string"),
        (["2024-02-29"], "date"),
        (["2024-02-30"], "string"),
        (["2024-02-29 10:11"], "timestamp"),
        (["2024-02-29T10:11:12.123456"], "timestamp"),
        (["2024-02-29T10:11:12Z", "2024-02-29T10:11:12+02:00"], "timestamptz"),
        (["2024-02-29T10:11:12Z", "2024-02-29T10:11:12"], "string"),
        (["123e4567-e89b-12d3-a456-426614174000"], "uuid"),
        (["1\n"], "string"),
        ([""], "string"),
        ([None], "string"),
        ([], "string"),
    ],
)
def test_text_is_judged_by_its_form(values, expected):
    assert kind(values) == expected


def test_what_is_typed_already_keeps_its_type():
    assert kind([1], pa.int32()) == "<int32>"
    assert kind([Decimal("1.5")], pa.decimal128(5, 2)) == "<decimal128(5, 2)>"


def test_no_rows_are_no_columns_and_corrupt_records_are_none():
    assert columns_of([], str) == []
    batch = pa.record_batch({"a": ["1"], CORRUPT: ["x"]})
    assert [c.name for c in columns_of([batch], str)] == ["a"]
