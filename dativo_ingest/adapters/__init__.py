"""A plugin's class as the pipeline wants it: the only place that knows both shapes. `opening` calls it.

``ReaderAdapter`` and ``WriterAdapter`` carry the kept row interface of `plugins`; ``GuardedReader`` and
``GuardedWriter`` a class that fits `protocols` by itself.
"""

from __future__ import annotations

from dativo_ingest.adapters.direct import GuardedReader, GuardedWriter
from dativo_ingest.adapters.reader import ReaderAdapter
from dativo_ingest.adapters.writer import WriterAdapter

__all__ = ["GuardedReader", "GuardedWriter", "ReaderAdapter", "WriterAdapter"]
