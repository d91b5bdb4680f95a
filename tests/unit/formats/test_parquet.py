"""Parquet in: types and order kept, and what is damaged is named."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dativo_dagster.formats.parquet import read_parquet
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
