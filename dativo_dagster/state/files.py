"""Which files are new since a cursor. Pure: the file connector lists, this decides.

A cursor's value is ``{"files": {id: {"last_modified": ISO time in UTC, "size": bytes}}}``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from dativo_ingest.model import Cursor


@dataclass(frozen=True, kw_only=True)
class SeenFile:
    """A file as it was listed. ``version`` changes with the content: an ETag, a generation or a time of change."""

    id: str
    size: int
    modified: datetime
    version: str

    @property
    def mark(self) -> dict[str, object]:
        """Give what the cursor remembers of the file."""
        return {"last_modified": self.modified.astimezone(timezone.utc).isoformat(), "size": self.size}


def select(files: Sequence[SeenFile], since: Cursor | None) -> list[SeenFile]:
    """Give the files to read: those the cursor does not know with this size and time.

    The earlier system's `should_skip_file` read every file again when `lookback_days` was set; in an append that
    would double the rows of files that did not change, so a look back has no meaning for files here.
    """
    known = since.value.get("files", {}) if since else {}
    return [f for f in files if known.get(f.id) != f.mark]


def advance(files: Sequence[SeenFile], since: Cursor | None) -> Cursor:
    """Give the cursor that holds once ``files`` are committed; files that are gone from the source stay known."""
    before = dict(since.value.get("files", {})) if since else {}
    return Cursor(value={"files": before | {f.id: f.mark for f in files}})


def fingerprint(files: Sequence[SeenFile]) -> str:
    """Name the content of ``files``, whatever order they are in."""
    facts = sorted(f"{f.id}\0{f.size}\0{f.version}" for f in files)
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:24]
