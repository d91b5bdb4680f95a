import pyarrow as pa
import pytest
from hypothesis import given

from dativo_dagster.config.contract import Contract, Field
from dativo_dagster.config.types import parse_type
from dativo_dagster.validation.typemap import arrow_field, arrow_schema, logical_field, logical_type
from dativo_ingest.exceptions import ConfigurationError
from tests.fakes.types import types


@given(types)
def test_every_type_survives_the_way_to_arrow_and_back(kind):
    assert logical_field(arrow_field("a", kind)) == kind


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (pa.large_string(), "string"),
        (pa.string_view(), "string"),
        (pa.dictionary(pa.int8(), pa.string()), "string"),
        (pa.run_end_encoded(pa.int32(), pa.int8()), "int8"),
        (pa.null(), "string"),
        (pa.large_binary(), "binary"),
        (pa.binary(16), "binary"),
        (pa.date64(), "date"),
        (pa.float16(), "float32"),
        (pa.decimal32(5, 2), "decimal(5,2)"),
        (pa.decimal128(3, -2), "decimal(5,0)"),
        (pa.decimal256(38, 2), "decimal(38,2)"),
        (pa.timestamp("ms", "Europe/Berlin"), "timestamptz[ms]"),
        (pa.large_list(pa.list_(pa.int8(), 2)), "list<list<int8>>"),
        (pa.json_(), "json"),
    ],
)
def test_what_other_sources_have_gets_the_type_that_holds_it(kind, text):
    assert str(logical_type(kind)) == text


@pytest.mark.parametrize("kind", [pa.duration("s"), pa.month_day_nano_interval(), pa.decimal256(50, 2)])
def test_what_no_type_holds_is_refused_by_name(kind):
    with pytest.raises(ConfigurationError, match="NO_LOGICAL_TYPE") as caught:
        logical_field(pa.field("age", pa.list_(kind)))
    assert "'age'" in caught.value.message
    assert str(kind) in caught.value.message


def test_required_columns_are_not_nullable_unless_the_mode_keeps_all_rows():
    contract = Contract(name="x", fields=(Field(name="a", type=parse_type("int8"), required=True),))
    assert not arrow_schema(contract).field("a").nullable
    assert arrow_schema(contract, all_nullable=True).field("a").nullable
