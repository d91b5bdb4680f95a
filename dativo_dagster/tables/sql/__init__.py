"""Tables in a database: PostgreSQL and DuckDB. Rows, cursor and token are one transaction of the database's own.

.. code-block:: yaml

    target:
      connector: postgres                 # or duckdb, with `path: shop.duckdb`
      connection: {host: db.internal, port: 5432, database: shop, user: loader, password: "${PG_PASSWORD}"}
      table: sales.orders

The writing half lays Parquet files into a staging folder, and the commit loads them. What is remembered lies in tables
beside the target, in the same schema, whose names start with ``_dativo_``; `ledger` has them.
"""
