"""What a person sees: aligned tables, sizes and times, one progress bar, errors. Results on stdout, the rest on stderr.

Colour only on a terminal, and not when ``NO_COLOR`` is set (no-color.org) or the terminal is dumb.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from dativo_dagster.pipeline.telling import advice
from dativo_ingest.exceptions import DativoError

if TYPE_CHECKING:
    from dativo_ingest.result import Progress

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}
_BAR_WIDTH = 24
_BAR_SECONDS = 0.1


class _Redactor(Protocol):
    def text(self, text: str) -> str: ...
    def value(self, value: Any) -> Any: ...


class Console:
    """The two streams of a command, with what is needed to write to them well."""

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self.out, self.err = out or sys.stdout, err or sys.stderr
        self.redactor: _Redactor | None = None

    @property
    def interactive(self) -> bool:
        """Say whether a person watches stderr."""
        return self.err.isatty()

    def line(self, text: str = "") -> None:
        """Write a line of the result."""
        self.out.write(self._clean(text) + "\n")

    def note(self, text: str) -> None:
        """Write a line about what is going on."""
        self.err.write(self._clean(text) + "\n")

    def json(self, data: Any) -> None:
        """Write the result as JSON."""
        self.out.write(json.dumps(self.shown(data), indent=2, ensure_ascii=False, default=str) + "\n")

    def shown(self, data: Any) -> Any:
        """Give data as it may be shown by now: each job has secrets of its own."""
        return self.redactor.value(data) if self.redactor else data

    def table(self, header: Sequence[str], rows: Iterable[Sequence[str]], *, indent: int = 0) -> None:
        """Write rows in columns; a header that starts with ``>`` is a column of numbers."""
        numbers = [name.startswith(">") for name in header]
        names = [name.removeprefix(">") for name in header]
        body = [list(row) for row in rows]
        widths = [max(len(row[i]) for row in [names, *body]) for i in range(len(names))]
        for i, row in enumerate([names, *body] if any(names) else body, start=0 if any(names) else 1):
            cells = (
                cell.rjust(width) if right else cell.ljust(width)
                for cell, width, right in zip(row, widths, numbers, strict=True)
            )
            text = " " * indent + "  ".join(cells).rstrip()
            self.line(self.style(text, "dim") if i == 0 else text)

    def style(self, text: str, name: str, stream: TextIO | None = None) -> str:
        """Give the text in a style where the stream, stdout when left out, shows styles."""
        return f"\x1b[{_STYLES[name]}m{text}\x1b[0m" if coloured(stream or self.out) else text

    def error(self, error: BaseException) -> None:
        """Write an error: ours with its code and what to do, any other with where it came from."""
        head = self.style("error:", "red", self.err)
        if isinstance(error, DativoError):
            self.note(f"{head} {error.message}")
            todo = advice(error.error_code, error.message)
            self.note(self.style(f"  {error.error_code}{': ' if todo else ''}{todo}", "dim", self.err))
            return
        self.note(f"{head} {type(error).__name__}: {error} ({_origin(error)})")
        self.note("  This is not a mistake of yours that we know. Run again with --debug for the traceback.")

    def traceback(self, error: BaseException) -> None:
        """Write the traceback of an error."""
        self.note("".join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip())

    def _clean(self, text: str) -> str:
        return self.redactor.text(text) if self.redactor else text


class ProgressBar:
    """One line on a terminal that shows how far the running stream is."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._next = 0.0

    def __call__(self, progress: Progress) -> None:
        """Draw it anew, at most ten times a second."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _BAR_SECONDS
            self.stream.write("\r\x1b[K" + progress_line(progress, columns=_columns()))
            self.stream.flush()

    def clear(self) -> None:
        """Take it away."""
        self.stream.write("\r\x1b[K")
        self.stream.flush()


def progress_line(progress: Progress, *, columns: int) -> str:
    """Give the text of a progress bar that fits into so many columns."""
    seconds = max(progress.seconds, 0.001)
    facts = [progress.stream]
    if progress.total_bytes and progress.bytes:
        part = min(progress.bytes / progress.total_bytes, 1.0)
        done = round(part * _BAR_WIDTH)
        facts += [f"[{'#' * done}{'.' * (_BAR_WIDTH - done)}] {part:4.0%}"]
    facts += [counted(progress.rows, "row"), f"{progress.rows / seconds:,.0f} rows/s"]
    if progress.bytes:
        facts.append(f"{size(progress.bytes / seconds)}/s")
    if progress.total_units > 1:
        facts.append(f"{progress.units}/{progress.total_units} units")
    return "  ".join([*facts, duration(progress.seconds)])[: columns - 1]


def counted(count: int, noun: str) -> str:
    """Write a number of things: ``1 row``, ``1,000 rows``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def size(count: float) -> str:
    """Write a number of bytes, in powers of 1000: ``24.1 kB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:  # noqa: PLR2004 - a decimal prefix
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def duration(seconds: float) -> str:
    """Write a time: ``0.41 s``, ``1:05``, ``1:02:03``."""
    if seconds < 10:  # noqa: PLR2004 - below that, hundredths matter
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def coloured(stream: TextIO) -> bool:
    """Say whether a stream shows styles."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _columns() -> int:
    import shutil

    return shutil.get_terminal_size().columns


def _origin(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return "no traceback"
    ours = next((f for f in reversed(frames) if "dativo_" in f.filename), frames[-1])
    return f"{Path(ours.filename).name}:{ours.lineno}"
