import gc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dativo_dagster.config.job import Partition
from dativo_dagster.formats import rolling
from dativo_dagster.formats.rolling import OURS, Layout, Rolling
from dativo_dagster.storage import open_storage
from dativo_ingest.exceptions import CommitError

SCHEMA = pa.schema([pa.field("n", pa.int64(), nullable=False), pa.field("s", pa.string()), pa.field("x", pa.float64())])


def batch(start, count, texts=("a",)):
    numbers = range(start, start + count)
    return pa.record_batch(
        {"n": list(numbers), "s": [texts[n % len(texts)] for n in numbers], "x": [float("nan")] * count}, schema=SCHEMA
    )


@pytest.fixture
def make(tmp_path):
    def made(partitioning=(), size=1024 * 1024, keep=("n", "s", "x")):
        fields = [SCHEMA.field(name) for name in keep]
        layout = Layout(
            open_storage(str(tmp_path)), f"{tmp_path.as_uri()}/t/", pa.schema(fields), partitioning, size, "zstd", keep
        )
        return Rolling(layout, "ab" * 12, "unit-1")

    return made


def files(tmp_path):
    return sorted(p for p in tmp_path.rglob("*") if p.is_file())


def rows(tmp_path):
    return sorted(n for p in files(tmp_path) for n in pq.ParquetFile(p).read().column("n").to_pylist())


def test_small_batches_become_one_file_with_one_row_group(make, tmp_path):
    done = make().write(batch(n, 10) for n in range(0, 1000, 10))
    assert [(f.rows, f.footer.num_row_groups, f.nans) for f in done] == [(1000, 1, {"x": 1000})]
    assert done[0].bytes == files(tmp_path)[0].stat().st_size
    assert rows(tmp_path) == list(range(1000))


def test_nothing_to_write_leaves_nothing(make, tmp_path):
    assert make().write([batch(0, 0)]) == []
    assert files(tmp_path) == []


def test_a_file_ends_when_it_has_its_size_and_never_much_later(make, tmp_path):
    size = 30_000
    done = make(size=size).write(batch(n, 1000) for n in range(0, 100_000, 1000))
    assert len(done) > 3
    assert all(size <= f.bytes < 1.6 * size for f in done[:-1])
    assert rows(tmp_path) == list(range(100_000))


def test_every_partition_has_its_own_files_below_its_own_folder(make, tmp_path):
    done = make((Partition(column="s"),)).write(batch(n, 100, "abc") for n in range(0, 1000, 100))
    assert {f.path.split("/")[-2] for f in done} == {"s=a", "s=b", "s=c"}
    assert {f.values for f in done} == {("a",), ("b",), ("c",)}
    assert rows(tmp_path) == list(range(1000))


def test_a_column_that_is_only_in_the_path_is_not_in_the_file(make, tmp_path):
    make((Partition(column="s"),), keep=("n", "x")).write([batch(0, 10)])
    assert pq.ParquetFile(files(tmp_path)[0]).schema_arrow.names == ["n", "x"]


def test_memory_and_open_files_stay_bounded_with_more_partitions_than_may_be_open(make, tmp_path, monkeypatch):
    monkeypatch.setattr(rolling, "WAITING_BYTES", 20_000)
    monkeypatch.setattr(rolling, "OPEN_FILES", 3)
    writer = make((Partition(column="n", transform="bucket[20]"),))
    for start in range(0, 20_000, 500):
        writer._add(batch(start, 500))
        assert writer.waiting_bytes <= 20_000
        assert sum(p.writer is not None for p in writer.parts.values()) <= 3
    writer.write([])
    assert rows(tmp_path) == list(range(20_000))


def test_rows_that_wait_do_not_hold_the_batch_they_came_from(make):
    writer = make((Partition(column="s"),))
    before = pa.total_allocated_bytes()
    for start in range(0, 200_000, 20_000):
        part = batch(start, 20_000, ("a",) * 19_999 + ("b",))
        writer._add(part)
        writer._flush(writer.parts[("a",)])
    del part
    gc.collect()
    assert pa.total_allocated_bytes() - before < 3_000_000
    writer._discard()


def test_an_error_of_the_source_leaves_no_file_and_stays_the_error(make, tmp_path):
    def broken():
        for n in range(0, 50_000, 1000):
            yield batch(n, 1000)
        raise KeyError("the source broke")

    with pytest.raises(KeyError, match="the source broke"):
        make(size=20_000).write(broken())
    gc.collect()
    assert files(tmp_path) == []


def test_rows_that_do_not_fit_are_an_error_that_shows_none_of_them(make, tmp_path):
    wrong = pa.record_batch({"n": ["hunter2"], "s": ["a"], "x": [1.0]})
    with pytest.raises(CommitError) as caught:
        make().write([batch(0, 10), wrong])
    assert caught.value.error_code == "WRITE_FAILED"
    assert "hunter2" not in caught.value.message
    assert files(tmp_path) == []


def test_names_are_known_as_ours_and_two_attempts_have_different_ones(make):
    names = {make().name() for _ in range(20)}
    assert len(names) == 20
    assert all(OURS.fullmatch(name) for name in names)
    assert OURS.fullmatch(f"{'ab' * 12}-01234567-a_b.csv-0-00001-0a1b2c3d.parquet")
    assert not OURS.fullmatch("00000-0-6f9619ff-8b86-d011-b42d-00cf4fc964ff.parquet")
    assert not OURS.fullmatch("orders.parquet")
