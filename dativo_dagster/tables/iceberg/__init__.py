"""Iceberg tables in a SQL, REST or Glue catalog: files first, then one commit with cursor and token.

.. code-block:: yaml

    target:
      connector: iceberg
      table: sales.orders
      catalog: {type: rest, uri: "http://catalog:8181", warehouse: "s3://lake/"}
      connection: {s3: {endpoint: "${S3_ENDPOINT}"}}

Without `catalog` there is an embedded one, see `config.open_catalog`.
"""

from dativo_dagster.tables.iceberg.config import Catalog, Config
from dativo_dagster.tables.iceberg.table import Table

__all__ = ["Catalog", "Config", "Table"]
