"""One request, handled: a child process for the plugin, and a verb that is asked of it."""

from __future__ import annotations

import json
import resource
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dativo_ingest.exceptions import PluginError, PluginVersionError, SandboxError
from dativo_ingest.functions.checksums import checksum, checksum_of_file
from dativo_ingest.functions.child import Child, talking
from dativo_ingest.functions.pieces import Outgoing, incoming
from dativo_ingest.functions.store import Folder
from dativo_ingest.functions.watch import Watch
from dativo_ingest.model import PluginRef, Unit, Window
from dativo_ingest.worker.client import Doing
from dativo_ingest.worker.errors import error_to_json

if TYPE_CHECKING:
    from dativo_ingest.worker.client import Session
    from dativo_ingest.worker.wire import Frame

PROTOCOL = 2
"""What host and function speak. One of another version does not lay down what the other looks for."""
RESULT = "result.json"
SMALL_BYTES = 64 * 1024
"""What is no larger always goes with the reply."""

_seen: list[str] = []  # ids of what this instance handled


def handle(
    request: Mapping[str, Any], *, remaining: Callable[[], float], package: Path | None = None
) -> dict[str, Any]:
    """Run the verb that is asked for and give the reply; whatever goes wrong is in the reply.

    Args:
        request: As the package describes it.
        remaining: Gives the seconds that are left to this invocation.
        package: The folder that the plugin's path starts at; the working directory when left out.
    """
    began, started = time.monotonic(), not _seen
    _seen[:] = [str(request.get("id"))]
    reply: dict[str, Any] = {"dativo": PROTOCOL, "logs": [], "peak_mb": 0}
    try:
        plugin = _plugin(request, package or Path.cwd())
        with tempfile.TemporaryDirectory(prefix="dativo-", ignore_cleanup_errors=True) as private:
            _Invocation(request, plugin, Path(private), reply).run(remaining)
    except BaseException as error:  # noqa: BLE001 - the host raises it again
        reply["error"] = error_to_json(error, str((request.get("plugin") or {}).get("name")))
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    seconds = round(time.monotonic() - began, 3)
    return {**reply, "peak_mb": reply["peak_mb"] + own, "seconds": seconds, "started": started}


def _plugin(request: Mapping[str, Any], package: Path) -> PluginRef:
    if request.get("dativo") != PROTOCOL:
        asked = str(request.get("dativo"))
        message = (
            f"the function speaks version {PROTOCOL} of the protocol, and was asked in version {asked}; deploy it "
            "anew, or build its image anew, with the same dativo as the host"
        )
        raise PluginVersionError(message, str(PROTOCOL), asked)
    said = PluginRef.from_json(request["plugin"])
    return PluginRef(path=str(package.absolute() / said.path), name=said.name, kind=said.kind)


class _Invocation:
    """What belongs to one request."""

    def __init__(self, request: Mapping[str, Any], plugin: PluginRef, private: Path, reply: dict[str, Any]) -> None:
        self.request, self.plugin, self.private, self.reply = request, plugin, private, reply
        self.arguments: Mapping[str, Any] = request.get("arguments") or {}
        self.folder = Folder(request["staging"]["url"], request["staging"].get("options") or {})

    def run(self, remaining: Callable[[], float]) -> None:
        """Open the plugin, ask for the verb, and put the answer into the reply."""
        config = self._config()
        child = Child(self.private, self.request.get("tags") or {})
        self.watch = Watch(self.folder, remaining, child.cancel, child.enough)
        try:
            self.watch.start()
            with talking(child) as session:
                self._ask(session, child.open(self.request["role"], self.plugin, config, self._level()))
        except BaseException:
            self.watch.check()  # what had to end did not fail by itself
            raise
        finally:
            self.watch.stop()
            child.end()
            self.reply.update(logs=child.records.kept, peak_mb=child.peak_mb)

    def _level(self) -> int:
        return int(self.request.get("log_level", 20))

    def _config(self) -> Mapping[str, Any]:
        config: Mapping[str, Any] = self.request["config"]
        if "$object" not in config:
            return config
        stored = self.folder.get(config["$object"])
        if stored is None:
            raise PluginError("the configuration is not in the staging folder; was it removed?", "CANCELLED")
        if checksum(stored)["crc32"] != config["crc32"]:
            message = "the configuration in the staging folder is not what the host put there; run again"
            raise SandboxError(message, "FUNCTION_ROWS_LOST")
        found: Mapping[str, Any] = json.loads(bytes(stored))
        return found

    def _ask(self, session: Session, said: Mapping[str, Any]) -> None:
        verb = self.request["verb"]
        if verb == "spec":
            self.reply["result"] = dict(said)
        elif verb == "read":
            self._read(session, resumes=said.get("resumes", False))
        elif verb == "write":
            self._write(session, commits=said["commits"])
        else:
            self.reply["result"] = session.call(self._doing(), **self.arguments)
        self._fit()
        self.watch.check()
        self.reply["repeatable"] = said.get("repeatable", False)

    def _read(self, session: Session, *, resumes: bool) -> None:
        outgoing = Outgoing(self.folder, self.watch, self.request["limits"], resumes=resumes)
        window = Window(units=(Unit.from_json(self.arguments["unit"]),), fingerprint="")
        asked = {"stream": self.arguments["stream"], "unit": self.arguments["unit"]}
        try:
            rest = _send(session.read(self._doing(), **asked), outgoing)
            self.watch.check()
            rows_sent = outgoing.finish()
            self.reply["reached"] = session.call(Doing(verb="reached"), window=window.to_json())
        except BaseException:
            outgoing.remove()
            raise
        self.reply.update(result=None, rows=rows_sent, rest=rest)

    def _fit(self) -> None:
        """Put a result that is larger than a reply should be into the staging folder."""
        result = json.dumps(self.reply.get("result")).encode()
        if len(result) > max(SMALL_BYTES, self.request["limits"]["inline_bytes"]):
            self.folder.put(RESULT, result)
            self.reply.update(result=None, aside=checksum(result))

    def _write(self, session: Session, *, commits: bool) -> None:
        out = self.private / "out"
        out.mkdir()
        base = self.arguments["base"] if commits else f"file://{out}/"
        doing = self._doing()
        batches = incoming(
            self.folder, self.watch, self.request["limits"], f"stream {doing.stream!r}, unit {doing.unit!r}"
        )
        files = session.write(doing, batches, base=base, name=self.arguments["name"])
        self.reply["result"] = files if commits else [self._carry(file, out) for file in files]

    def _carry(self, file: Mapping[str, Any], out: Path) -> dict[str, Any]:
        """Put a file that the plugin wrote where the host fetches it."""
        local = Path(file["path"].removeprefix("file://"))
        if not local.is_relative_to(out) or not local.is_file():
            message = f"plugin {self.plugin}: it says that it wrote {file['path']}, which is no file below its base"
            raise PluginError(message, "PLUGIN_BAD_RESULT")
        name = f"out/{local.relative_to(out).as_posix()}"
        self.folder.put(name, local)
        return {**file, "path": name, **checksum_of_file(local)}

    def _doing(self) -> Doing:
        tags = self.request.get("tags") or {}
        return Doing(verb=self.request["verb"], stream=str(tags.get("stream", "")), unit=str(tags.get("unit", "")))


def _send(frames: Generator[Frame, None, Any], outgoing: Outgoing) -> Any:
    """Send the batches of a read on; gives the unit that is left where it stopped early."""
    from dativo_ingest.worker.batches import from_payload

    while True:
        try:
            frame = next(frames)
        except StopIteration as end:
            return end.value
        outgoing.add(bytes(frame.payload), from_payload(frame.payload).num_rows, frame.header["position"])
