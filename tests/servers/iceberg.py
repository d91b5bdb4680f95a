"""An Iceberg catalog as a job names it: over SQLite, over PostgreSQL, or by REST; always with tables on S3."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pyiceberg.catalog import Catalog, load_catalog

if TYPE_CHECKING:
    from tests.servers.s3 import S3Server


@dataclass(frozen=True)
class IcebergCatalog:
    """One catalog and one namespace that no other test uses."""

    kind: str
    s3: S3Server
    properties: dict[str, str]
    namespace: str
    name: str = field(default="test")

    @property
    def catalog(self) -> dict[str, str]:
        """Give what goes under ``target: {catalog: …}`` of a job."""
        return {"name": self.name, **self.properties}

    @property
    def connection(self) -> dict[str, Any]:
        """Give what goes under ``target: {connection: …}`` of a job."""
        return {"s3": self.s3.connection}

    def table(self, name: str) -> str:
        """Give the identifier of a table in the namespace."""
        return f"{self.namespace}.{name}"

    def load(self) -> Catalog:
        """Open the catalog with pyiceberg, as another reader would."""
        return load_catalog(self.name, **{**self.s3.fileio, **self.properties})
