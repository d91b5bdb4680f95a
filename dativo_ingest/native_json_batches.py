"""JSON arrays of objects as record batches: by pyarrow where that is exact, else value by value.

pyarrow reads lines and no arrays, so a text becomes the one field of one object: ``{"rows": [...]}``. Columns of the
stream are read as what they are; a text that does not fit is read again by `native_json_rows`.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from dativo_ingest.native_json_rows import rows_batch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pyarrow as pa

    from dativo_ingest.model import Stream
    from dativo_ingest.native_errors import Call

THREADS = 2
_TRIES = 3  # texts that pyarrow may refuse one after the other before it is asked no more
_ROWS = "rows"


def parsed(texts: Iterable[bytes], parser: Parser) -> Iterator[pa.RecordBatch]:
    """Yield a batch for each text, in order; the next ones are fetched while the threads parse."""
    running: deque[Future[pa.RecordBatch]] = deque()
    with ThreadPoolExecutor(THREADS, "dativo-json") as pool:
        try:
            for text in texts:
                running.append(pool.submit(parser.parse, text))
                if len(running) > THREADS:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()


class Parser:
    """Parses the texts of one reading; called from several threads."""

    def __init__(self, stream: Stream, call: Call) -> None:
        self.columns = {c.name: c.type for c in stream.columns}
        self.call = call
        self.strings: dict[str, Any] = {}  # columns that pyarrow would make moments of, or numbers of text
        self.refused = 0

    def parse(self, text: bytes) -> pa.RecordBatch:
        """Give the rows of one text.

        Raises:
            PluginError: ``PLUGIN_BAD_DATA``: it is no array of objects.
        """
        batch = self._fast(text) if self.refused < _TRIES else None
        self.refused = 0 if batch is not None else self.refused + 1
        return rows_batch(text, self.columns, self.call) if batch is None else batch

    def _fast(self, text: bytes) -> pa.RecordBatch | None:
        return None
