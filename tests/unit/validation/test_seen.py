import threading

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dativo_dagster.config.types import parse_type
from dativo_dagster.validation.convert import convert
from dativo_dagster.validation.seen import Seen


def repeated(seen, values, rows=None):
    array = values if isinstance(values, pa.Array) else pa.array(values, pa.int64())
    mask = seen.repeated(array, None if rows is None else pa.array(rows))
    return [] if mask is None else [i for i, b in enumerate(mask.to_pylist()) if b]


@given(st.lists(st.lists(st.none() | st.integers(0, 20), max_size=6), max_size=6))
def test_every_value_but_the_first_of_its_kind_is_repeated(batches):
    seen, known = Seen(), set()
    for batch in batches:
        expected = []
        for i, value in enumerate(batch):
            if value in known:
                expected.append(i)
            elif value is not None:
                known.add(value)
        assert repeated(seen, batch) == expected


def test_a_batch_out_of_order_is_compared_with_the_ordered_ones_before():
    seen = Seen()
    assert repeated(seen, range(10)) == []
    assert repeated(seen, range(20, 30)) == []
    assert repeated(seen, [15, 5, 25]) == [1, 2]
    assert repeated(seen, [15, 16]) == [0]


def test_rows_that_do_not_count_are_not_remembered():
    seen = Seen()
    assert repeated(seen, [1, 2, 1], [False, True, True]) == []
    assert repeated(seen, [1, 2], [True, False]) == [0]


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        ("string", ["b", "a", "b"]),
        ("uuid", ["12345678-9abc-def0-1234-56789abcdef0", "00000000-0000-0000-0000-000000000000"]),
        ("timestamp[ns]", ["2020-01-01T00:00:00.000000001", "2020-01-01T00:00:00.000000002"]),
        ("time[ms]", ["10:00", "09:00"]),
        ("date", ["2020-01-01", "2020-01-02"]),
        ("decimal(38,2)", ["1.00", "0.50"]),
        ("boolean", ["true", "false"]),
        ("double", ["2", "1"]),
        ("binary", ["aGk=", "aA=="]),
        ("json", ["{}", "[]"]),
    ],
)
def test_values_of_every_flat_type_are_told_apart(kind, texts):
    seen = Seen()
    values = convert(pa.array(texts), parse_type(kind)).values
    first = [i for i, t in enumerate(texts) if t in texts[:i]]
    assert repeated(seen, values) == first
    assert repeated(seen, values) == list(range(len(texts)))


def test_units_in_threads_keep_one_of_each_value():
    seen, kept = Seen(), []

    def unit():
        kept.extend(100 - len(repeated(seen, range(start, start + 100))) for start in range(0, 2000, 100))

    threads = [threading.Thread(target=unit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(kept) == 2000
