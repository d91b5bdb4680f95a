"""How far a stream is: rows, bytes and units of all its threads together, told to whoever wants to know."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dativo_ingest.result import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from dativo_ingest.model import Unit
    from dativo_ingest.protocols import Reader


@dataclass
class Meter:
    """Counts what all units of a stream have done together and tells ``report``."""

    stream: str
    reader: Reader
    total_units: int
    total_bytes: int
    report: Callable[[Progress], None] | None
    started: float = field(default_factory=time.monotonic)
    rows: int = 0
    units: int = 0
    finished_bytes: int = 0
    running: dict[str, Unit] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, unit: Unit) -> None:
        """Count the bytes of a unit from now on."""
        with self.lock:
            self.running[unit.id] = unit

    def add(self, rows: int) -> None:
        """Add rows."""
        with self.lock:
            self.rows += rows
            self._tell()

    def finish(self, unit: Unit) -> None:
        """Count a unit as done."""
        with self.lock:
            del self.running[unit.id]
            self.units += 1
            self.finished_bytes += unit.bytes or self.reader.position(unit)
            self._tell()

    def skip(self, unit: Unit, rows: int) -> None:
        """Count a unit that an earlier attempt has done."""
        with self.lock:
            self.rows += rows
            self.units += 1
            self.finished_bytes += unit.bytes or 0

    def _tell(self) -> None:
        if self.report is not None:
            self.report(
                Progress(
                    stream=self.stream,
                    rows=self.rows,
                    bytes=self.finished_bytes + sum(map(self._read, self.running.values())),
                    total_bytes=self.total_bytes,
                    units=self.units,
                    total_units=self.total_units,
                    seconds=time.monotonic() - self.started,
                )
            )

    def _read(self, unit: Unit) -> int:
        """Give the bytes read of a unit, never more than it has: a reader may go over a part of a file twice."""
        position = self.reader.position(unit)
        return min(position, unit.bytes) if unit.bytes else position
