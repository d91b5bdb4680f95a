"""The worker's side of the conversation: the host's calls are sorted, and answered by the verbs of one plugin."""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import queue
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dativo_ingest.ending import closed_after
from dativo_ingest.exceptions import PluginError
from dativo_ingest.model import Cursor, DataFile, PluginRef, Stream, Unit, Window
from dativo_ingest.worker.channel import Channel
from dativo_ingest.worker.errors import error_to_json
from dativo_ingest.worker.logs import send_logs

if TYPE_CHECKING:
    from dativo_ingest.worker.channel import Connection
    from dativo_ingest.worker.wire import Frame

AHEAD = 2
"""Batches that a host may send before the writer has taken the first."""
PIECE_BYTES = 4 * 1024 * 1024
"""A file is carried to the host in pieces of this size."""


class Inbox(threading.Thread):
    """Receives what the host says while the main thread runs the plugin."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(name="dativo-inbox", daemon=True)
        self.channel = channel
        self.calls: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()
        self.rows: queue.SimpleQueue[Frame] = queue.SimpleQueue()
        self.cancelled, self.enough = threading.Event(), threading.Event()
        self.busy = False

    def run(self) -> None:
        """Sort frames until there are no more."""
        while (frame := self._next()) is not None and frame.op != "close":
            if frame.op == "enough":
                self.enough.set()
                continue
            if frame.op == "cancel":
                self.cancelled.set()
            (self.calls if frame.op in {"open", "call"} else self.rows).put(frame)
        if self.busy:
            _end_all()
        self.calls.put(None)

    def _next(self) -> Frame | None:
        try:
            return self.channel.receive()
        except Exception:  # noqa: BLE001 - a host that says nonsense is as good as gone, and there is nobody to tell
            return None

    def take(self) -> Frame | None:
        """Wait for the next call; None when the host is done."""
        frame = self.calls.get()
        self.busy = frame is not None
        self.cancelled.clear()
        while not self.rows.empty():  # what was sent to a call that had its answer by then
            self.rows.get()
        return frame


class Worker:
    """One plugin, opened once, and its verbs."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.inbox = Inbox(channel)
        self.plugin: Any = None
        self.name = ""

    def serve(self) -> None:
        """Answer calls until the host is done."""
        self.inbox.start()
        with ExitStack() as stack:
            while (frame := self.inbox.take()) is not None:
                self._answer(frame, stack)

    def _answer(self, frame: Frame, stack: ExitStack) -> None:
        try:
            value = self._open(frame.header, stack) if frame.op == "open" else self._call(frame.header)
            json.dumps(value)  # a plugin may answer with what is no JSON: then that is its error
            answer = {"op": "result", "value": value}
        except BaseException as error:  # noqa: BLE001 - the host raises it again
            answer = {"op": "error", "error": error_to_json(error, self.name)}
        self.inbox.busy = False  # from here on, the end of the host is the ordinary end
        with contextlib.suppress(OSError):
            self.channel.send(answer)

    def _open(self, header: Mapping[str, Any], stack: ExitStack) -> Any:
        _prepare(header)
        send_logs(self.channel, header["log_level"])
        from dativo_ingest.opening import open_reader, open_writer

        plugin = PluginRef.from_json(header["plugin"])
        opens = {"reader": open_reader, "writer": open_writer}[header["role"]]
        self.name = str(plugin)
        self.plugin = stack.enter_context(opens(plugin, header["config"]))
        return {
            "commits": getattr(self.plugin, "commits", False),
            "repeatable": getattr(self.plugin, "repeatable", False) is True,
            "resumes": callable(getattr(self.plugin, "rest", None)),
        }

    def _call(self, header: Mapping[str, Any]) -> Any:
        verb, arguments = header["verb"], header["arguments"]
        streaming = {"read": self._read, "write": self._write, "carry": self._carry}
        if verb in streaming:
            return streaming[verb](arguments)
        return VERBS[verb](self.plugin, arguments)

    def _read(self, arguments: Mapping[str, Any]) -> Any:
        from dativo_ingest.worker.batches import to_parts

        stream, unit = Stream.from_json(arguments["stream"]), Unit.from_json(arguments["unit"])
        with closed_after(self.plugin.read(stream, unit)) as batches:
            for batch in batches:
                for parts in to_parts(batch):
                    if self.inbox.cancelled.is_set():
                        return None
                    self.channel.send({"op": "batch", "position": self.plugin.position(unit)}, parts)
                if self.inbox.enough.is_set() and (rest := self._rest(unit)) is not None:
                    return rest.to_json()
            return None

    def _rest(self, unit: Unit) -> Unit | None:
        rest = getattr(self.plugin, "rest", None)
        return rest(unit) if callable(rest) else None

    def _write(self, arguments: Mapping[str, Any]) -> Any:
        files = self.plugin.write(self._rows(), arguments["base"], arguments["name"])
        return [file.to_json() for file in files]

    def _carry(self, arguments: Mapping[str, Any]) -> None:
        """Send a file that the plugin wrote and remove it: its memory is wanted for the next one."""
        path = Path(arguments["path"])
        try:
            file = path.open("rb")
        except OSError as error:
            raise PluginError(f"{path} cannot be opened: {error.strerror}", "PLUGIN_BAD_FILE") from error
        with file:
            while (piece := file.read(PIECE_BYTES)) and not self.inbox.cancelled.is_set():
                self.channel.send({"op": "batch"}, [piece])
        path.unlink()

    def _rows(self) -> Iterator[Any]:
        from dativo_ingest.worker.batches import from_payload

        self._want(AHEAD)
        while (frame := self.inbox.rows.get()).op == "batch":
            self._want(1)
            yield from_payload(frame.payload)
        if frame.op != "end":
            raise PluginError("the host failed while it made the rows for this writer", "CANCELLED")

    def _want(self, batches: int) -> None:
        self.channel.send({"op": "more", "batches": batches})


def _check(plugin: Any, _: Mapping[str, Any]) -> Any:
    return _readable(plugin.check().to_json())


def _discover(plugin: Any, _: Mapping[str, Any]) -> Any:
    return [stream.to_json() for stream in plugin.discover()]


def _split(plugin: Any, arguments: Mapping[str, Any]) -> Any:
    since = arguments["since"]
    return plugin.split(Stream.from_json(arguments["stream"]), Cursor.from_json(since) if since else None).to_json()


def _reached(plugin: Any, arguments: Mapping[str, Any]) -> Any:
    cursor = plugin.reached(Window.from_json(arguments["window"]))
    return cursor.to_json() if cursor else None


def _commit(plugin: Any, arguments: Mapping[str, Any]) -> Any:
    return _readable(dict(plugin.commit(arguments["token"], _files(arguments))))


def _abort(plugin: Any, arguments: Mapping[str, Any]) -> None:
    plugin.abort(_files(arguments))


VERBS: Mapping[str, Callable[[Any, Mapping[str, Any]], Any]] = {
    "check": _check,
    "discover": _discover,
    "split": _split,
    "reached": _reached,
    "commit": _commit,
    "abort": _abort,
}
"""The verbs that are one answer to one question; `read`, `write` and `carry` stream."""


def _readable(value: Any) -> Any:
    """Give what is for people to read, with anything that is no JSON as text."""
    return json.loads(json.dumps(value, default=str))


def _files(arguments: Mapping[str, Any]) -> list[DataFile]:
    return [DataFile.from_json(file) for file in arguments["files"]]


def _prepare(header: Mapping[str, Any]) -> None:
    """Make this process like the host, within its limits."""
    sys.path[:] = header.get("path") or sys.path
    if header["plugin"]["kind"] == "native":
        # pyarrow works without numpy and is imported in a quarter of the time; no Python of the plugin's would miss it.
        from dativo_ingest.native import stderr as native_stderr

        sys.modules.setdefault("numpy", None)  # type: ignore[arg-type]
        native_stderr.own()
    _limit(resource.RLIMIT_CORE, 0)  # a core file would have the secrets in it
    if header.get("data_bytes"):
        _limit(resource.RLIMIT_DATA, header["data_bytes"])


def _limit(what: int, most: int) -> None:
    """Lower a limit of this process; one that is lower already stays."""
    _, hard = resource.getrlimit(what)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))


def _end_all() -> None:
    """End this process and what it started, at once: the host is gone and nobody wants the answer."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def serve(connection: Connection) -> None:
    """Serve the host at the other end until it is done."""
    from dativo_ingest.worker.batches import allocate

    faulthandler.enable(all_threads=False)
    Worker(Channel(connection, allocate)).serve()
