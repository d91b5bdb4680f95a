"""How a hostile plugin is opened with a fault, asked for the verb that meets it, and limited so that it ends soon."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from dativo_ingest.model import PluginRef, Stream, Unit
from dativo_ingest.testing.host import launcher
from tests.fakes import hostile
from tests.native import native_library

STREAM, UNIT = Stream(name="rows"), Unit(id="all")
SECRET = "sk-canary-77310"
WORDS: dict[str, dict[str, Any]] = {
    "broken start": {"broken_start": True},
    "slow start": {"slow_start": True},
    "crash on close": {"on_close": "crash"},
    "raise on close": {"on_close": "raise"},
    "memory": {"fault": "memory", "megabytes": 1500},
}
"""What a plugin is told where that is more than the name of a fault."""
ASKED = {"odd cursor": "split", "panic_discover": "discover"}
ASKED |= dict.fromkeys(("unknown_status", "error_without_message", "panic_check", "hang_check"), "check")
ASKED |= dict.fromkeys(("invalid_utf8", "invalid_json", "wrong_json"), "check")
ASKED |= dict.fromkeys(("wrong_rows", "missing_file", "stray_file"), "write")
"""The verb that meets a fault, where it is not `read`, and not `write` by the fault's name."""
IN_EVERY_CALL = {"broken start", "slow start", "panic_open", "hang_open", "null_error", "null_instance"}
IN_EVERY_CALL |= {"crash on close", "double_release", "hang_release"}
NO_END = {"hang", "hang outside Python", "ignores SIGTERM", "endless", "print", "no frame", "slow start"}
NO_END |= {"hang_open", "hang_check", "hang_read", "hang_stream", "hang_write", "hang_release"}
"""What only a limit ends, in one place or another."""
LIMITED_BY = {"endless": "timeout_seconds", "hang_open": "start_seconds", "slow start": "start_seconds"}
"""The limit of a container that ends it, where that is not `idle_seconds`."""
ENDED_BEFORE = {"print", "no frame"}
"""What a container ends for what it does."""


def limits(place: str, fault: str) -> dict[str, Any]:
    """Give limits that the fault breaks soon, and whatever comes after it does not."""
    if place == "docker":
        soon = {LIMITED_BY.get(fault, "idle_seconds"): 2} if fault in NO_END - ENDED_BEFORE else {}
        return {"memory_mb": 256, "output_mb": 1, **soon}
    of_a_library = "_" in fault
    return {"timeout_seconds": 60 if fault not in NO_END else 3 if of_a_library else 5}


@dataclass(frozen=True)
class Hostile:
    """A hostile plugin in a place.

    Attributes:
        kind: As the table of faults names it.
        options: Of the place.
        folder: Where a writer's files are brought.
    """

    kind: str
    place: str
    options: dict[str, Any]
    folder: Path
    job: str

    @property
    def is_library(self) -> bool:
        """Say whether it is in Rust."""
        return "Rust" in self.kind

    @property
    def when_loaded(self) -> bool:
        """Say whether it does its harm before it has a configuration."""
        return "loaded" in self.kind

    def verb(self, fault: str) -> str:
        """Name the verb that meets a fault."""
        writes = "writer" in self.kind or "write" in fault
        return ASKED.get(fault, "write" if writes else "read")

    def opened(self, verb: str, fault: str | None = None) -> AbstractContextManager[Any]:
        """Open the reader, or the writer for a `write`; without a fault it is honest."""
        words: dict[str, Any] = WORDS.get(fault or "", {"fault": fault or "none"})
        said = {"engine": {"options": words}} if self.is_library else words
        told: dict[str, Any] = {**said, "type": "custom", "credentials": {"api": SECRET}, "commits": False}
        config: dict[str, Any] = {
            "source": told,
            "target": told,
            "stream": STREAM.to_json(),
            "asset": {"name": "rows"},
            "base": "/",
        }
        config |= {"tenant": "t", "job": self.job, "output_base": str(self.folder), "commits": False}
        role = "writer" if verb == "write" else "reader"
        plugin = PluginRef(path=hostile.__file__, name=role.title())
        if self.is_library:
            plugin = PluginRef(path=str(native_library("hostile")), name=f"create_{role}", kind="native")
        opened: AbstractContextManager[Any] = getattr(launcher(self.place, self.options), role)(plugin, config)
        return opened

    def ask(self, opened: Any, verb: str) -> Any:
        """Ask for a verb; gives what it gives, of a read all batches."""
        if verb == "write":
            return opened.write([pa.record_batch({"a": [1, 2]})] * 3, f"file://{self.folder}/", "one")
        if verb == "read":
            return list(opened.read(STREAM, UNIT))
        return opened.split(STREAM, None) if verb == "split" else getattr(opened, verb)()

    def rows(self, fault: str) -> list[Any]:
        """Give the first column of what a read gives that no fault harms."""
        if self.is_library:
            return list(range(3000))
        return [1, 2] * 3 + (["n/a", 1, 2] if fault == "schemas" else [])
