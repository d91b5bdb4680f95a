"""Files written again for one commit, remembered over all of its attempts.

A conflict so costs only what the other commit touched: a long merge beside many short appends comes through.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from dativo_dagster.merging.rewrite import rewritten
from dativo_dagster.merging.rows import Rows
from dativo_ingest.exceptions import DativoError

if TYPE_CHECKING:
    import pyarrow as pa

    from dativo_dagster.merging.rows import Fate
    from dativo_ingest.model import DataFile


class Stored(Rows, Protocol):
    """A file that lies somewhere."""

    @property
    def path(self) -> str:
        """Name it; nothing else ever has that name."""
        ...

    @property
    def bytes(self) -> int:
        """Give its size."""
        ...


Touched = tuple[Stored, "Fate"]


@dataclass
class Again:
    """Writes files again.

    Args:
        size: How large files are to be, in bytes; smaller ones are written together.
        delete: Removes a file by its path.
    """

    size: int
    delete: Callable[[str], None]
    _written: dict[str, list[DataFile]] = field(default_factory=dict)
    _seen: dict[str, int] = field(default_factory=dict)

    def write(
        self,
        touched: Sequence[Touched],
        columns: Sequence[str],
        make: Callable[[Iterator[pa.RecordBatch], str], list[DataFile]],
        stamp: str = "",
    ) -> list[DataFile]:
        """Write what stays of some files, and give the files that take their place.

        Args:
            touched: The files, and what becomes of their rows.
            columns: The columns of the table.
            make: Writes rows to files, under a name that is unique within the commit.
            stamp: What else decides how the files come out; equal stamps may share them.
        """
        for file, _ in touched:
            self._seen.setdefault(file.path, len(self._seen))  # in this order groups stay the same when others join
        files: list[DataFile] = []
        for group in self._groups(sorted(touched, key=lambda one: self._seen[one[0].path])):
            mark = _mark(group, stamp)
            if mark not in self._written:
                rows = (batch for file, fate in group for batch in rewritten(file, fate, columns))
                self._written[mark] = make(rows, f"merge{len(self._written):04d}")
            files += self._written[mark]
        return files

    def forget(self, kept: Callable[[str], bool]) -> None:
        """Remove what was written, but for the paths that were committed. What resists is an orphan like any other."""
        for file in (f for files in self._written.values() for f in files if not kept(f.path)):
            with suppress(DativoError):
                self.delete(file.path)

    def _groups(self, touched: Iterable[Touched]) -> Iterator[list[Touched]]:
        group: list[Touched] = []
        for one in touched:
            group.append(one)
            if sum(file.bytes for file, _ in group) >= self.size:
                yield group
                group = []
        if group:
            yield group


def _mark(group: Iterable[Touched], stamp: str) -> str:
    """Name a piece of work: equal marks stand for equal files."""
    digest = hashlib.sha256(stamp.encode())
    for file, fate in group:
        digest.update(f"|{file.path}|".encode())
        digest.update(fate.gone.tobytes() + b"|" + fate.patched.tobytes())
        for name, values in fate.values.items():
            digest.update(f"|{name}|".encode())
            for buffer in values.buffers():
                digest.update(buffer or b"")
    return digest.hexdigest()
