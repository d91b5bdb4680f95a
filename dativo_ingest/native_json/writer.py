"""A writer behind the older JSON ABI: rows as JSON, and its word about files is checked."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dativo_ingest.model import CheckResult, DataFile
from dativo_ingest.native.errors import Call
from dativo_ingest.native_json.records import records

if TYPE_CHECKING:
    from dativo_ingest.native_json import Made, Maker

ROWS = 10_000
"""Rows of one call; most writers of this ABI make a file of each."""


def writer_words(config: Mapping[str, Any]) -> dict[str, Any]:
    """Give the configuration that the older ABI has."""
    target, asset = config.get("target") or {}, config.get("asset") or {}
    engine = target.get("engine") or {}
    return {
        "asset_name": asset.get("name"),
        "schema": asset.get("schema") or [],
        "output_base": config.get("output_base"),
        "target_type": target.get("type") or "custom",
        "connection": target.get("connection") or {},
        "file_format": target.get("file_format"),
        # The example writer of that system ends its process when there are no options.
        "engine": {**engine, "options": engine.get("options") or {}},
    }


class JsonWriter:
    """A target in a library of the older ABI.

    Such a library names files by a counter alone and overwrites what has the name. Each call of `write` therefore has
    a folder of its own, and a writer that makes its work visible by itself, where the job says, one counter.
    """

    def __init__(self, make: Maker, write: Any, config: Mapping[str, Any]) -> None:
        self.commits = bool(config.get("commits"))
        self._make, self._write = make, write
        self._output = str(config.get("output_base"))
        self._turn = threading.Lock()
        self._written = 0

    def check(self) -> CheckResult:
        """Make a writer, which is all that the ABI has."""
        with self._make.made(self._call("check")):
            message = "the library took its configuration; its ABI has no check of the target"
        return CheckResult(name="plugin", passed=True, message=message)

    def write(self, batches: Iterable[Any], base: str, name: str) -> list[DataFile]:
        """Write the batches as rows of JSON; no rows is no call.

        Raises:
            PluginError: ``PLUGIN_WRITE_FAILED``: the library answered NULL; ``PLUGIN_BAD_ANSWER`` or ``ROWS_LOST``:
                what it says of its files is not so.
        """
        if self.commits:
            with self._turn:
                found = self._lay(batches, self._output, self._written)
                self._written += len(found)
                return found
        folder = f"{base}{name}"
        try:
            return self._lay(batches, folder, 0)
        except BaseException:
            _remove(folder)
            raise

    def commit(self, token: str, files: Sequence[DataFile]) -> Mapping[str, Any]:  # noqa: ARG002 - of the protocol
        """Do nothing: the ABI has no words for it, and the files are where they should be."""
        return {"status": "success", "files_added": len(files)}

    def abort(self, files: Sequence[DataFile]) -> None:
        """Remove the files that lie on a disk; the ABI has no words for those that do not."""
        for file in files:
            if path := _local(file.path):
                path.unlink(missing_ok=True)

    def _lay(self, batches: Iterable[Any], folder: str, counter: int) -> list[DataFile]:
        call, files = self._call("write"), list[DataFile]()
        chunks = records(batches, ROWS, call)
        first = next(chunks, None)
        if first is None:
            return []
        with self._make.made(call, output_base=str(_local(folder) or folder)) as made:
            try:
                for text, rows in chain((first,), chunks):
                    files += self._files(made, text, rows, counter + len(files))
            except BaseException:
                self.abort(files)
                raise
        return files

    def _files(self, made: Made, text: str, rows: int, counter: int) -> list[DataFile]:
        answer = made.ask(self._write, f'{{"records":{text},"file_counter":{counter}}}'.encode())
        if answer is None:
            message = f"write_batch answered NULL for {rows:,} rows; {made.said.why}"
            raise made.last_error() or made.call.broken(message, "PLUGIN_WRITE_FAILED")
        files = [_file(item, made.call) for item in _list(answer, made.call)]
        if (laid := sum(f.rows for f in files)) != rows:
            raise made.call.broken(f"was given {rows:,} rows and says that it wrote {laid:,}", "ROWS_LOST")
        return files

    def _call(self, verb: str) -> Call:
        return Call(self._make.library.path, verb)


def _list(answer: bytes, call: Call) -> list[Any]:
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError):
        raise call.broken("write_batch answered with text that is no JSON", "PLUGIN_BAD_ANSWER") from None
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise call.broken("write_batch answered with something else than a list of files", "PLUGIN_BAD_ANSWER")
    return found


def _file(item: Mapping[str, Any], call: Call) -> DataFile:
    """Make a file of what the library says of it, once it is seen to be so."""
    path, rows, size = item.get("path"), item.get("record_count"), item.get("size_bytes")
    if not isinstance(path, str) or type(rows) is not int or not isinstance(size, (int, type(None))):
        raise call.broken("write_batch named a file without path or record_count", "PLUGIN_BAD_ANSWER")
    there = _local(path)
    if there is None and Path(path).exists():
        message = f"{path} was written as a folder of this machine: the library does not know such addresses"
        raise call.broken(message, "PLUGIN_BAD_ANSWER")
    if there is not None and not there.is_file():
        raise call.broken(f"write_batch says that it wrote {path}, and there is no such file", "PLUGIN_BAD_ANSWER")
    return DataFile(path=path, rows=rows, bytes=there.stat().st_size if there else size or 0)


def _local(path: str) -> Path | None:
    """Give the path on disk that an address means; None when it means a store."""
    if path.startswith("file://"):
        path = path.removeprefix("file://")
    return None if "://" in path else Path(path)


def _remove(folder: str) -> None:
    if path := _local(folder):
        shutil.rmtree(path, ignore_errors=True)
