"""How much a reader may give before it is taken for endless. Used by both native ABIs."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dativo_ingest.ending import closed_after
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import pyarrow as pa

    from dativo_ingest.native.errors import Call


@dataclass(frozen=True)
class Limits:
    """The block ``limits`` of a job's source; for one unit each, and None is no limit.

    Args:
        max_rows: Rows.
        max_batches: Batches.
        max_seconds: Seconds from the first call; looked at between batches, so a call that never returns is for the
            time limit of the place to end.
        max_empty: Batches one after the other that have no row.
        max_repeats: Batches one after the other that are the same text (older JSON ABI only).
        full_check: Look at every value of every batch, not only at its outline.
    """

    max_rows: int | None = None
    max_batches: int | None = None
    max_seconds: float | None = None
    max_empty: int = 10_000
    max_repeats: int = 100
    full_check: bool = False

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Limits:
        """Read the block from the configuration of a reader.

        Raises:
            ConfigurationError: A key that there is not, or a value that is no number above zero.
        """
        given = (config.get("source") or {}).get("limits") or {}
        known = {f.name for f in dataclasses.fields(cls)}
        wrong = [k for k, v in given.items() if k not in known or not _fits(k, v)]
        if wrong:
            message = f"source.limits: {', '.join(map(str, wrong))}: known are {', '.join(sorted(known))}"
            raise ConfigurationError(f"{message}; each is a number above zero, full_check true or false")
        return cls(**given)

    def hold(self, batches: Iterable[pa.RecordBatch], call: Call) -> Iterator[pa.RecordBatch]:
        """Pass batches on until a limit is reached.

        Raises:
            PluginError: ``ENDLESS_READER``.
        """
        until = time.monotonic() + (self.max_seconds or float("inf"))
        rows = count = empty = 0
        with closed_after(batches) as given:
            for batch in given:
                rows, count = rows + batch.num_rows, count + 1
                empty = 0 if batch.num_rows else empty + 1
                over = {
                    "max_rows": self.max_rows is not None and rows > self.max_rows,
                    "max_batches": self.max_batches is not None and count > self.max_batches,
                    "max_seconds": time.monotonic() > until,
                    "max_empty": empty > self.max_empty,
                }
                if any(over.values()):
                    raise self.over(next(k for k, v in over.items() if v), call)
                yield batch

    def over(self, limit: str, call: Call) -> Exception:
        """Make the error of a reader that went over one of the limits."""
        message = f"gives more than source.limits.{limit} allows, {getattr(self, limit):,}; does it ever end?"
        return call.broken(message, "ENDLESS_READER", limit=limit)


def _fits(key: str, value: Any) -> bool:
    if key == "full_check":
        return isinstance(value, bool)
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0
