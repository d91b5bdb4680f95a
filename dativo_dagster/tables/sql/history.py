"""History (SCD2) in a database: `merging.history` decides, on the versions that the keys of a run have.

These versions are held in memory while a run meets them. Only those that end or go are touched in the table.
"""

# ruff: noqa: S608 - names are quoted, and so are values

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from dativo_dagster.merging.begin import begin
from dativo_dagster.merging.moments import added, begun
from dativo_dagster.merging.rewrite import rewritten
from dativo_dagster.merging.rows import Fate
from dativo_dagster.tables.sql.fitting import fitted, schema_of
from dativo_dagster.tables.sql.session import INCOMING, quoted

if TYPE_CHECKING:
    from dativo_dagster.config.job import Merge, TableSpec
    from dativo_dagster.merging.prune import Ranges
    from dativo_dagster.tables.sql.session import Name, Session
    from dativo_dagster.tables.sql.staging import Staging
    from dativo_ingest.model import Column, DataFile, Staged


@dataclass(frozen=True)
class Fetched:
    """The versions of the table that may change, in the order in which they came."""

    table: pa.Table

    @property
    def rows(self) -> int:
        """Count them."""
        return int(self.table.num_rows)

    def read(self, columns: Sequence[str], near: Ranges | None = None) -> Iterator[tuple[int, pa.RecordBatch]]:  # noqa: ARG002 - all of them are near
        """Yield batches of some columns, each with the position of its first row."""
        start = 0
        for batch in self.table.select(columns).to_batches():
            yield start, batch
            start += batch.num_rows


@dataclass(frozen=True)
class Laid:
    """A staged file, with history's columns as they are when each row is the only version of its key."""

    staging: Staging
    file: DataFile
    columns: Sequence[Column]
    merge: Merge

    @property
    def rows(self) -> int:
        """Count its rows."""
        return self.file.rows

    def read(self, columns: Sequence[str], near: Ranges | None = None) -> Iterator[tuple[int, pa.RecordBatch]]:  # noqa: ARG002 - all of a run's rows are asked for
        """Yield batches of some columns, each with the position of its first row."""
        start = 0
        wanted = {*columns, *filter(None, (self.merge.order_by,))}
        own = [c for c in self.columns if c.name in wanted and c.name not in added(self.merge)]
        for batch in self.staging.read([self.file], own):
            whole = begun(batch, self.merge) if wanted & set(added(self.merge)) else batch
            yield start, whole.select(list(columns))
            start += batch.num_rows


def put(
    session: Session, name: Name, spec: TableSpec, staged: Staged, columns: Sequence[Column], staging: Staging
) -> int:
    """Make the rows of a run versions and give how many that were there ended or went.

    Raises:
        ConfigurationError: ``MERGE_NOT_WHOLE``, ``MERGE_BAD_HISTORY``.
        ValidationError: ``MERGE_REJECTED_ROWS``, ``MERGE_NULL_KEY``, ``MERGE_NULL_ORDER``, ``MERGE_DUPLICATE_KEYS``.
    """
    merge = spec.merge
    assert merge is not None  # noqa: S101 - config gives every merging target one
    schema = schema_of(columns)
    run = [Laid(staging, f, columns, merge) for f in staged.files]
    same = " AND ".join(f"i.{quoted(k)} = t.{quoted(k)}" for k in merge.key)
    open_ = f" OR t.{quoted(merge.valid_to)} IS NULL" if merge.delete_missing else ""
    tail = f"WHERE EXISTS (SELECT 1 FROM {INCOMING} AS i WHERE {same}){open_}"
    there = Fetched(pa.Table.from_batches(list(session.stream(name, columns, tail)), schema))
    decision = begin(spec, staged, run, schema).decide([there])
    (fate,) = decision.target
    gone = _take_out(session, name, merge, there, fate, columns)
    stays = Fate(gone=_but(there.rows, fate), patched=fate.patched, values=fate.values)
    session.insert(name, (fitted(b, schema) for b in rewritten(there, stays, schema.names)), columns)
    for file, of in zip(run, decision.source, strict=True):
        session.insert(name, (fitted(b, schema) for b in rewritten(file, of, schema.names)), columns)
    return gone


def _take_out(session: Session, name: Name, merge: Merge, there: Fetched, fate: Fate, columns: Sequence[Column]) -> int:
    """Delete the versions that end or go; a version is told by its key and since when it holds."""
    import numpy as np

    touched = np.union1d(fate.gone, fate.patched)
    if not len(touched):
        return 0
    told = [c for c in columns if c.name in {*merge.key, merge.valid_from}]
    rows = there.table.select([c.name for c in told]).take(pa.array(touched))
    session.load(rows.to_batches(), told, into=_TOUCHED)
    of = {c.name: f"{_TOUCHED}.{quoted(c.name)} IS NOT DISTINCT FROM t.{quoted(c.name)}" for c in told}
    keys = [f"{_TOUCHED}.{quoted(k)} = t.{quoted(k)}" for k in merge.key]
    return session.execute(
        f"DELETE FROM {name} AS t USING {_TOUCHED} WHERE {' AND '.join([*keys, of[merge.valid_from]])}"
    )


_TOUCHED = "_dativo_touched"


def _but(rows: int, fate: Fate) -> pa.Array:
    """Give all positions but the patched ones."""
    import numpy as np

    return np.setdiff1d(np.arange(rows), fate.patched)
