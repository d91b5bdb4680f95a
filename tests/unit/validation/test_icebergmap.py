import pytest
from pyiceberg import types as it
from pyiceberg.schema import Schema

from dativo_dagster.config.contract import Contract, Field
from dativo_dagster.config.types import parse_type
from dativo_dagster.validation.icebergmap import columns_of_iceberg, iceberg_schema
from dativo_ingest.exceptions import ConfigurationError


def contract(*fields):
    return Contract(name="c", fields=tuple(fields))


def stored(kind):
    schema = iceberg_schema(contract(Field(name="a", type=parse_type(kind))))
    return columns_of_iceberg(schema)[0].type


@pytest.mark.parametrize(
    "kind",
    [
        "boolean", "int32", "int64", "float32", "double", "decimal(38,9)", "string", "binary", "uuid", "date", "time",
        "timestamp", "timestamptz", "list<string>", "map<string,double>", "struct<a: int64, b: list<date>>",
    ],
)  # fmt: skip
def test_a_type_that_iceberg_has_comes_back_as_it_was(kind):
    assert stored(kind) == kind


@pytest.mark.parametrize(
    ("kind", "kept"),
    [
        ("int8", "int32"), ("int16", "int32"), ("uint8", "int32"), ("uint16", "int32"), ("uint32", "int64"),
        ("uint64", "decimal(20,0)"), ("json", "string"), ("time[s]", "time"), ("timestamp[ms]", "timestamp"),
    ],
)  # fmt: skip
def test_a_type_that_iceberg_lacks_is_kept_in_one_that_holds_every_value(kind, kept):
    assert stored(kind) == kept


@pytest.mark.parametrize("kind", ["timestamp[ns]", "timestamptz[ns]", "time[ns]", "list<timestamp[ns]>"])
def test_nanoseconds_are_refused_and_the_column_is_named(kind):
    with pytest.raises(ConfigurationError, match="column 'a'") as caught:
        stored(kind)
    assert caught.value.error_code == "TYPE_UNSUPPORTED"


def test_every_field_has_its_own_id_top_level_first():
    schema = iceberg_schema(
        contract(
            Field(name="m", type=parse_type("map<string,struct<x: int64>>")),
            Field(name="l", type=parse_type("list<date>"), description="days"),
        )
    )
    assert [f.field_id for f in schema.fields] == [1, 2]
    assert sorted(schema._lazy_id_to_name) == [1, 2, 3, 4, 5, 6]
    assert schema.find_field("l").doc == "days"


@pytest.mark.parametrize(
    ("kind", "required", "keys"), [("int64", True, [1]), ("int64", False, []), ("double", True, [])]
)
def test_the_primary_key_identifies_rows_when_iceberg_lets_it(kind, required, keys):
    field = Field(name="id", type=parse_type(kind), required=required, primary_key=True)
    assert iceberg_schema(contract(field)).identifier_field_ids == keys


def test_types_of_tables_that_others_made_have_a_logical_name_too():
    schema = Schema(
        it.NestedField(1, "f", it.FixedType(3)), it.NestedField(2, "n", it.TimestamptzNanoType(), required=True)
    )
    assert [(c.type, c.nullable) for c in columns_of_iceberg(schema)] == [("binary", True), ("timestamptz[ns]", False)]
