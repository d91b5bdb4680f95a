"""What a plugin logs in a worker: records and warnings go to the host, which logs them as its own."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dativo_ingest.worker.channel import Channel

MAX_MESSAGE = 8192
"""Characters of a message that are sent; a plugin may log a whole response."""
TOLD_OF_A_LINE = 200
"""Characters of a line that an error repeats; its details have the whole."""
_CRASH = "Fatal Python error"  # faulthandler's first line; the newest frame comes next

_HOST = logging.getLogger("dativo_ingest.plugin")


class ToHost(logging.Handler):
    """Sends each record as a frame."""

    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self.channel = channel

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record; a host that is gone hears nothing."""
        try:
            message = record.getMessage()
            if record.exc_info:
                message += "\n" + (self.formatter or logging.Formatter()).formatException(record.exc_info)
            line = {"op": "log", "level": record.levelno, "logger": record.name, "message": message[:MAX_MESSAGE]}
            self.channel.send(line)
        except Exception:  # noqa: BLE001 - logging's own rule: a record that cannot be sent is told, and never raises
            self.handleError(record)


def send_logs(channel: Channel, level: int) -> None:
    """Send everything from ``level`` on to the host, warnings included; lines are printed as they come."""
    logging.root.handlers = [ToHost(channel)]
    logging.root.setLevel(level)
    logging.captureWarnings(capture=True)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr] # TextIO in typeshed, TextIOWrapper in fact


def log_here(line: Mapping[str, Any], **where: Any) -> None:
    """Log a record of a worker in the host, with the plugin, the stream and the unit that it is about."""
    fields = {**where, "logger": line["logger"]}
    _HOST.log(int(line["level"]), "%s", line["message"], extra={"event_type": "plugin_log", "fields": fields})


def last_words(printed: Sequence[str]) -> list[str]:
    """Give the few lines that tell most: where Python was when it crashed, else the last ones."""
    lines = [line if len(line) <= TOLD_OF_A_LINE else f"{line[:TOLD_OF_A_LINE]} ..." for line in printed]
    crash = next((i for i, line in enumerate(lines) if line.startswith(_CRASH)), None)
    return lines[-5:] if crash is None else lines[max(0, crash - 2) : crash + 5]
