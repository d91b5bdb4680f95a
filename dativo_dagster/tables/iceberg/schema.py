"""Schemas of an Iceberg table: as the contract wants it, as it stands, and the way from one to the other.

Everything here decides; `commit` carries out. Field ids of new columns are predicted when files are written and
compared when they are committed, see `agree`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema, index_by_name
from pyiceberg.transforms import parse_transform
from pyiceberg.types import DateType, NestedField

from dativo_dagster.formats import partition
from dativo_dagster.formats.partition import INGEST_DATE
from dativo_dagster.tables.iceberg.attempts import begin
from dativo_dagster.validation import evolution
from dativo_dagster.validation.icebergmap import columns_of_iceberg, iceberg_schema
from dativo_ingest.exceptions import CommitError, ConfigurationError

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table import Transaction
    from pyiceberg.table.update.schema import UpdateSchema

    from dativo_dagster.config.job import Partition, TableSpec
    from dativo_ingest.model import SchemaChange


def wanted(spec: TableSpec) -> Schema:
    """Give the schema that the contract asks for, with the virtual ``ingest_date`` where it is partitioned by."""
    schema = iceberg_schema(spec.contract)
    if not partition.virtual(spec.partitioning, schema.column_names):
        return schema
    date = NestedField(
        schema.highest_field_id + 1, INGEST_DATE, DateType(), required=False, doc="UTC date of the run that wrote it"
    )
    return Schema(*schema.fields, date, identifier_field_ids=schema.identifier_field_ids)


def partition_spec(spec: TableSpec, schema: Schema) -> PartitionSpec:
    """Give the partition spec that the job asks for.

    Raises:
        ConfigurationError: ``BAD_PARTITION`` or ``BAD_TRANSFORM``.
    """
    partition.check(spec.partitioning, arrow(schema))
    return PartitionSpec(
        *(
            PartitionField(
                source_id=schema.find_field(p.column).field_id,
                field_id=1000 + at,
                transform=parse_transform(str(partition.Transform.parse(p.transform))),
                name=p.name,
            )
            for at, p in enumerate(spec.partitioning)
        )
    )


def same_partitioning(table: IcebergTable, wanted_fields: Sequence[Partition]) -> None:
    """Refuse a table that is partitioned in another way than the job says.

    Raises:
        ConfigurationError: ``PARTITIONING_DIFFERS``.
    """
    schema = table.schema()
    have = [(schema.find_column_name(f.source_id), str(f.transform)) for f in table.spec().fields]
    want = [(p.column, str(partition.Transform.parse(p.transform))) for p in wanted_fields]
    if have != want:
        raise ConfigurationError(
            f"table {'.'.join(table.name())} is partitioned by {_listed(have)} and the job says {_listed(want)}; say "
            "what the table has, or write to a new table",
            "PARTITIONING_DIFFERS",
        )


def changes(table: IcebergTable, spec: TableSpec) -> tuple[SchemaChange, ...]:
    """Compare the contract with a table as it stands."""
    return evolution.diff(columns_of_iceberg(wanted(spec)), columns_of_iceberg(table.schema()), spec.evolution)


def evolve(transaction: Transaction, planned: Sequence[SchemaChange], target: Schema) -> None:
    """Carry changes out on a transaction. Renames go first: the other changes use the new names."""
    renames = [c for c in planned if c.kind == "rename" and c.after]
    others = [c for c in planned if c.kind in {"add", "widen", "relax", "drop"}]
    for group in (renames, others):
        if group:
            with transaction.update_schema() as update:
                for change in group:
                    _apply(update, change, target, transaction.table_metadata.schema())


def _apply(update: UpdateSchema, change: SchemaChange, target: Schema, current: Schema) -> None:
    path = _path(change.column, target if change.kind == "add" else current)
    if change.kind == "rename":
        update.rename_column(path, str(change.after))
    elif change.kind == "drop":
        update.delete_column(path)
    elif change.kind == "relax":
        update.make_column_optional(path)
    elif change.kind == "widen":
        update.update_column(path, field_type=target.find_field(change.column).field_type)
    else:
        field = target.find_field(change.column)
        update.add_column(path, field.field_type, doc=field.doc, required=False)


def predicted(table: IcebergTable, planned: Sequence[SchemaChange], target: Schema) -> Schema:
    """Give the schema that the table will have once the changes are carried out; nothing is sent."""
    if not planned:
        return table.schema()
    transaction = begin(table)
    evolve(transaction, planned, target)
    return transaction.table_metadata.schema()


def agree(written: Schema, table: Schema, name: str) -> None:
    """Check that files written under one schema read the same under another: same ids, names and types.

    Raises:
        CommitError: ``SCHEMA_MOVED``, retryable: somebody changed the table since the files were written.
    """
    ids = index_by_name(table)
    for path, field_id in index_by_name(written).items():
        kind = written.find_type(path)
        if ids.get(path) != field_id or (kind.is_primitive and kind != table.find_type(path)):
            raise _moved(f"column {path!r} is another one now", name)
    for field in table.fields:
        if field.required and field.field_id not in {f.field_id for f in written.fields if f.required}:
            raise _moved(f"column {field.name!r} is required now", name)


def same_spec(written: PartitionSpec, table: PartitionSpec, name: str) -> None:
    """Check that files lie in the partitions that the table has now; their partition would be read as another one.

    Raises:
        CommitError: ``SCHEMA_MOVED``, retryable.
    """
    if not written.compatible_with(table):
        raise _moved("it is partitioned in another way now", name)


def _moved(why: str, name: str) -> CommitError:
    return CommitError(
        f"table {name}: somebody changed its schema while the run wrote its files ({why}); nothing was committed. Run "
        "it again",
        "SCHEMA_MOVED",
        retryable=True,
    )


def arrow(schema: Schema) -> pa.Schema:
    """Give the Arrow schema of the data files: field ids as Parquet wants them, and no needlessly large offsets."""
    return pa.schema([_plain(f) for f in schema_to_pyarrow(schema)])


def _plain(field: pa.Field) -> pa.Field:
    return pa.field(field.name, _plain_type(field.type), field.nullable, _ids_only(field.metadata))


def _ids_only(metadata: dict[bytes, bytes] | None) -> dict[bytes, bytes]:
    return {k: v for k, v in (metadata or {}).items() if k == b"PARQUET:field_id"}


def _plain_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_large_string(kind):
        return pa.string()
    if pa.types.is_large_binary(kind):
        return pa.binary()
    if pa.types.is_large_list(kind) or pa.types.is_list(kind):
        return pa.list_(_plain(kind.value_field))
    if pa.types.is_map(kind):
        return pa.map_(_plain(kind.key_field), _plain(kind.item_field))
    if pa.types.is_struct(kind):
        return pa.struct([_plain(f) for f in kind])
    return kind


def _path(name: str, schema: Schema) -> tuple[str, ...]:
    """Give the path of a column; a name with dots is one column when the schema has it so."""
    return (name,) if any(f.name == name for f in schema.fields) else tuple(name.split("."))


def _listed(fields: Sequence[tuple[str | None, str]]) -> str:
    return ", ".join(f"{name} ({transform})" for name, transform in fields) or "nothing"
