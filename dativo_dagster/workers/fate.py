"""Why a worker ended, as an error: which limit it broke, or which signal it died of."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from dativo_ingest.exceptions import PluginError, SandboxError


@dataclass(frozen=True, kw_only=True)
class Fate:
    """The end of a worker.

    Attributes:
        code: The code of the error.
        what: What happened, as the end of a sentence that starts with the plugin.
        retryable: Whether another try may end better.
        limit: Whether we ended it; else it died by itself.
    """

    code: str
    what: str
    retryable: bool = False
    limit: bool = True

    @property
    def error(self) -> type[PluginError]:
        """Give the class of the error."""
        return SandboxError if self.limit else PluginError


CLOSED = Fate(code="CANCELLED", what="was ended because its place was closed")
GARBLED = Fate(
    code="WIRE_BROKEN",
    what="was ended because what it sent was no frame, or no answer to what it was asked; does it write to file "
    "descriptors that are not its own, or give what its verb does not?",
)


def out_of_memory(used_mb: int, limit_mb: int) -> Fate:
    """It would need as much the next time."""
    return Fate(code="PLUGIN_OUT_OF_MEMORY", what=f"used {used_mb:,} MiB, more than memory_mb = {limit_mb}")


def too_slow(seconds: float, option: str) -> Fate:
    """It would take as long the next time."""
    return Fate(code="PLUGIN_TIMEOUT", what=f"took longer than {option} = {seconds:g}")


def hung(seconds: float) -> Fate:
    """The network may be better the next time."""
    return Fate(code="PLUGIN_HUNG", what=f"gave nothing for idle_seconds = {seconds:g}", retryable=True)


def flooded(limit_mb: int) -> Fate:
    """It would print as much the next time."""
    return Fate(code="STDOUT_FLOOD", what=f"printed or logged more than output_mb = {limit_mb}")


def signal_name(number: int) -> str:
    """Name a signal; those for real time have none."""
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"


def died(status: int, said: str) -> Fate:
    """Tell why a worker that nobody ended is dead, from its status as `subprocess` gives it and its last output."""
    if status >= 0:
        return Fate(code="PLUGIN_CRASHED", what=f"ended its process with status {status}", limit=False)
    name = signal_name(-status)
    if name == "SIGABRT" and "memory allocation of" in said:  # what Rust says when there is none left
        return Fate(code="PLUGIN_OUT_OF_MEMORY", what="asked for more memory than it may have and died of SIGABRT")
    if name in {"SIGKILL", "SIGTERM"}:
        return Fate(
            code="PLUGIN_KILLED",
            what=f"was ended from outside by {name}; perhaps the system ran out of memory",
            retryable=True,
        )
    return Fate(code="PLUGIN_CRASHED", what=f"crashed with {name}", limit=False)
