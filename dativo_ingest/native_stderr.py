"""What a library prints on stderr while it is called: all that the older JSON ABI says of an error.

Stderr belongs to the whole process, so this only listens in a process that runs one plugin and nothing else; the
worker says that it is one by `own`.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_CHARACTERS = 2_000

_lock = threading.Lock()
_mine = threading.Event()


def own() -> None:
    """Say that stderr of this process is the plugin's alone."""
    _mine.set()


class Heard:
    """What was printed; None while nobody listens."""

    text: str | None = None

    @property
    def why(self) -> str:
        """Give it as the end of a message."""
        if self.text is None:
            return "such a library prints the reason on stderr"
        return f"it printed: {self.text}" if self.text else "it printed nothing"


@contextlib.contextmanager
def heard() -> Iterator[Heard]:
    """Listen to stderr for the length of a call; what is printed still arrives where it was going."""
    found = Heard()
    if not _mine.is_set():
        yield found
        return
    with _lock, tempfile.TemporaryFile() as file:
        before = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield found
        finally:
            os.dup2(before, 2)
            os.close(before)
            file.seek(0)
            said = file.read()
            found.text = said[: 4 * MAX_CHARACTERS].decode("utf-8", "replace").strip()[:MAX_CHARACTERS]
            if said:
                os.write(2, said)
