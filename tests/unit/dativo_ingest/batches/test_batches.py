from __future__ import annotations

import collections
import decimal
import itertools
import sqlite3

import pyarrow as pa
import pytest

from dativo_ingest import batches as batches_module
from dativo_ingest.batches import MOST_ROWS, arrow_batches, batches_of, rows_batch
from dativo_ingest.batches import pieces as pypieces
from dativo_ingest.exceptions import PluginError
from dativo_ingest.model import Column, Stream
from dativo_ingest.protocols import CORRUPT

STREAM = Stream(name="s", columns=(Column(name="id", type="int64"), Column(name="name", type="string")))


def _batches(given, stream=STREAM):
    return list(batches_of(given, stream, "plugin p"))


def _rows(given, stream=STREAM):
    return [row for batch in _batches(given, stream) for row in batch.to_pylist()]


def test_tiny_pages_become_one_batch_and_large_ones_several():
    tiny = ([{"id": i}] for i in range(1000))
    assert [b.num_rows for b in _batches(tiny)] == [1000]
    large = [[{"id": i} for i in range(150_000)]]
    assert [b.num_rows for b in _batches(large)] == [65_536, 65_536, 18_928]


def test_order_and_values_survive_pages_of_every_size():
    rows = [{"id": i, "name": f"n{i}"} for i in range(70_000)]
    sizes = itertools.cycle([1, 7, 1000, 66_000])
    pages, at = [], 0
    while at < len(rows):
        size = next(sizes)
        pages.append(rows[at : at + size])
        at += size
    assert _rows(pages) == rows


def test_keys_that_come_and_go_are_null_where_they_are_not():
    pages = [[{"id": 1}, {"name": "a"}], [{"id": 2, "new": True}], [{}], [{"name": "b", "id": 3}]]
    assert _rows(pages) == [
        {"id": 1, "name": None, "new": None},
        {"id": None, "name": "a", "new": None},
        {"id": 2, "name": None, "new": True},
        {"id": None, "name": None, "new": None},
        {"id": 3, "name": "b", "new": None},
    ]


def test_a_page_a_row_or_a_value_that_the_plugin_uses_again_is_not_changed_behind_our_back():
    def extract():
        page, row, tags = [], {}, []
        for i in range(3):
            page.clear()
            row["id"] = i
            tags.append(i)
            row["tags"] = tags
            page.append(row)
            yield page

    assert _rows(extract()) == [{"id": 0, "tags": [0]}, {"id": 1, "tags": [0, 1]}, {"id": 2, "tags": [0, 1, 2]}]


def test_empty_pages_and_no_pages_give_nothing():
    assert _batches([]) == []
    assert _batches([[], ()]) == []
    assert _batches(iter([])) == []


def test_rows_without_any_column_are_still_rows():
    assert [b.num_rows for b in _batches([[{}, {}]])] == [2]


def test_a_page_may_be_a_generator_and_a_row_any_mapping():
    assert _rows([({"id": i} for i in range(2)), (collections.OrderedDict(id=2),)]) == [{"id": 0}, {"id": 1}, {"id": 2}]
    assert _rows([[collections.ChainMap({"id": 1}, {"name": "a"})]]) == [{"id": 1, "name": "a"}]
    default = collections.defaultdict(int, id=1)
    assert _rows([[default, {"name": "a"}]]) == [{"id": 1, "name": None}, {"id": None, "name": "a"}]


def test_a_row_that_is_no_dict_is_a_corrupt_record():
    (batch,) = _batches([[{"id": 1}, "no row", {"id": 2}, None, [3]]])
    found = batch.to_pylist()
    assert [r["id"] for r in found] == [1, None, 2, None, None]
    assert [r[CORRUPT] and r[CORRUPT]["record"] for r in found] == [None, "'no row'", None, "None", "[3]"]
    assert "of type str" in found[1][CORRUPT]["reason"]


def test_a_row_with_a_value_of_no_type_is_a_corrupt_record_with_its_column_named():
    connection = sqlite3.connect(":memory:")
    (batch,) = _batches([[{"id": 1, "name": "a"}, {"id": 2, "name": connection}]])
    connection.close()
    assert batch.column("id").to_pylist() == [1, None]
    assert "column 'name': no table can hold a value of type Connection" in batch.column(CORRUPT)[1].as_py()["reason"]
    assert "'id': 2" in batch.column(CORRUPT)[1].as_py()["record"]


def test_the_hosts_validation_takes_corrupt_rows_for_what_they_are():
    from dativo_dagster.config.contract import Contract, Field
    from dativo_dagster.config.job import Validation
    from dativo_dagster.config.types import parse_type
    from dativo_dagster.validation.compile import compile_contract
    from dativo_dagster.validation.enforce import Enforcer

    contract = Contract(name="c", fields=(Field(name="id", type=parse_type("int64")),))
    enforcer = Enforcer(compile_contract(contract, Validation(mode="quarantine")), run_id="r")
    (batch,) = _batches([[{"id": 1}, "no row"]])
    verdict = enforcer.check(batch, source="all", first_row=1)
    assert (verdict.good.num_rows, verdict.rejected.num_rows) == (1, 1)


@pytest.mark.parametrize("page", [[{1: "a"}], [{"a": 1}, {None: 2}], [{CORRUPT: 1}]])
def test_keys_that_cannot_name_a_column_are_refused(page):
    with pytest.raises(PluginError) as caught:
        _batches([page])
    assert caught.value.error_code == "PLUGIN_BAD_ROW"


@pytest.mark.parametrize("given", [None, 5, "text", {"id": 1}, [{"id": 1}], ["text"], [None], [5]])
def test_what_is_no_page_is_refused_and_named(given):
    with pytest.raises(PluginError) as caught:
        _batches(given)
    assert caught.value.error_code == "PLUGIN_BAD_BATCH"
    assert caught.value.message.startswith("plugin p: extract gave an object of type ")


def test_large_values_make_smaller_batches():
    batches = _batches([[{"id": i, "name": "x" * 1_000_000}] for i in range(100)])
    assert len(batches) > 1
    assert max(b.nbytes for b in batches) < 2 * pypieces.BYTES


def test_rows_with_ever_new_keys_do_not_blow_up():
    batches = _batches([[{f"k{page}_{i}": i} for i in range(100)] for page in range(50)])
    assert sum(b.num_rows for b in batches) == 5000
    assert max(b.num_rows * b.num_columns for b in batches) <= pypieces.CELLS * 2


def test_a_slow_plugin_is_not_waited_for_until_a_batch_is_full(monkeypatch):
    monkeypatch.setattr(batches_module, "SECONDS", 0.0)
    assert [b.num_rows for b in _batches([[{"id": 1}], [{"id": 2}]])] == [1, 1]


TABLE = pa.table({"id": [1, 2, 3], "name": ["a", None, "c"]})


class Capsule:
    """Arrow data of a library that is not pyarrow."""

    def __init__(self, given, method):
        self.given = given
        setattr(type(self), method, lambda self, requested_schema=None: getattr(self.given, method)(requested_schema))


class Streaming(Capsule):
    pass


class Single(Capsule):
    pass


@pytest.mark.parametrize(
    "given",
    [
        TABLE,
        [TABLE],
        TABLE.to_batches()[0],
        [TABLE.slice(0, 1), TABLE.slice(1)],
        TABLE.to_reader(),
        Streaming(TABLE, "__arrow_c_stream__"),
        [Single(TABLE.to_batches()[0], "__arrow_c_array__")],
    ],
)
def test_arrow_data_of_any_library_passes_as_it_is(given):
    assert _rows(given) == TABLE.to_pylist()


def test_pandas_and_duckdb_pass_too():
    pd, duckdb = pytest.importorskip("pandas"), pytest.importorskip("duckdb")
    assert _rows([pd.DataFrame({"id": [1, 2]})]) == [{"id": 1}, {"id": 2}]
    assert _rows(duckdb.sql("select 1 as id")) == [{"id": 1}]


def test_nothing_of_arrow_data_is_copied():
    column = TABLE.column("id").chunk(0)
    (batch,) = _batches(TABLE)
    assert batch.column("id").buffers()[1].address == column.buffers()[1].address


def test_types_that_change_on_the_way_part_the_batches_and_columns_that_come_late_do_not():
    pages = [
        [{"id": i, "x": None} for i in range(600)],
        [{"id": i, "x": 5} for i in range(600)],
        [{"id": i, "y": "new"} for i in range(600)],
        [{"id": i, "x": 5.5} for i in range(600)],
    ]
    found = _batches(pages)
    assert [(b.num_rows, str(b.schema.field("x").type)) for b in found] == [(1800, "int64"), (600, "double")]
    assert [r for b in found for r in b.select(["id"]).to_pylist()] == [{"id": i} for i in range(600)] * 4
    assert found[0].column("y").null_count == 1200


def test_a_corrupt_row_does_not_part_the_batches():
    (batch,) = _batches([[{"id": i} for i in range(600)], ["no row"] * 600, [{"id": i} for i in range(600)]])
    assert batch.column(CORRUPT).null_count == 1200


def test_decimals_have_the_contracts_digits_whatever_page_they_are_on():
    stream = Stream(name="s", columns=(Column(name="d", type="decimal(12,2)"),))
    pages = [[{"d": decimal.Decimal(f"{10**n}.5")}] * 600 for n in range(4)]
    (batch,) = _batches(pages, stream)
    assert batch.schema.field("d").type == pa.decimal128(12, 2)
    too_fine = _batches([[{"d": decimal.Decimal("0.001")}]], stream)
    assert [r["d"] for b in too_fine for r in b.to_pylist()] == [decimal.Decimal("0.001")]


def test_large_arrow_batches_are_handed_on_in_parts():
    sizes = [b.num_rows for b in arrow_batches(pa.table({"id": range(MOST_ROWS + 5)}))]
    assert sizes == [MOST_ROWS, 5]


def test_pages_and_arrow_may_alternate_and_keep_their_order():
    given = [[{"id": 0}], TABLE.select(["id"]), [{"id": 4}]]
    assert [r["id"] for r in _rows(given)] == [0, 1, 2, 3, 4]


def test_arrow_data_that_is_no_table_is_refused():
    with pytest.raises(PluginError) as caught:
        _batches([pa.chunked_array([[1, 2]])])
    assert caught.value.error_code == "PLUGIN_BAD_BATCH"


def test_an_error_of_a_plugins_own_stream_is_not_taken_for_a_broken_table():
    def batches():
        yield TABLE.to_batches()[0]
        raise TypeError("of the plugin")

    reader = pa.RecordBatchReader.from_batches(TABLE.schema, batches())
    with pytest.raises(TypeError, match="of the plugin"):
        _batches(reader)


def test_the_plugins_generator_is_closed_when_nobody_reads_on():
    closed = []

    def extract():
        try:
            while True:
                yield [{"id": 1}] * 70_000
        finally:
            closed.append(True)

    batches = batches_of(extract(), STREAM, "p")
    next(batches)
    batches.close()
    assert closed == [True]


def test_rows_can_be_one_batch():
    assert rows_batch([{"id": 1, "name": 5}], STREAM).to_pylist() == [{"id": 1, "name": "5"}]


def test_a_row_that_has_every_key_it_is_asked_for_gives_only_those_that_are_in_it():
    page = [{"id": 1, "name": "a"}, collections.defaultdict(int, {"id": 2, "other": 3})]
    assert _rows([page])[1] == {"id": 2, "name": None, "other": 3}
    assert dict(page[1]) == {"id": 2, "other": 3}
