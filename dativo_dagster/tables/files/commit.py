"""The commit of a folder of files: segment first, then the head under a condition, exactly once."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from dativo_dagster.state.patience import tries
from dativo_dagster.tables.files.manifest import HEAD, Head, Segment
from dativo_dagster.validation import evolution
from dativo_ingest.exceptions import CommitError, DativoError
from dativo_ingest.model import Column, DataFile, Snapshot, Staged, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from dativo_dagster.tables.files.folder import Folder
    from dativo_dagster.tables.files.merge import Merging


@dataclass
class Commit:
    """One commit on its way.

    ``refuse`` raises when the head does not agree with the job; ``merging`` decides where rows meet rows.
    """

    folder: Folder
    staged: Staged
    new: Head
    refuse: Callable[[Head], None]
    columns: Sequence[Column]
    merging: Merging | None = None
    ours: set[str] = field(default_factory=set)
    gone: list[DataFile] = field(default_factory=list)

    def run(self) -> Snapshot:
        """Commit, or find that it is done.

        Raises:
            CommitError: ``COMMIT_CONFLICT`` or ``COMMIT_UNKNOWN`` after too many tries, both retryable.
        """
        last: DativoError | None = None
        try:
            for _ in tries():
                done, last = self._try()
                if done is not None:
                    return done
        finally:
            if self.merging is not None and last is None:
                with suppress(DativoError):  # what stays is an orphan like any other, and the first error matters more
                    self._forget(self.merging)
        why = "others keep committing to it" if last is None else f"it cannot be written ({last.message})"
        raise CommitError(
            f"table {self.folder.location}: {why}; the files are written, and running again repeats nothing that "
            "landed",
            "COMMIT_CONFLICT" if last is None else "COMMIT_UNKNOWN",
            {"table": self.folder.location, "token": self.staged.token},
            retryable=True,
        ) from last

    def _try(self) -> tuple[Snapshot | None, DativoError | None]:
        """Commit once; neither a snapshot nor an error says that somebody else was faster."""
        token, place, etag = self.staged.token, self.folder.location, ""
        try:
            head, etag = self.folder.head()
            if head is not None and token in head.tokens:
                if self.gone:  # ours may have landed without an answer
                    there = {file.path for file in self.folder.files(head.segments)}
                    self._clean([file for file in self.gone if file.path not in there])
                return head.snapshot(token, place, fresh=any(s.path in self.ours for s in head.segments)), None
            if head is not None:
                self.refuse(head)
            after, gone = self._next(head or self.new)
            self.ours |= {s.path for s in after.segments if s.token == token}
            self.gone += gone
            if not self._put(after, etag):
                return None, None
            self._clean(gone)
            done = after.snapshot(token, place, fresh=True)
            return dataclasses.replace(done, replaced_rows=sum(f.rows for f in gone)), None
        except DativoError as error:
            if not error.retryable and not (self.merging is not None and self.folder.head()[1] != etag):
                raise
            return None, error if error.retryable else None

    def _next(self, head: Head) -> tuple[Head, list[DataFile]]:
        """Give the head after this commit, and the files that it no longer has."""
        columns = evolution.promised(self.columns, head.columns)
        number, token, key = head.commit + 1, self.staged.token, self.staged.key
        kept, gone, files = self._change(head, columns)
        state = State(
            token=token,
            cursor=self.staged.cursor,
            committed_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        )
        if files:
            # Rows of other streams may have been written again; whose rows they are nobody can say then.
            own = all(s.key == key for s in head.segments if s not in kept) or self.merging is None
            kept.append(self.folder.write(token, number, files, key if own else ""))
        after = head.next(segments=kept, token=token, key=key, state=state, columns=columns)
        return dataclasses.replace(after, properties=self.new.properties), gone

    def _change(self, head: Head, columns: Sequence[Column]) -> tuple[list[Segment], list[DataFile], list[DataFile]]:
        """Give the segments that stay, the files that go, and those that come."""
        if self.merging is not None:
            paths, made = self.merging.change(self.folder.files(head.segments), columns)
            return *self._without(head, lambda f: f.path in paths), [self.folder.publish(f) for f in made]
        files = [self.folder.publish(f) for f in self.staged.files]
        if self.staged.mode == "append":
            return list(head.segments), [], files
        if self.staged.mode == "overwrite":
            return [], self.folder.files(head.segments), files
        replaced = {_partition(f) for f in files}
        return *self._without(head, lambda f: _partition(f) in replaced), files

    def _without(self, head: Head, goes: Callable[[DataFile], bool]) -> tuple[list[Segment], list[DataFile]]:
        """Give the segments without some files, and those files."""
        kept: list[Segment] = []
        gone: list[DataFile] = []
        for old in head.segments:
            files = self.folder.files([old])
            stay = [f for f in files if not goes(f)]
            gone += [f for f in files if goes(f)]
            if len(stay) == len(files):
                kept.append(old)
            elif stay:
                kept.append(self.folder.write(old.token, old.commit, stay, old.key))
        return kept, gone

    def _put(self, head: Head, etag: str) -> bool:
        path, data = f"{self.folder.location}/{HEAD}", head.dumps().encode()
        if etag:
            return self.folder.storage.put_if_match(path, data, etag)
        return self.folder.storage.put_if_absent(path, data)

    def _forget(self, merging: Merging) -> None:
        """Remove what attempts that did not land have written."""
        head, _ = self.folder.head()
        own = [s for s in head.segments if s.token == self.staged.token] if head is not None else []
        there = {file.path for file in self.folder.files(own)}
        merging.again.forget(lambda path: self.folder.final(path) in there)

    def _clean(self, gone: Sequence[DataFile]) -> None:
        """Remove replaced files, so that readers of the plain folder do not see their rows twice."""
        for file in gone:
            self.folder.storage.delete(f"{self.folder.location}/{file.path}")


def _partition(file: DataFile) -> tuple[tuple[str, str | None], ...]:
    return tuple((name, file.partition[name]) for name in sorted(file.partition))
