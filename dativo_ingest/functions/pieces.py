"""Rows on their way through the staging folder: in pieces, never more of them than the other side takes."""

from __future__ import annotations

import base64
import itertools
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dativo_ingest.exceptions import SandboxError, TransientError
from dativo_ingest.functions.checksums import checksum
from dativo_ingest.worker.batches import batches_in

if TYPE_CHECKING:
    from dativo_ingest.functions.store import Folder
    from dativo_ingest.functions.watch import Watch

FLUSH_SECONDS = 1.0
"""How long a batch waits for others to share its object."""
POLL_SECONDS = 0.1
IDLE_SECONDS = 300.0
"""How long a side waits for the other where the request does not say."""


def piece_name(number: int) -> str:
    """Name the pieces from 1 on."""
    return f"{number:06}.arrow"


class Patience:
    """Counts how long this side waits for the other: a host that was killed tells nobody."""

    def __init__(self, watch: Watch, limits: Mapping[str, Any]) -> None:
        self._watch, self._most = watch, float(limits.get("idle_seconds", IDLE_SECONDS))
        self._since: float | None = None

    def wait(self) -> None:
        """Wait a moment more.

        Raises:
            TransientError: ``FUNCTION_IDLE``, the host has not moved for as long as it may.
        """
        self._since = self._since or time.monotonic()
        if time.monotonic() - self._since > self._most:
            message = (
                f"the host took or sent no rows for idle_seconds = {self._most:g}: it is gone, or the other end of the "
                "job is slower than that; raise idle_seconds of the place then"
            )
            raise TransientError(message, "FUNCTION_IDLE")
        self._watch.pause(POLL_SECONDS)

    def over(self) -> None:
        """Begin anew: the host moved."""
        self._since = None


class Outgoing:
    """Collects batches into pieces and writes them, as the host reads them.

    Args:
        resumes: Whether the read can stop early; what it has then need not wait for the host.
    """

    def __init__(self, folder: Folder, watch: Watch, limits: Mapping[str, Any], *, resumes: bool = False) -> None:
        self._folder, self._watch, self._limits, self._resumes = folder, watch, limits, resumes
        self._parts: list[bytes] = []
        self._facts = {"rows": 0, "bytes": 0, "position": 0}
        self._since = 0.0
        self._lock = threading.Lock()
        self.pieces: list[dict[str, Any]] = []
        watch.tick = self.nudge

    def add(self, batch: bytes, rows: int, position: int) -> None:
        """Take one batch as an Arrow IPC stream; waits while the host does not read."""
        with self._lock:
            if not self._parts:
                self._since = time.monotonic()
            self._parts.append(batch)
            size = self._facts["bytes"] + len(batch)
            self._facts = {"rows": self._facts["rows"] + rows, "bytes": size, "position": position}
            if size >= self._limits["piece_bytes"] or self._old():
                self._flush()

    def nudge(self) -> None:
        """Write what waits for batches that do not come; called once a second, by another thread."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            if self._parts and self._old() and not self._ahead():
                self._write()
        finally:
            self._lock.release()

    def finish(self) -> dict[str, Any]:
        """Give the manifest, or the rows themselves where there are few."""
        with self._lock:
            if not self.pieces and self._facts["bytes"] * 4 // 3 <= self._limits["inline_bytes"]:
                parts, self._parts = self._parts, []
                return {"inline": [base64.b64encode(part).decode() for part in parts]}
            if self._parts:
                self._flush()
            return {"pieces": self.pieces}

    def remove(self) -> None:
        """Take back what was written."""
        with self._lock:
            self._parts = []
            self._folder.delete(piece["key"] for piece in self.pieces)

    def _old(self) -> bool:
        return time.monotonic() - self._since >= FLUSH_SECONDS

    def _ahead(self) -> bool:
        """Say whether the host has to read first."""
        unread = len(self.pieces) + 1 - self._limits["ahead"]
        early = self._resumes and self._watch.late
        return unread > 0 and not early and self._folder.has(piece_name(unread))

    def _flush(self) -> None:
        patience = Patience(self._watch, self._limits)
        while self._ahead():
            patience.wait()
        self._watch.check()
        self._write()

    def _write(self) -> None:
        name, data = piece_name(len(self.pieces) + 1), b"".join(self._parts)
        self._folder.put(name, data)
        self.pieces.append({"key": name, **self._facts, **checksum(data)})
        self._parts, self._facts = [], {"rows": 0, "bytes": 0, "position": 0}


def incoming(folder: Folder, watch: Watch, limits: Mapping[str, Any], about: str = "") -> Iterator[Any]:
    """Yield the record batches that the host sends, and delete their pieces; ends once all were those that it sent.

    Raises:
        SandboxError: ``FUNCTION_ROWS_LOST``: a piece is not there, or not the one that the host put there.
    """
    taken: list[dict[str, int]] = []
    sent: list[dict[str, int]] | None = None
    patience = Patience(watch, limits)
    while sent is None or len(taken) < len(sent):
        name = f"in/{piece_name(len(taken) + 1)}"
        piece = folder.get(name)
        if piece is not None:
            try:
                yield from batches_in(piece)
            except ValueError as error:
                raise _lost(len(taken) + 1, about) from error
            taken.append(checksum(piece))
            folder.delete([name])
            patience.over()
        elif sent is not None:
            break
        else:
            said = folder.get("in/end.json")
            sent = json.loads(bytes(said))["pieces"] if said is not None else None
            if sent is None:
                patience.wait()
    if taken != sent:
        raise _lost(first_other(taken, sent), about)


def first_other(taken: Sequence[Any], sent: Sequence[Any]) -> int:
    """Give the number of the first piece that is not the one that was sent."""
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], itertools.zip_longest(taken, sent))
    return sum(1 for _ in same) + 1


def _lost(number: int, about: str) -> SandboxError:
    message = (
        f"piece {number} of the rows ({about}) is not what the host put into the staging folder; nothing of it is "
        "committed; run again, and look whether something else writes or deletes there"
    )
    return SandboxError(message, "FUNCTION_ROWS_LOST", {"piece": number})
