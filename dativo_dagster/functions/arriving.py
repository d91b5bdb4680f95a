"""The rows of one read as they arrive: piece by piece, in order, held against what the function says it sent."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dativo_ingest.exceptions import PluginError, SandboxError
from dativo_ingest.functions.checksums import checksum
from dativo_ingest.functions.pieces import first_other, piece_name
from dativo_ingest.worker.batches import SwollenError, batches_in

if TYPE_CHECKING:
    from dativo_dagster.functions.call import Call

POLL_SECONDS = 0.15
Piece = tuple[int, int, int]
"""Rows, bytes and CRC-32."""


@dataclass(frozen=True)
class Sent:
    """What a function says that it sent: rows in the reply, or what each piece has."""

    inline: tuple[bytes, ...] | None = None
    pieces: tuple[Piece, ...] = ()
    position: int = 0

    @classmethod
    def of(cls, rows: Any) -> Sent:
        """Take it from a reply. The names of pieces are not read: a function may not choose what the host opens.

        Raises:
            ValueError, TypeError, KeyError: It has another shape.
        """
        if "inline" in rows:
            return cls(inline=tuple(base64.b64decode(part, validate=True) for part in rows["inline"]))
        said = list(rows["pieces"])
        position = int(said[-1]["position"]) if said else 0
        pieces = ((int(piece["rows"]), int(piece["bytes"]), int(piece["crc32"])) for piece in said)
        return cls(pieces=tuple(pieces), position=position)


class Arriving:
    """Takes the pieces; each is deleted once its rows are used, so that the function may write another.

    Attributes:
        taken: What each piece had.
        rows: How many were yielded.
    """

    def __init__(self, call: Call) -> None:
        self.call = call
        self.taken: list[Piece] = []
        self.rows = 0

    def live(self) -> Iterator[Any]:
        """Yield what arrives while the function runs."""
        pause = POLL_SECONDS
        while not self.call.wait(pause):
            taken = len(self.taken)
            yield from self._next()
            pause = 0 if len(self.taken) > taken else POLL_SECONDS

    def rest(self, sent: Sent) -> Iterator[Any]:
        """Yield what is left, and compare all of it with what was sent.

        Raises:
            SandboxError: ``FUNCTION_ROWS_LOST``.
        """
        for number, part in enumerate(sent.inline or (), 1):
            yield from self._batches(part, number)
        self._compare(sent)
        while len(self.taken) < len(sent.pieces):
            taken = len(self.taken)
            yield from self._next()
            if len(self.taken) == taken:
                raise self._lost(taken + 1, "is not there")
            self._compare(sent)
        if sent.inline is None and self.call.folder.has(piece_name(len(sent.pieces) + 1)):
            raise self._lost(len(sent.pieces) + 1, "was not told")

    def _compare(self, sent: Sent) -> None:
        """Hold what was taken so far against what was sent."""
        if self.taken != list(sent.pieces[: len(self.taken)]):
            raise self._lost(
                first_other(self.taken, sent.pieces), "has not the rows, bytes and checksum that were told"
            )

    def _next(self) -> Iterator[Any]:
        name = piece_name(len(self.taken) + 1)
        data = self.call.folder.get(name)
        if data is None:
            return
        before, summed = self.rows, checksum(data)
        yield from self._batches(data, len(self.taken) + 1)
        self.taken.append((self.rows - before, summed["bytes"], summed["crc32"]))
        self.call.folder.delete(name)

    def _batches(self, data: bytes, piece: int) -> Iterator[Any]:
        """Yield the batches of a piece; what is in them was made by code that nobody has to trust."""
        try:
            for batch in batches_in(data):
                self.rows += batch.num_rows
                yield batch
        except SwollenError as error:
            message = f"plugin {self.call.deployed.plugin}: gave rows that cannot be taken: {error}"
            raise self.call.about.told(PluginError(message, "PLUGIN_BAD_DATA")) from error
        except ValueError as error:
            raise self._lost(piece, f"is no Arrow: {str(error)[:200]}") from error

    def _lost(self, piece: int, what: str) -> SandboxError:
        stream, unit = self.call.deployed.stream, self.call.unit
        message = (
            f"the rows of a function did not arrive whole (stream {stream!r}, unit {unit!r}: piece {piece} {what}); "
            "nothing of them is committed; run again, and look whether something else writes or deletes below "
            f"{self.call.deployed.staging.url}"
        )
        return SandboxError(message, "FUNCTION_ROWS_LOST", {"stream": stream, "unit": unit, "piece": piece})
