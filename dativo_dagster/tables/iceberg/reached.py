"""How one table is reached: its catalog, its store, and the transaction that would make it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from dativo_dagster.tables.iceberg.config import Config, open_catalog, reaching, resolve
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog as IcebergCatalog
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table import Transaction

    from dativo_dagster.config.job import TableSpec
    from dativo_dagster.storage import Storage

PROPERTIES = {
    "format-version": "2",
    "write.parquet.compression-codec": "zstd",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "100",
    "commit.manifest-merge.enabled": "true",
}


class Reached:
    """A table by its name in a catalog."""

    def __init__(self, config: Config, spec: TableSpec) -> None:
        namespace, _, name = spec.identifier.rpartition(".")
        if not namespace or not name:
            raise ConfigurationError(
                f"target.table {spec.identifier!r}: an Iceberg table is named namespace.table", "BAD_TABLE_NAME"
            )
        self.identifier = spec.identifier
        self.namespace = namespace
        self.config = config
        self.spec = spec

    def location(self) -> str:
        """Give the absolute URI below which the table's files lie, or will."""
        table = self._load()
        return (table.location() if table is not None else self._stage().table_metadata.location).rstrip("/")

    @cached_property
    def _catalog(self) -> IcebergCatalog:
        return open_catalog(self.config)

    def _reaching(self) -> Any:
        return reaching(resolve(self.config))

    def _load(self) -> IcebergTable | None:
        """Give the table as the catalog has it now."""
        from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError

        with self._reaching():
            try:
                return self._catalog.load_table(self.identifier)
            except (NoSuchTableError, NoSuchNamespaceError):
                return None

    def _make_namespace(self) -> None:
        """Make the namespace; that another run made it at the same moment is as good."""
        try:
            self._catalog.create_namespace_if_not_exists(self.namespace)
        except Exception:
            if not self._catalog.namespace_exists(self.namespace):
                raise

    def _stage(self, location: str | None = None, *, for_commit: bool = False) -> Transaction:
        """Give a transaction that would make the table; nothing is made."""
        from pyiceberg.exceptions import NoSuchNamespaceError

        from dativo_dagster.tables.iceberg.schema import partition_spec, wanted

        schema = wanted(self.spec)
        spec = partition_spec(self.spec, schema)
        properties = PROPERTIES | dict(self.spec.properties)
        with self._reaching():
            if for_commit:
                self._make_namespace()
            try:
                return self._catalog.create_table_transaction(
                    self.identifier, schema, location, spec, properties=properties
                )
            except NoSuchNamespaceError:
                self._make_namespace()
                return self._catalog.create_table_transaction(
                    self.identifier, schema, location, spec, properties=properties
                )

    def _storage(self, location: str) -> Storage:
        from dativo_dagster.storage import open_storage

        return open_storage(location, self.config.connection)
