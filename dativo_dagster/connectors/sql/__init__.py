"""Databases as sources: tables, views and queries, in windows and in parts. One module a database; `reader` is shared.

A database's own module has ``Config``, ``Reader`` and ``open_session``; all that it knows alone is in a `base.Dialect`.
"""
