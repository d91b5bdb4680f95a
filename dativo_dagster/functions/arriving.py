"""The rows of one read as they arrive: piece by piece, in order, counted, and held against what the function says."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dativo_ingest.exceptions import SandboxError
from dativo_ingest.functions.pieces import batches_of, piece_name

if TYPE_CHECKING:
    from dativo_dagster.functions.call import Call

POLL_SECONDS = 0.15


@dataclass(frozen=True)
class Sent:
    """What a function says that it sent: rows in the reply, or the rows and bytes of each piece."""

    inline: tuple[bytes, ...] | None = None
    pieces: tuple[tuple[int, int], ...] = ()
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
        return cls(pieces=tuple((int(piece["rows"]), int(piece["bytes"])) for piece in said), position=position)


class Arriving:
    """Takes the pieces; each is deleted once its rows are used, so that the function may write another."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.taken: list[tuple[int, int]] = []

    def live(self) -> Iterator[Any]:
        """Yield what arrives while the function runs."""
        while not self.call.wait(0):
            taken = len(self.taken)
            yield from self._next()
            if len(self.taken) == taken:
                self.call.wait(POLL_SECONDS)

    def rest(self, sent: Sent) -> Iterator[Any]:
        """Yield what is left, and compare all of it with what was sent.

        Raises:
            SandboxError: ``FUNCTION_ROWS_LOST``.
        """
        for number, part in enumerate(sent.inline or (), 1):
            yield from self._batches(part, f"part {number} of the reply")
        while len(self.taken) < len(sent.pieces):
            taken = len(self.taken)
            yield from self._next()
            if len(self.taken) == taken:
                raise self._lost(f"piece {taken + 1} of {len(sent.pieces)} is not there")
        untold = sent.inline is None and self.call.folder.has(piece_name(len(sent.pieces) + 1))
        if tuple(self.taken) != sent.pieces or untold:
            raise self._lost("its pieces are not those that it counted, by number, rows or bytes")

    def _next(self) -> Iterator[Any]:
        name = piece_name(len(self.taken) + 1)
        data = self.call.folder.get(name)
        if data is None:
            return
        rows = 0
        for batch in self._batches(data, f"piece {len(self.taken) + 1}"):
            rows += batch.num_rows
            yield batch
        self.taken.append((rows, len(data)))
        self.call.folder.delete(name)

    def _batches(self, data: bytes, what: str) -> Iterator[Any]:
        """Yield the batches of a piece; what is in them was made by code that nobody has to trust."""
        import pyarrow as pa

        try:
            for batch in batches_of(data):
                batch.validate(full=True)
                yield batch
        except (pa.ArrowException, OSError) as error:
            raise self._lost(f"{what} is no Arrow: {str(error)[:200]}") from error

    def _lost(self, what: str) -> SandboxError:
        where = f"stream {self.call.deployed.stream!r}, unit {self.call.unit!r}"
        message = f"the rows of a function did not arrive whole ({what}; {where}); nothing of them is committed"
        return SandboxError(message, "FUNCTION_ROWS_LOST")
