"""A reader whose plugin is in a function of a cloud."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from dativo_ingest.exceptions import SandboxError
from dativo_ingest.functions.pieces import batches_of, piece_name
from dativo_ingest.model import CheckResult, Cursor, Stream, Unit, Window

if TYPE_CHECKING:
    from dativo_dagster.functions.call import Call, Deployed
    from dativo_ingest.model import Usage

POLL_SECONDS = 0.15


class FunctionReader:
    """Behaves as the plugin would here. Verbs may run side by side, each in an invocation of its own."""

    def __init__(self, deployed: Deployed) -> None:
        self.deployed = deployed
        self._positions: dict[str, int] = {}
        self._reached: Mapping[str, Any] | None = None

    @property
    def usage(self) -> list[Usage]:
        """Give what the invocations took so far."""
        return self.deployed.usage

    def check(self) -> CheckResult:
        """Try to reach the source."""
        return CheckResult.from_json(self.deployed.ask("check"))

    def discover(self) -> list[Stream]:
        """List what the source has."""
        return [Stream.from_json(stream) for stream in self.deployed.ask("discover")]

    def split(self, stream: Stream, since: Cursor | None) -> Window:
        """Decide what there is to read since the cursor."""
        asked = {"stream": stream.to_json(), "since": since.to_json() if since else None}
        return Window.from_json(self.deployed.ask("split", **asked))

    def read(self, stream: Stream, unit: Unit) -> Iterator[Any]:
        """Yield the record batches of one unit while the function makes the next ones.

        Raises:
            SandboxError: ``FUNCTION_ROWS_LOST``, what arrived is not what the function sent.
        """
        arguments = {"stream": stream.to_json(), "unit": unit.to_json()}
        with self.deployed.call("read", unit.id, arguments) as call:
            pieces = _Pieces(call)
            yield from pieces.live()
            reply = call.reply()
            yield from pieces.rest(reply["rows"])
            self._positions[unit.id] = pieces.position
            self._reached = reply["reached"] or self._reached

    def position(self, unit: Unit) -> int:
        """Give the bytes of the source that were read, once the unit was; 0 before."""
        return self._positions.get(unit.id, 0)

    def reached(self, window: Window) -> Cursor | None:
        """Give what the plugin said after the last read; where it says nothing, what the window says."""
        return window.after if self._reached is None else Cursor.from_json(self._reached)

    def cancel(self) -> None:
        """Make all that runs fail soon, and read no more; any thread may."""
        self.deployed.cancel()


class _Pieces:
    """The pieces of one read: taken in order, counted, and deleted once their rows are used."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.taken: list[tuple[int, int]] = []
        self.position = 0

    def live(self) -> Iterator[Any]:
        """Yield what arrives while the function runs."""
        while not self.call.wait(0):
            taken = len(self.taken)
            yield from self._next()
            if len(self.taken) == taken:
                self.call.wait(POLL_SECONDS)

    def rest(self, rows: Mapping[str, Any]) -> Iterator[Any]:
        """Yield what is left, and compare all of it with what the function says that it sent."""
        for piece in rows.get("inline", ()):
            yield from batches_of(base64.b64decode(piece))
        said = rows.get("pieces", ())
        while len(self.taken) < len(said):
            taken = len(self.taken)
            yield from self._next()
            if len(self.taken) == taken:
                raise self._lost(f"piece {taken + 1} of {len(said)} is not there")
        if self.taken != [(piece["rows"], piece["bytes"]) for piece in said]:
            raise self._lost("rows or bytes of its pieces are not those that it counted")
        self.position = said[-1]["position"] if said else 0

    def _next(self) -> Iterator[Any]:
        name = piece_name(len(self.taken) + 1)
        data = self.call.folder.get(name)
        if data is None:
            return
        rows = 0
        for batch in batches_of(data):
            batch.validate()
            rows += batch.num_rows
            yield batch
        self.taken.append((rows, len(data)))
        self.call.folder.delete(name)

    def _lost(self, what: str) -> SandboxError:
        where = f"stream {self.call.deployed.stream!r}, unit {self.call.unit!r}"
        message = f"the rows of a function did not arrive whole ({what}; {where}); nothing of them is committed"
        return SandboxError(message, "FUNCTION_ROWS_LOST")
