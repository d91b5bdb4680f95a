"""Logs: one JSON object a line, every field of it, and no secret in it.

The CLI calls `configure_logging` once a job; everything else logs through the standard library, or with `event` when
the line is of a kind that machines look for. Under Dagster the same loggers go to Dagster's handlers instead.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, TextIO
from urllib.parse import quote

from dativo_dagster.owner import current_run

if TYPE_CHECKING:
    from dativo_ingest.exceptions import DativoError

LOGGERS = ("dativo_dagster", "dativo_ingest")
MOST_TOLD = 1000
"""How many warnings `warn_once` remembers, those of all runs together."""
MASK = "***"

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "fields"}
_KEY = (
    r"[\w.-]*(?:password|passwd|passphrase|pwd|secret|token|credential|authorization"
    r"|(?:api|access|account|private)[_-]?key)[\w.-]*"
)
_SECRET_KEY = re.compile(_KEY, re.IGNORECASE)
_PAIR = re.compile(
    rf"""(?<![\w.-])({_KEY}["']?\s*[=:]\s*)"""
    r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|(?:Bearer|Basic)\s+\S+|[^\s,;&)}\]"']+)""",
    re.IGNORECASE,
)
_PASSWORD_IN_URL = re.compile(r"(://[^\s/:@]*:)\S+(@)")
# A short secret may be an ordinary word or number: it is hidden only where it stands alone, and not at all below 4.
_SHORT, _TINY = 8, 4


class Redactor:
    """Hides secrets in what is shown.

    Args:
        secrets: Texts that are hidden wherever they occur, also by line and percent-encoded.
        patterns: Also hide what looks like a secret: the value of a key such as ``password``, in maps and in text, and
            the password in a URL. The key stays.
    """

    def __init__(self, secrets: Iterable[str] = (), *, patterns: bool = False) -> None:
        parts = {part.strip() for secret in secrets for part in (secret, *secret.splitlines())}
        known = {form for part in parts if len(part) >= _TINY for form in (part, quote(part, safe=""))}
        longest_first = sorted(known, key=lambda s: (-len(s), s))
        self._literals = re.compile("|".join(map(_anywhere, longest_first))) if known else None
        self._patterns = patterns

    def text(self, text: str) -> str:
        """Give the text without its secrets."""
        if self._literals is not None:
            text = self._literals.sub(MASK, text)
        if self._patterns:
            text = _PASSWORD_IN_URL.sub(rf"\g<1>{MASK}\g<2>", text)
            text = _PAIR.sub(rf"\g<1>{MASK}", text)
        return text

    def value(self, value: Any) -> Any:
        """Give a value as JSON-serialisable data without its secrets."""
        if value is None or isinstance(value, (bool, int, float)):
            return value if self.text(str(value)) == str(value) else MASK
        if isinstance(value, Mapping):
            return {self.text(str(k)): self._entry(str(k), v) for k, v in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self.value(v) for v in value]
        return self.text(str(value))

    def error(self, error: DativoError, where: Mapping[str, str]) -> DativoError:
        """Give an error as it may be shown: without secrets, and with where it was raised."""
        error.message = self.text(error.message)
        error.args = (error.message,)
        error.details = {**where, **self.value(error.details)}
        return error

    def _entry(self, key: str, value: Any) -> Any:
        hidden = self._patterns and _SECRET_KEY.fullmatch(key) and value is not None
        return MASK if hidden else self.value(value)


def secrets_in(value: Any) -> Iterator[str]:
    """Give the texts in a tree of options whose own key says that they are secret, such as ``password``."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if isinstance(item, str) and _SECRET_KEY.fullmatch(str(key)):
                yield item
            yield from secrets_in(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from secrets_in(item)


def plugin_secrets(config: Mapping[str, Any]) -> Iterator[str]:
    """Give what is secret in what a plugin is opened with: `secrets_in` it, and every text below ``credentials``."""
    yield from secrets_in(config)
    for side in ("source", "target"):
        yield from _texts(config.get(side, {}).get("credentials"))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)


def _anywhere(secret: str) -> str:
    return re.escape(secret) if len(secret) >= _SHORT else rf"(?<!\w){re.escape(secret)}(?!\w)"


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON, with everything that ``extra`` gave."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self.redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        """Give the line."""
        line: dict[str, Any] = {
            "timestamp": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "message": record.getMessage(),
            "module": record.module,
            "function": record.funcName,
            "line": record.lineno,
        }
        extra = {k: v for k, v in vars(record).items() if k not in _STANDARD} | getattr(record, "fields", {})
        line |= {k if k not in line else f"{k}_": v for k, v in extra.items()}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(self.redactor.value(line), ensure_ascii=False)


class PlainLines(logging.Formatter):
    """Formats a record for a person at a terminal; clears a progress bar that stands in the line."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__("\r\x1b[K%(levelname)s %(message)s")
        self.redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        """Give the line."""
        return self.redactor.text(super().format(record))


class _Handler(logging.StreamHandler):  # type: ignore[type-arg] # it takes an argument only from Python 3.11 on
    """Ours, so that it can be found again and replaced."""


def configure_logging(
    level: str = "INFO",
    *,
    redact: bool = False,
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
    plain: bool = False,
) -> Redactor:
    """Send the logs of both packages to ``stream``, stderr when left out, in the place of any earlier call.

    So go the warnings of everyone else: a plugin's own loggers and its libraries' may say secrets, too.

    Args:
        level: Lowest level shown, by name.
        redact: Hide whatever looks like a secret (``logging.redaction`` of a job).
        secrets: Hide these wherever they occur, whatever ``redact`` says.
        stream: Where the lines go.
        plain: Lines for people instead of JSON.
    """
    redactor = Redactor(secrets, patterns=redact)
    handler = _Handler(stream or sys.stderr)
    handler.setFormatter(PlainLines(redactor) if plain else JsonLines(redactor))
    for name in (None, *LOGGERS):
        logger = logging.getLogger(name)
        logger.handlers = [h for h in logger.handlers if not isinstance(h, _Handler)] + [handler]
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.setLevel(level)
        logger.propagate = False
    return redactor


def event(logger: logging.Logger, event_type: str, message: str, *, level: int = logging.INFO, **fields: Any) -> None:
    """Log a line of a known kind; ``fields`` may have any name."""
    logger.log(level, message, extra={"event_type": event_type, "fields": fields}, stacklevel=2)


_told: dict[tuple[object, str], None] = {}
_telling = threading.Lock()
_command: ContextVar[object] = ContextVar("dativo_command", default=None)


@contextmanager
def one_command() -> Iterator[None]:
    """Say for a block that it is one command of somebody, who is told each warning of a place once."""
    token = _command.set(object())
    try:
        yield
    finally:
        _command.reset(token)


def warn_once(logger: logging.Logger, message: str, *args: object) -> None:
    """Warn, unless the run or command that this thread works for was told the same: it may open a plugin many times.

    A run knows what its own process told. Who uses a plugin by hand, outside of both, is told each time.
    """
    told = (current_run().id or _command.get(), message % args)
    with _telling:
        if told[0] and told in _told:
            return
        _told[told] = None
        if len(_told) > MOST_TOLD:
            del _told[next(iter(_told))]
    logger.warning(message, *args, stacklevel=2)
