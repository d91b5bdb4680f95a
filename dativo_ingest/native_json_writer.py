"""A writer behind the older JSON ABI."""

from __future__ import annotations

import threading
from itertools import count
from typing import TYPE_CHECKING, Any

from dativo_ingest.model import CheckResult, DataFile
from dativo_ingest.native_errors import Call

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dativo_ingest.native_json import Maker

BATCH_ROWS = 10_000  # of one call


def writer_words(config: Mapping[str, Any]) -> dict[str, Any]:
    """Give the configuration that the older ABI has."""
    target, asset = config.get("target") or {}, config.get("asset") or {}
    return {
        "asset_name": asset.get("name"),
        "schema": asset.get("schema") or [],
        "output_base": config.get("output_base"),
        "target_type": target.get("type") or "custom",
        "connection": target.get("connection") or {},
        "file_format": target.get("file_format"),
        # The example writer of that system ends its process when there are no options.
        "engine": {"options": {}, **(target.get("engine") or {})},
    }


class JsonWriter:
    """A target in a library of the older ABI.

    Its files are named by a counter alone, so each call of `write` has a folder of its own, but for a writer that
    commits by itself: that one writes where the job says, one call after the other.
    """

    def __init__(self, make: Maker, write: Any, config: Mapping[str, Any]) -> None:
        self.commits = bool(config.get("commits"))
        self._make, self._write = make, write
        self._turn = threading.Lock()
        self._counter = count()

    def check(self) -> CheckResult:
        """Make a writer, which is all that the ABI has."""
        with self._make.made(self._call("check")):
            message = "the library took its configuration; its ABI has no check of the target"
        return CheckResult(name="plugin", passed=True, message=message)

    def write(self, batches: Iterable[Any], base: str, name: str) -> list[DataFile]:
        """Write the batches, as rows of JSON."""
        raise NotImplementedError

    def commit(self, token: str, files: Sequence[DataFile]) -> Mapping[str, Any]:
        """Do nothing: the ABI has no words for it, and the files are where they should be."""
        return {"status": "success", "files_added": len(files)}

    def abort(self, files: Sequence[DataFile]) -> None:
        """Remove the files on disk; the ABI has no words for more."""

    def _call(self, verb: str) -> Call:
        return Call(self._make.library.path, verb)
