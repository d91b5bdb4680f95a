"""Databases as sources in tests: their readers by a contract, and the rows as validation leaves them."""

from __future__ import annotations

from pathlib import Path

from dativo_dagster.config.contract import Contract, Field
from dativo_dagster.config.job import SourceContext
from dativo_dagster.config.types import parse_type
from dativo_dagster.validation.convert import convert
from dativo_ingest.model import Stream

STREAM = Stream(name="t")


def context(fields=None, **more):
    """Give the context of a stream ``t`` whose contract has these names and types."""
    columns = tuple(Field(name=name, type=parse_type(kind)) for name, kind in (fields or {}).items())
    contract = Contract(name="t", version="1", fields=columns)
    return SourceContext(**{"base": Path(), "contract": contract, "object": "t", **more})


def drafted(reader):
    """Give the names and types that discovery proposes for the one stream that there is."""
    [stream] = reader.discover()
    return {column.name: column.type for column in stream.columns}


def batches(reader, since=None, stream=STREAM):
    """Read one window."""
    window = reader.split(stream, since)
    found = [batch for unit in window.units for batch in reader.read(stream, unit)]
    reader.reached(window)
    return found


def values(reader, since=None, stream=STREAM):
    """Read one window as rows; a value that validation refuses is ``...``."""
    rows = []
    for batch in batches(reader, since, stream):
        columns = []
        for field, array in zip(reader.context.contract.fields, batch.columns, strict=True):
            found = convert(array, field.type)
            bad = [False] * len(array) if found.bad is None else found.bad.to_pylist()
            columns.append([... if b else v for b, v in zip(bad, found.values.to_pylist(), strict=True)])
        rows += list(zip(*columns, strict=True))
    return rows


def next_window(reader, cursor, stream=STREAM):
    """Read the next window; give the values of ``id`` in it, and the cursor behind it."""
    window = reader.split(stream, cursor)
    ids = [n for unit in window.units for batch in reader.read(stream, unit) for n in batch["id"].to_pylist()]
    return ids, reader.reached(window)
