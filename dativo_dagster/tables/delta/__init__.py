"""Delta tables: Parquet files that become visible by one line of Delta's log, with cursor and token.

.. code-block:: yaml

    target:
      connector: delta
      path: s3://lake/sales/orders        # or a local folder
      connection: {s3: {endpoint: "${S3_ENDPOINT}"}}

A token is one of Delta's application transactions, so that it survives checkpoints and the cleaning of the log, and
any writer of Delta keeps it. The log has no room for a cursor; `memory` says where that is.
"""

from dativo_dagster.tables.delta.config import Config
from dativo_dagster.tables.delta.table import Table

__all__ = ["Config", "Table"]
