"""The dataset of rejected rows, which a replay takes rows out of.

A replay makes two commits: the table's, with the rows that are good by now, and this dataset's, which puts the rows
that stay in the place of all that were looked at. What the second has to do is written down before the first
(``_dativo/replays/*.json``, also the record of what was dropped and why), so that whoever comes next can finish it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dativo_dagster.state.keys import base
from dativo_dagster.state.patience import tries
from dativo_dagster.tables.files.manifest import FOLDER, HEAD, Segment
from dativo_dagster.tables.files.table import Table
from dativo_ingest.exceptions import CommitError
from dativo_ingest.model import DataFile, Replay, State

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow as pa

    from dativo_dagster.tables.files.manifest import Head

REPLAYS = f"{FOLDER}/replays"


class Quarantine(Table):
    """The rejected rows of one table, of all streams that write it."""

    def kept(self, key: str) -> list[Segment]:
        """Give the segments with rows of the stream ``key`` and of its partitions."""
        head = self._head()
        if head is None:
            return []
        streams = {base(known) for known in head.state}
        # An earlier version did not say whose a segment is; with one stream there is no doubt.
        nobodys = streams if len(streams) == 1 else set()
        return [s for s in head.segments if base(key) in ({base(s.key)} if s.key else nobodys)]

    def rows(self, segments: Sequence[Segment]) -> Iterator[pa.RecordBatch]:
        """Yield the rows of segments."""
        head = self._head()
        return iter(()) if head is None else self._read(head, segments)

    def note(self, replay: Replay) -> str:
        """Write down what a replay does, before it does it; gives the path."""
        path = f"{REPLAYS}/{replay.token}-{secrets.token_hex(4)}.json"
        self._storage.write(f"{self._location}/{path}", replay.dumps().encode())
        return path

    def forget(self, path: str) -> None:
        """Remove what `note` wrote of a replay that did not land."""
        self._storage.delete(f"{self._location}/{path}")

    def finish(self, token: str, path: str) -> bool:
        """Put the rows that stay in the place of all that were looked at, in one step; False when it is done already.

        Raises:
            CommitError: ``COMMIT_CONFLICT``, others keep committing.
        """
        for _ in tries():
            head, etag = self._folder.head()
            if head is None or token in head.tokens:
                return False
            replay = self._noted(path)
            gone = [s for s in head.segments if s.path in replay.segments]
            if not gone:
                return False
            after = self._after(head, replay)
            if self._storage.put_if_match(f"{self._location}/{HEAD}", after.dumps().encode(), etag):
                files = self._folder.files(gone)  # not before: whoever else ends it removes them
                self._clean([f.path for f in files] + [s.path for s in gone])
                return True
        raise CommitError(
            f"table {self._location}: others keep committing to it; run the replay again, it ends what is open",
            "COMMIT_CONFLICT",
            retryable=True,
        )

    def orphans(self, older_than: datetime) -> Sequence[DataFile]:
        """Find files as `Table.orphans`, but for those that a replay needs to be finished."""
        needed = self._needed()
        return [f for f in super().orphans(older_than) if f.path not in needed]

    def _noted(self, path: str) -> Replay:
        return Replay.loads(self._storage.read(f"{self._location}/{path}").decode())

    def _after(self, head: Head, replay: Replay) -> Head:
        files = [self._folder.publish(f) for f in replay.files]
        kept = [s for s in head.segments if s.path not in replay.segments]
        if files:
            kept.append(self._folder.write(replay.token, head.commit + 1, files, base(replay.key)))
        state = State(token=replay.token, committed_at=replay.at)
        return head.next(segments=kept, token=replay.token, key=replay.key, state=state, columns=head.columns)

    def _clean(self, paths: Sequence[str]) -> None:
        for path in paths:
            self._storage.delete(f"{self._location}/{path}")

    def _needed(self) -> set[str]:
        head = self._head()
        done = head.tokens if head is not None else {}
        noted = (f.path.removeprefix(f"{self._location}/") for f in self._storage.list(f"{self._location}/{REPLAYS}/"))
        open_ = [replay for replay in map(self._noted, noted) if replay.token not in done]
        staged = {f.path for replay in open_ for f in replay.files}
        return staged | {f"{self._location}/{self._folder.final(path)}" for path in staged}
