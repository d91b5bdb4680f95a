"""A writer whose plugin is in a function of a cloud. Files of one that does not commit by itself are brought home."""

from __future__ import annotations

import dataclasses
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from dativo_dagster.config.forplugins import without_stores
from dativo_dagster.storage import Storage, open_storage
from dativo_ingest.exceptions import ConfigurationError, PluginError, SandboxError
from dativo_ingest.functions.checksums import checksum
from dativo_ingest.functions.pieces import piece_name
from dativo_ingest.model import CheckResult, DataFile
from dativo_ingest.worker.batches import to_parts

if TYPE_CHECKING:
    from dativo_dagster.functions.call import Call, Deployed
    from dativo_ingest.model import Usage

POLL_SECONDS = 0.15
CHUNK_BYTES = 1024 * 1024
OUT = "out/"
"""Where in the staging folder a function puts the files that are brought home."""
END = "in/end.json"


class FunctionWriter:
    """Behaves as the plugin would here.

    A writer that commits by itself does so in another instance than the one that wrote: it is given the files and what
    it said of them. One that needs more than that refuses, with ``PLUGIN_WRITER_GONE``.

    The host reaches the target by the ``connection`` of the job. A plugin whose files are brought home is told neither
    it nor what would open the stores.
    """

    def __init__(self, deployed: Deployed) -> None:
        self.deployed = deployed
        self.connection: Mapping[str, Any] = deployed.config["target"].get("connection") or {}
        may_commit = bool(deployed.config.get("commits"))
        if not may_commit:
            deployed.config = without_stores(deployed.config)
        # A plugin that could say it commits where the job does not could name any file of the host's for its own.
        self.commits: bool = deployed.ask("spec", lambda said: bool(said["commits"])) and may_commit
        if self.commits:
            _must_be_bucket(str(deployed.config.get("output_base", "")), str(deployed.plugin))

    @property
    def usage(self) -> list[Usage]:
        """Give what the invocations took so far."""
        return self.deployed.usage

    def check(self) -> CheckResult:
        """Try to reach the target."""
        return self.deployed.ask("check", CheckResult.from_json)

    def write(self, batches: Iterable[Any], base: str, name: str) -> list[DataFile]:
        """Write the batches; they are taken from ``batches`` as the plugin takes them."""
        with self.deployed.call("write", name, {"base": base, "name": name}) as call:
            untaken = _send(call, batches)
            reply = call.reply()
            with call.about.understood():
                files = [DataFile.from_json(file) for file in reply["result"]]
                if not self.commits:
                    _must_be_ours(files, name)
                    sums = [int(file["crc32"]) for file in reply["result"]]
            if untaken and call.folder.has(untaken):
                self._give_up(call, files)
            return files if self.commits else self._bring(call, files, sums, base)

    def commit(self, token: str, files: Sequence[DataFile]) -> Mapping[str, Any]:
        """Make the files visible."""
        return self.deployed.ask("commit", dict, token=token, files=[file.to_json() for file in files])

    def abort(self, files: Sequence[DataFile]) -> None:
        """Remove what `write` left; what was brought home is removed here."""
        if self.commits:
            self.deployed.ask("abort", lambda _: None, files=[file.to_json() for file in files])
            return
        for file in files:
            open_storage(file.path, self.connection).delete(file.path)

    def cancel(self) -> None:
        """Make all that runs fail soon; any thread may."""
        self.deployed.cancel()

    def _give_up(self, call: Call, files: Sequence[DataFile]) -> NoReturn:
        """Take nothing of a writer that says it is done while rows lie there that it did not take.

        Raises:
            PluginError: ``PLUGIN_LOST_ROWS``.
        """
        if self.commits:
            self.abort(files)
        message = f"plugin {self.deployed.plugin}: write ended and had not taken all of its rows; nothing is committed"
        raise call.about.told(PluginError(message, "PLUGIN_LOST_ROWS"))

    def _bring(self, call: Call, files: Sequence[DataFile], sums: Sequence[int], base: str) -> list[DataFile]:
        """Copy the files below ``base``; a copy that fails takes those before it away."""
        brought: list[DataFile] = []
        try:
            for file, crc32 in zip(files, sums, strict=True):
                path = base + file.path.removeprefix(OUT)
                brought.append(dataclasses.replace(file, path=path))
                _copy(call, file, crc32, open_storage(base, self.connection), path)
        except BaseException:
            self.abort(brought)
            raise
        return brought


def _must_be_ours(files: Sequence[DataFile], name: str) -> None:
    """Let a function name nothing but files of this call, so that it can neither read nor replace anything else.

    Raises:
        ValueError: A file lies elsewhere, or is not named as `write` was told.
    """
    for file in files:
        path = PurePosixPath(file.path.removeprefix(OUT))
        plain = str(path) == file.path.removeprefix(OUT) and file.path.isprintable() and "\\" not in file.path
        if not plain or not file.path.startswith(OUT) or path.is_absolute() or ".." in path.parts:
            raise ValueError(file.path)
        if not path.name.startswith(name):
            raise ValueError(file.path)


def _copy(call: Call, file: DataFile, crc32: int, target: Storage, path: str) -> None:
    """Copy a file as far as it was told; more of it or other bytes are an error before it is seen.

    Raises:
        SandboxError: ``FUNCTION_ROWS_LOST``.
    """
    source, arrived, summed = call.folder.url + file.path, 0, 0
    with call.folder.store.open_read(source) as reading, target.open_write(path) as writing:
        while arrived <= file.bytes and (chunk := reading.read(CHUNK_BYTES)):
            arrived, summed = arrived + len(chunk), zlib.crc32(chunk, summed)
            writing.write(chunk)
        if (arrived, summed) != (file.bytes, crc32):
            raise _lost(call, f"{path}: {file.bytes:,} bytes were told, and {arrived:,} or others arrived")
    call.folder.delete(file.path)


def _lost(call: Call, what: str) -> SandboxError:
    where = f"stream {call.deployed.stream!r}, unit {call.unit!r}"
    message = (
        f"a file of a function did not arrive whole ({what}; {where}); nothing of it is committed; run again, and look "
        f"whether something else writes or deletes below {call.deployed.staging.url}"
    )
    return SandboxError(message, "FUNCTION_ROWS_LOST")


def _send(call: Call, batches: Iterable[Any]) -> str:
    """Put the rows into the staging folder, as many ahead as may wait there; at the end, what was put there.

    Gives the name of the last piece, which is gone once all rows were taken; empty where there are none. A function
    that has ended before could not know whether there are more: then it is what tells, which nobody takes.
    """
    settings, sent, last = call.deployed.settings, list[dict[str, int]](), ""
    for number, piece in enumerate(_pieces(batches, settings.piece_bytes), 1):
        unread = number - settings.ahead
        while unread > 0 and call.folder.has(f"in/{piece_name(unread)}"):
            if call.wait(POLL_SECONDS):
                break
        last = f"in/{piece_name(number)}"
        call.folder.put(last, piece)
        sent.append(checksum(piece))
        if call.wait(0):
            last = END
            break
    call.folder.put(END, json.dumps({"pieces": sent}).encode())
    return last


def _pieces(batches: Iterable[Any], size: int) -> Iterator[bytes]:
    parts: list[bytes] = []
    for batch in batches:
        for payload in to_parts(batch):
            parts.append(b"".join(bytes(part) for part in payload))
            if sum(map(len, parts)) >= size:
                yield b"".join(parts)
                parts = []
    if parts:
        yield b"".join(parts)


def _must_be_bucket(base: str, plugin: str) -> None:
    if urlsplit(base).scheme not in {"s3", "s3a", "gs", "gcs"}:
        message = (
            f"plugin {plugin} makes its files visible by itself, and in a cloud function nobody would see them at "
            f"{base!r}; give the target a bucket, or run the plugin elsewhere"
        )
        raise ConfigurationError(message, "PLACE_UNSUPPORTED")
