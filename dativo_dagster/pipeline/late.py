"""Which tables have a place for rows that come late, and how a replay writes them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from dativo_dagster.config.job import JobStream


def as_replayed(stream: JobStream) -> JobStream:
    """Give the stream as a replay writes it: all of its parts at once, and what is not there is not deleted.

    It is not audited: each row was held against the contract, and two attempts must not meet on one branch.

    Raises:
        ConfigurationError: ``REPLAY_REFUSED``.
    """
    target = stream.target
    if target.mode in ("overwrite", "overwrite_partitions"):
        raise ConfigurationError(
            f"stream {stream.name!r}: mode {target.mode} makes what is in the table from what a run reads, and the "
            "next run would take replayed rows out again; mend the contract or the source, and run the job",
            "REPLAY_REFUSED",
        )
    if target.mode != "append" and not _ordered(stream):
        wanted = "a column of times in `order_by`" if target.mode == "scd2" else "`order_by`"
        raise ConfigurationError(
            f"stream {stream.name!r}: without {wanted} nobody can tell whether a quarantined row is older than the one "
            "in the table; name one, or mend the source and run the job",
            "REPLAY_REFUSED",
        )
    merge = dataclasses.replace(target.merge, delete_missing=False) if target.merge else None
    return dataclasses.replace(stream, slice=None, target=dataclasses.replace(target, merge=merge, audited=False))


def _ordered(stream: JobStream) -> bool:
    """Say whether rows tell which of two is the newer; history goes by times."""
    order = stream.target.merge.order_by if stream.target.merge else None
    kinds = [str(f.type) for f in stream.contract.fields if f.name == order]
    return bool(kinds) and (stream.target.mode == "merge" or kinds[0].startswith(("timestamp", "date")))
