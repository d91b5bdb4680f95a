"""`plugins.BaseWriter` as `protocols.WriterPlugin`: rows or Arrow in, its own metadata out, one commit.

What `write_batch` returns comes back in `commit_files` as the very same dicts when the same instance commits. It is
held to what it says: as many rows as it was given.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from dativo_ingest.adapters.discovery import check_result
from dativo_ingest.adapters.guard import OneThread
from dativo_ingest.config import AssetDefinition, TargetConfig
from dativo_ingest.exceptions import CommitError, PluginError
from dativo_ingest.model import CheckResult, DataFile, PluginRef
from dativo_ingest.plugins import BaseWriter

A = TypeVar("A", bound="WriterAdapter")
METADATA, INSTANCE, NUMBER = "metadata", "instance", "number"
"""Keys of `DataFile.statistics`: what the plugin returned as JSON, who it was, and which of its files."""

Given = tuple[AssetDefinition, TargetConfig, str]
_log = logging.getLogger(__name__)


class WriterAdapter:
    """A `BaseWriter`, alive from `__enter__` to `__exit__`, in a thread of its own."""

    commits = True

    def __init__(self, ref: PluginRef, plugin: Callable[..., BaseWriter], given: Given, stream: str = "") -> None:
        self.ref = ref
        self._base = given[2]
        self._new = lambda: plugin(*given)
        self._id = uuid.uuid4().hex
        self._returned: list[dict[str, Any]] = []
        self._thread = OneThread(ref, stream)

    def __enter__(self: A) -> A:
        try:
            self._plugin: BaseWriter = self._thread.call("open", self._new)
        except BaseException:
            self._thread.close(lambda: None)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.close(lambda: self._plugin.close())  # noqa: PLW0108 - looked up in the plugin's thread

    def check(self) -> CheckResult:
        """Ask the plugin's `check_connection`."""
        return check_result(self.ref, self._thread.call("check", self._plugin.check_connection), "target")

    def write(self, batches: Iterable[Any], base: str, name: str) -> list[DataFile]:  # noqa: ARG002 - of the protocol
        """Hand the batches on, one by one; files of a call that fails are removed.

        Raises:
            PluginError: ``PLUGIN_FAILED``; ``PLUGIN_BAD_RESULT``; ``PLUGIN_LOST_ROWS``, it says that it wrote fewer or
                more rows than it was given.
        """
        files: list[DataFile] = []
        given = 0
        try:
            for batch in batches:
                if batch.num_rows:
                    given += batch.num_rows
                    files += self._thread.call("write", self._write, batch)
            self._check_rows(files, given)
        except BaseException:
            self._abort_quietly(files)
            raise
        return files

    def commit(self, token: str, files: Sequence[DataFile]) -> Mapping[str, Any]:  # noqa: ARG002 - of the protocol
        """Ask the plugin's `commit_files`, once, for all files; not at all when there are none.

        Raises:
            CommitError: It says so.
            PluginError: ``PLUGIN_WRITER_GONE``, another instance wrote the files, and this one may not commit them.
        """
        if not files:
            return {}
        strangers = [f for f in files if f.statistics.get(INSTANCE) != self._id]
        overridden = type(self._plugin).commit_files is not BaseWriter.commit_files
        if strangers and overridden and not self._plugin.commit_anywhere:
            message = (
                f"plugin {self.ref}: {len(strangers)} files were written by an instance that is gone, and only it may "
                "commit them; run the job anew in one process, or set `commit_anywhere = True` on the class if "
                "commit_files needs nothing but its argument"
            )
            raise PluginError(message, "PLUGIN_WRITER_GONE", {"plugin": str(self.ref)})
        return self._thread.call("commit", self._commit, [self._metadata(f) for f in files])

    def abort(self, files: Sequence[DataFile]) -> None:
        """Ask the plugin's `abort_files`; without one, delete the local files below ``output_base``."""
        if not files:
            return
        if type(self._plugin).abort_files is not BaseWriter.abort_files:
            self._thread.call("abort", self._plugin.abort_files, [self._metadata(f) for f in files])
            return
        for file in files:
            self._remove(file.path)

    def _write(self, batch: Any) -> list[DataFile]:
        plugin, counter = self._plugin, len(self._returned)
        if type(plugin).write_arrow is not BaseWriter.write_arrow:
            returned = plugin.write_arrow(batch, counter)
        else:
            from dativo_ingest.batches.rows import rows_of

            returned = plugin.write_batch(rows_of(batch), counter)
        files = [self._file(found) for found in self._checked(returned)]
        unsaid = [n for n, found in enumerate(returned) if found.get("record_count") is None]
        if unsaid:  # the first file that does not say gets what the others leave
            rest = max(0, batch.num_rows - sum(f.rows for f in files))
            first = files[unsaid[0]]
            files[unsaid[0]] = DataFile(path=first.path, rows=rest, bytes=first.bytes, statistics=first.statistics)
        return files

    def _checked(self, returned: Any) -> list[dict[str, Any]]:
        good = isinstance(returned, (list, tuple)) and all(isinstance(f, dict) and f.get("path") for f in returned)
        if not good:
            shape = _shape(returned)
            message = f"plugin {self.ref}: write_batch gave {shape}; it must give a list of dicts, each with a path"
            raise PluginError(message, "PLUGIN_BAD_RESULT", {"plugin": str(self.ref)})
        return list(returned)

    def _file(self, found: dict[str, Any]) -> DataFile:
        path, size, rows = str(found["path"]), found.get("size_bytes"), found.get("record_count")
        if size is None:
            local = _local(path)
            size = local.stat().st_size if local is not None and local.is_file() else 0
        self._returned.append(found)
        metadata = json.loads(json.dumps(found, default=str))
        facts = {METADATA: metadata, INSTANCE: self._id, NUMBER: len(self._returned) - 1}
        return DataFile(path=path, rows=int(rows or 0), bytes=int(size), statistics=facts)

    def _check_rows(self, files: Sequence[DataFile], given: int) -> None:
        written = sum(f.rows for f in files)
        if written != given:
            message = (
                f"plugin {self.ref}: it was given {given} rows and its files say they hold {written}; nothing of them "
                "is committed. A writer that makes no files still returns one dict, with any text as its path"
            )
            details = {"plugin": str(self.ref), "given": given, "written": written}
            raise PluginError(message, "PLUGIN_LOST_ROWS", details)

    def _metadata(self, file: DataFile) -> dict[str, Any]:
        mine = file.statistics.get(INSTANCE) == self._id
        return self._returned[int(file.statistics[NUMBER])] if mine else dict(file.statistics[METADATA])

    def _commit(self, metadata: list[dict[str, Any]]) -> Mapping[str, Any]:
        result: Any = self._plugin.commit_files(metadata)
        answer = dict(result) if isinstance(result, Mapping) else {}
        status = answer.get("status", "success")
        if str(status).lower() != "success":
            said = answer.get("error") or answer.get("message") or f"status {status!r}"
            message = f"plugin {self.ref}: commit_files says: {said}"
            raise CommitError(message, "COMMIT_FAILED", {"plugin": str(self.ref), "status": str(status)})
        return answer

    def _abort_quietly(self, files: Sequence[DataFile]) -> None:
        """Abort while another error is on its way: that one is what must be seen."""
        try:
            self.abort(files)
        except PluginError:
            _log.warning("plugin %s could not remove what it wrote", self.ref, exc_info=True)

    def _remove(self, path: str) -> None:
        base, file = _local(self._base), _local(path)
        if base is None or file is None or not file.resolve().is_relative_to(base.resolve()):
            _log.warning("plugin %s left %s: it defines no abort_files, and this is no file of ours", self.ref, path)
            return
        file.unlink(missing_ok=True)


def _local(path: str) -> Path | None:
    """Give a path of this machine; None for a URI of another."""
    scheme = urlsplit(path).scheme
    if scheme == "file":
        return Path(urlsplit(path).path)
    return Path(path) if len(scheme) <= 1 else None  # one letter is a drive of Windows


def _shape(given: Any) -> str:
    return f"a list of {type(given[0]).__name__}" if isinstance(given, list) and given else type(given).__name__
