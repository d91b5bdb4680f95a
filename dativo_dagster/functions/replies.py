"""What an invocation said and took: its reply taken apart, its records logged here, its use counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dativo_dagster.functions import faults
from dativo_ingest.exceptions import PluginError, PluginVersionError
from dativo_ingest.functions.handling import PROTOCOL
from dativo_ingest.model import Usage
from dativo_ingest.worker.client import Doing
from dativo_ingest.worker.logs import log_here
from dativo_ingest.worker.texts import parse

if TYPE_CHECKING:
    from dativo_dagster.functions.cloud import Answer, Functions
    from dativo_dagster.owner import Run
    from dativo_dagster.telemetry import Redactor
    from dativo_ingest.exceptions import DativoError

_RAN = frozenset({"FUNCTION_CRASHED", "FUNCTION_TIMEOUT", "PLUGIN_OUT_OF_MEMORY"})
"""Codes of errors after which the function ran for a while; others are told before it is started."""
_STRANGE = (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError, RecursionError)
"""What taking apart raises that has not the shape that it should have."""


@dataclass(frozen=True, kw_only=True)
class About:
    """What an invocation is about, for its records, its use and its errors."""

    functions: Functions
    redactor: Redactor
    plugin: str
    verb: str
    stream: str
    unit: str
    run: Run

    def parse(self, answer: Answer) -> dict[str, Any]:
        """Give the reply, once its records are logged.

        Raises:
            SandboxError: ``FUNCTION_CRASHED``, it is no reply.
            PluginVersionError: The function has another SDK, and so may what it says have another meaning.
        """
        try:
            reply: dict[str, Any] = parse(answer.payload)
            spoken = int(reply["dativo"])
            records = [_record(line) for line in reply["logs"]]
        except _STRANGE as error:
            raise faults.crashed(answer.function, "what it said is no reply", log=answer.log[-2000:]) from error
        if spoken != PROTOCOL:
            raise _another_version(answer.function, spoken)
        for record in records:
            hidden = {**record, "message": self.redactor.text(record["message"])}
            log_here(hidden, **self._where(), run=self.run.id, attempt=self.run.attempt)
        return reply

    @contextmanager
    def understood(self) -> Iterator[None]:
        """Take an answer apart.

        Raises:
            PluginError: ``PLUGIN_BAD_RESULT``, it has not the shape of an answer to the verb.
        """
        try:
            yield
        except _STRANGE as error:
            message = f"plugin {self.plugin}: a function answered the {self.verb} with what is no answer to it"
            raise PluginError(message, "PLUGIN_BAD_RESULT", {**self._where(), "why": repr(error)[:300]}) from error

    def used(self, answer: Answer, reply: Mapping[str, Any]) -> Usage:
        """Give what an invocation took that ended by itself."""
        peak = reply.get("peak_mb") if answer.peak_mb is None else answer.peak_mb
        started = reply.get("started") if answer.started is None else answer.started
        return self._usage(answer.seconds, peak if isinstance(peak, int) else None, started=started is True)

    def lost(self, error: DativoError, seconds: float) -> Usage | None:
        """Give what an invocation took that ended without a reply, as the host saw it; None where none was started."""
        return self._usage(seconds, None, started=False) if error.error_code in _RAN else None

    def named(self, error: DativoError) -> DativoError:
        """Say in an error of a function, which knows neither, what the invocation was about."""
        doing = Doing(verb=self.verb, stream=self.stream)
        unit = f", unit {self.unit!r}" if self.unit else ""
        error.message = f"plugin {self.plugin}: {doing}{unit}: {error.message}"
        error.args = (error.message,)
        return error

    def told(self, error: DativoError) -> DativoError:
        """Give an error as it may be shown: with what it is about, and without secrets."""
        return self.redactor.error(error, self._where())

    def _usage(self, seconds: float, peak_mb: int | None, *, started: bool) -> Usage:
        memory, price = self.functions.limits.memory_mb, self.functions.price
        return Usage(
            place=self.functions.place,
            verb=self.verb,
            unit=self.unit,
            attempt=self.run.attempt,
            function=self.functions.function,
            seconds=round(seconds, 3),
            memory_mb=memory,
            peak_mb=peak_mb,
            usd=None if price is None else price.of(seconds, memory),
            started=started,
        )

    def _where(self) -> dict[str, str]:
        known = {"plugin": self.plugin, "verb": self.verb, "stream": self.stream, "unit": self.unit}
        return {key: value for key, value in {**known, "place": self.functions.place}.items() if value}


def _another_version(function: str, spoken: int) -> PluginVersionError:
    message = (
        f"function {function} speaks version {spoken} of the protocol, and this host version {PROTOCOL}: the SDK in it "
        "is of another release; build the `image` of its place anew with the release that runs here (a function "
        "without an image is deployed anew by itself)"
    )
    return PluginVersionError(message, str(spoken), str(PROTOCOL))


def _record(line: Any) -> dict[str, Any]:
    return {"level": int(line["level"]), "logger": str(line["logger"]), "message": str(line["message"])}
