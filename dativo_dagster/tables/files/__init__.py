"""Parquet files in a folder, with a manifest that makes a commit atomic; with or without an object store.

.. code-block:: yaml

    target:
      connector: parquet
      path: s3://lake/sales/orders        # or a local folder
      connection: {s3: {endpoint: "${S3_ENDPOINT}"}}

Whoever reads by the manifest (this module, `dativo`) sees exactly what was committed. Whoever reads the plain folder:
on a local disk files appear at the commit, all of them a moment before it; on an object store, which cannot rename,
files of a run that is under way or has failed can be seen until they are committed or `dativo gc` has removed them.
"""

from dativo_dagster.tables.files.config import Config
from dativo_dagster.tables.files.quarantine import Quarantine
from dativo_dagster.tables.files.table import Table

__all__ = ["Config", "Quarantine", "Table"]
