"""What the suite knows of a plugin: how it is opened, one stream, and the facts that its author states."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dativo_ingest.protocols import Reader, WriterPlugin

if TYPE_CHECKING:
    from dativo_ingest.model import DataFile, Stream

OpenReader = Callable[[], AbstractContextManager[Reader]]
OpenWriter = Callable[[str], AbstractContextManager[WriterPlugin]]
Place = str | Mapping[str, Any]
MEGABYTE = 1_000_000


@dataclass(frozen=True, kw_only=True)
class ReaderCase:
    """A reader under test. Only ``open_reader`` and ``stream`` must be told; each further fact lets a check see more.

    Args:
        open_reader: Opens the reader anew, with the same configuration, in whatever place.
        stream: What is read. Without columns those that `discover` tells are taken.
        rows: How many rows the whole source has.
        broken: Opens the reader with a configuration that must be refused, such as a wrong password.
        add_rows: Adds rows at the source and says how many.
        secrets: Texts that no message may show.
        seconds: The longest time for one check.
        stop_seconds: The longest time between closing a read and its end.
        batch_bytes: The largest batch.
        memory_bytes: The most that memory may grow while a unit is read and nothing of it is kept.
    """

    open_reader: OpenReader
    stream: Stream
    rows: int | None = None
    broken: OpenReader | None = None
    add_rows: Callable[[], int] | None = None
    secrets: tuple[str, ...] = ()
    seconds: float = 60.0
    stop_seconds: float = 5.0
    batch_bytes: int = 512 * MEGABYTE
    memory_bytes: int = 256 * MEGABYTE


@dataclass(frozen=True, kw_only=True)
class WriterCase:
    """A writer under test. Each fact beside ``open_writer``, ``stream`` and ``folder`` lets a check see more.

    Args:
        open_writer: Opens the writer anew, in whatever place, to write into a folder that is given as an absolute path.
        stream: The columns that are written.
        folder: Gives an empty folder, as an absolute path; called once a check.
        read_back: Gives the rows that are visible at the target as dicts, for a writer that commits by itself.
        broken: Opens the writer with a configuration that must be refused.
        secrets: Texts that no message may show.
        seconds: The longest time for one check.
        memory_bytes: The most that memory may grow while rows are written.
    """

    open_writer: OpenWriter
    stream: Stream
    folder: Callable[[], str]
    read_back: Callable[[Sequence[DataFile]], Sequence[Mapping[str, Any]]] | None = None
    broken: OpenWriter | None = None
    secrets: tuple[str, ...] = ()
    seconds: float = 60.0
    memory_bytes: int = 256 * MEGABYTE


Case = ReaderCase | WriterCase
