"""Parquet in: types and order kept, and what is damaged is named."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dativo_dagster.formats.parquet import read_parquet, repetitive
from dativo_ingest.exceptions import ValidationError


def test_rows_and_types_come_back_in_order():
    table = pa.table({"a": pa.array(range(1000), pa.int16()), "b": pa.array([None, {"x": 1.5}] * 500)})
    file = io.BytesIO()
    pq.write_table(table, file, row_group_size=300)
    assert pa.Table.from_batches(read_parquet(file, "x.parquet")) == table


@pytest.mark.parametrize("spoil", [lambda d: b"", lambda d: b"PAR1", lambda d: d[:-1], lambda d: b"junk" * 9])
def test_a_damaged_file_is_named(spoil):
    file = io.BytesIO()
    pq.write_table(pa.table({"a": [1]}), file)
    with pytest.raises(ValidationError, match=r"x\.parquet") as caught:
        list(read_parquet(io.BytesIO(spoil(file.getvalue())), "x.parquet"))
    assert caught.value.error_code == "BAD_PARQUET"


def test_a_dictionary_is_used_where_values_come_again():
    many = [f"v{n % 5}" for n in range(1000)]
    unique = [f"v{n}" for n in range(1000)]
    table = pa.table(
        {
            "key": range(1000),
            "kind": many,
            "none": pa.nulls(1000, pa.string()),
            "s": [{"key": u, "kind": m} for u, m in zip(unique, many, strict=True)],
            "l": [[m, m] for m in many],
            "m": pa.array([[(u, m)] for u, m in zip(unique, many, strict=True)], pa.map_(pa.string(), pa.string())),
            "u": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"0" * 16] * 1000, pa.binary(16))),
        }
    )
    found = repetitive(table)
    assert found == ["kind", "none", "s.kind", "l.list.element", "m.key_value.value", "u"]
    file = io.BytesIO()
    pq.write_table(table, file, use_dictionary=found)
    chunks = pq.ParquetFile(file).metadata.row_group(0)
    columns = [chunks.column(i) for i in range(chunks.num_columns)]
    assert [c.path_in_schema for c in columns if c.has_dictionary_page] == found
