"""One invocation as its host sees it: asked in a thread, followed through its staging folder, and cleared away."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as StillRunning
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from dativo_dagster.functions import faults
from dativo_dagster.functions.replies import About
from dativo_dagster.owner import Run, current_run, owner_of
from dativo_dagster.telemetry import Redactor, plugin_secrets
from dativo_ingest.exceptions import DativoError, PluginError, SandboxError
from dativo_ingest.functions.checksums import checksum
from dativo_ingest.functions.handling import PROTOCOL, RESULT
from dativo_ingest.functions.pieces import IDLE_SECONDS
from dativo_ingest.worker.errors import error_from_json
from dativo_ingest.worker.texts import parse

if TYPE_CHECKING:
    from dativo_dagster.functions.cloud import Functions
    from dativo_dagster.functions.staging import Folder, Staging
    from dativo_ingest.model import PluginRef, Usage

END_SECONDS = 1.5
"""How long a function that is cancelled is waited for; it looks for it once a second."""
MOST_RESULT_BYTES = 64 * 1024 * 1024
"""An answer that is larger is none."""
T = TypeVar("T")
_OF_A_FUNCTION = "FUNCTION_"
"""How the codes begin of what a function tells by itself: of its time, its host and its rows, not of its plugin."""
_PLUGIN_LOG = logging.getLogger("dativo_ingest.plugin")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How rows travel: the size of a piece, how many wait unread, what comes with the reply.

    ``idle_seconds`` is how long a function waits for this host before it takes it for dead.
    """

    idle_seconds: float = IDLE_SECONDS
    inline_bytes: int = 4 * 1024 * 1024
    piece_bytes: int = 16 * 1024 * 1024
    ahead: int = 2


@dataclass(kw_only=True)
class Deployed:
    """A plugin in a function, with its configuration. Any number of threads may call.

    Attributes:
        plugin: With its path as it is in the package.
        config: As `dativo_ingest.opening` describes it; it travels in the request or the staging folder only.
        run: Which run it was opened for, and which try of it.
        usage: What the calls took, in the order in which they ended.
        repeatable: As `protocols.Repeatable` has it; None as long as no call told.
    """

    functions: Functions
    staging: Staging
    role: str
    plugin: PluginRef
    config: Mapping[str, Any] = field(repr=False)
    settings: Settings = field(default_factory=Settings)
    run: Run = field(default_factory=current_run)
    usage: list[Usage] = field(default_factory=list)
    repeatable: bool | None = None

    def __post_init__(self) -> None:
        """Know what must not be seen."""
        self.redactor = Redactor(plugin_secrets(self.config), patterns=True)
        self.calls: set[Call] = set()
        self.cancelled = threading.Event()

    @property
    def stream(self) -> str:
        """Name the stream."""
        return owner_of(self.config).stream

    @contextlib.contextmanager
    def call(self, verb: str, about: str, arguments: Mapping[str, Any]) -> Iterator[Call]:
        """Begin an invocation about a unit; on any exit it is over and its staging folder is gone."""
        if self.cancelled.is_set():
            raise _cancelled(verb)
        folder = self.staging.folder(asdict(owner_of(self.config)))
        call = Call(self, folder, verb, about)
        self.calls.add(call)
        try:
            call.begin(arguments)
            yield call
        finally:
            self.calls.discard(call)
            call.end()

    def ask(self, verb: str, take: Callable[[Any], T], **arguments: Any) -> T:
        """Ask one question, wait for its answer, and take it apart."""
        with self.call(verb, "", arguments) as call:
            reply = call.reply()
            with call.about.understood():
                taken = take(reply["result"])
            call.bare = "aside" not in reply
            return taken

    def cancel(self) -> None:
        """End whatever runs, soon, and begin nothing more; any thread may."""
        self.cancelled.set()
        for call in list(self.calls):
            with contextlib.suppress(DativoError):  # a store that is away: the call's own end asks again
                call.folder.put("cancel", b"")


class Call:
    """One invocation that was begun.

    Attributes:
        bare: Whether it came to its end, and put nothing into its folder by what it says. One that lies leaves it there
            until `dativo places gc`, as if it had put it there later.
    """

    def __init__(self, deployed: Deployed, folder: Folder, verb: str, unit: str) -> None:
        self.deployed, self.folder, self.verb, self.unit = deployed, folder, verb, unit
        self.id, self.bare = uuid.uuid4().hex, False
        self.future: Future[dict[str, Any]] = Future()
        self.about = About(
            functions=deployed.functions,
            redactor=deployed.redactor,
            plugin=str(deployed.plugin),
            verb=verb,
            stream=deployed.stream,
            unit=unit,
            run=deployed.run,
        )

    def begin(self, arguments: Mapping[str, Any]) -> None:
        """Send the request, in a thread of its own.

        Raises:
            ConfigurationError: ``FUNCTION_LIMIT``, the request is larger than the cloud takes.
        """
        payload = self._payload(arguments)
        threading.Thread(target=self._invoke, args=(payload,), name=f"dativo-invoke-{self.verb}", daemon=True).start()

    def wait(self, seconds: float) -> bool:
        """Wait a moment for the end of the invocation; True once it has ended.

        Raises:
            PluginError: ``CANCELLED``.
        """
        if self.deployed.cancelled.is_set():
            raise _cancelled(self.verb)
        with contextlib.suppress(StillRunning):
            self.future.exception(seconds)
        return self.future.done()

    def reply(self) -> Mapping[str, Any]:
        """Wait for the reply, and raise the error that is in it."""
        while not self.wait(0.2):
            pass
        try:
            reply = self.future.result()
        except DativoError as error:
            raise self.about.told(error) from error.__cause__
        if "error" in reply:
            told = error_from_json(reply["error"])
            raise self.about.told(self.about.named(told) if told.error_code.startswith(_OF_A_FUNCTION) else told)
        self.deployed.repeatable = reply.get("repeatable") is True
        if "aside" in reply:
            reply["result"] = self._aside(reply["aside"])
        return reply

    def end(self) -> None:
        """Have it end if it still runs, and remove the staging folder.

        What cannot be removed is logged: how the invocation ended is known already, and `claims.leftovers` finds it.
        """
        try:
            if not self.future.done():
                self.folder.put("cancel", b"")
                with contextlib.suppress(StillRunning):
                    self.future.exception(END_SECONDS)
            self.folder.remove(bare=self.bare)
        except DativoError as error:
            self.folder.tell_it_stays(error)

    def _invoke(self, payload: bytes) -> None:
        """Count what the invocation took, however it ended and whether or not its reply is wanted still."""
        began, usage = time.monotonic(), self.deployed.usage
        try:
            answer = self.deployed.functions.invoke(payload)
            reply = self.about.parse(answer)
            usage.append(self.about.used(answer, reply))
            self.future.set_result(reply)
        except BaseException as error:  # noqa: BLE001 - raised again where the reply is wanted
            if isinstance(error, DativoError):
                self.about.named(error)
                if lost := self.about.lost(error, time.monotonic() - began):
                    usage.append(lost)
            self.future.set_exception(error)

    def _aside(self, said: Any) -> Any:
        """Fetch a large answer. Its name is ours: a function may not choose what the host reads."""
        stored = self.folder.get(RESULT, MOST_RESULT_BYTES)
        if stored is None or checksum(stored) != said:
            where = f"{self.about.plugin}, {self.verb} of stream {self.about.stream!r}"
            message = f"the answer of a function is not in the staging folder as it was put there ({where}); run again"
            raise SandboxError(message, "FUNCTION_ROWS_LOST")
        with self.about.understood():
            return parse(stored)

    def _payload(self, arguments: Mapping[str, Any]) -> bytes:
        functions, whole = self.deployed.functions, self._request(arguments, self.deployed.config)
        most = functions.limits.request_bytes
        if len(whole) > most:
            config = json.dumps(self.deployed.config).encode()
            self.folder.put("config.json", config)
            whole = self._request(arguments, {"$object": "config.json", "crc32": checksum(config)["crc32"]})
        if len(whole) > most:
            what = f"the request of a {self.verb} in bytes"
            raise self.about.named(faults.beyond(functions.function, what, len(whole), most))
        return whole

    def _request(self, arguments: Mapping[str, Any], config: Mapping[str, Any]) -> bytes:
        us, settings = self.deployed, self.deployed.settings
        limits = {
            "inline_bytes": min(settings.inline_bytes, us.functions.limits.reply_bytes // 2),
            "piece_bytes": settings.piece_bytes,
            "ahead": settings.ahead,
            "seconds": us.functions.limits.seconds,
            "idle_seconds": settings.idle_seconds,
        }
        request = {
            "dativo": PROTOCOL,
            "id": self.id,
            "role": us.role,
            "verb": self.verb,
            "plugin": us.plugin.to_json(),
            "config": config,
            "arguments": arguments,
            "staging": {"url": self.folder.url, "options": us.staging.options},
            "limits": limits,
            "log_level": _PLUGIN_LOG.getEffectiveLevel(),
            "tags": {"run": us.run.id, "stream": us.stream, "unit": self.unit, "attempt": us.run.attempt},
        }
        return json.dumps(request).encode()


def _cancelled(verb: str) -> PluginError:
    return PluginError(f"the {verb} was ended because its place was closed", "CANCELLED")
