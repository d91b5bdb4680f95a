"""The state file of an incremental plugin: what is in it, a private copy for the length of a run, and its replacement.

A plugin of the earlier system writes its file while it still reads; a run that then fails has skipped those rows for
ever. So the plugin gets a copy, whose content becomes the cursor; the platform writes the real file after the commit.
"""

from __future__ import annotations

import base64
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dativo_ingest.exceptions import ConfigurationError

try:
    import fcntl
except ImportError:  # Windows has no flock; a write is atomic there, too
    fcntl = None  # type: ignore[assignment,unused-ignore]

STATE, STATE_BASE64 = "state", "state_base64"
"""Keys of a cursor's value, and of the unit that is read from there: the content of the plugin's state file."""
FROM_FILE = "from_file"
"""Key of ``incremental``: whether a reader that no commit has a cursor of starts from the real file."""


class PrivateState:
    """A copy of an incremental plugin's state file, in a folder of its own.

    Args:
        incremental: What the job says; ``config`` is the same with the copy's path in place of the real one.
    """

    def __init__(self, incremental: Mapping[str, Any]) -> None:
        real = Path(incremental["state_path"]) if incremental.get("state_path") else None
        self._first = real if incremental.get(FROM_FILE, True) else None
        self._folder = tempfile.TemporaryDirectory(prefix="dativo-state-")
        self.file = Path(self._folder.name) / (real.name if real else "state.json")
        said = {key: value for key, value in incremental.items() if key != FROM_FILE}
        self.config = {**said, "state_path": str(self.file)}

    def since(self, cursor: Mapping[str, Any] | None) -> dict[str, Any]:
        """Give the state committed last; before the first commit what a file of the earlier system has.

        Raises:
            ConfigurationError: ``STATE_CORRUPT``.
        """
        if cursor is not None:
            return {key: cursor[key] for key in (STATE, STATE_BASE64) if key in cursor}
        return (content(self._first) if self._first else None) or {}

    def put(self, state: Mapping[str, Any]) -> None:
        """Put a state into the copy; one that has none removes it."""
        data = rendered(state)
        if data is None:
            self.file.unlink(missing_ok=True)
        else:
            self.file.write_bytes(data)

    def left(self) -> dict[str, Any] | None:
        """Give the state that the plugin left, None when there is none."""
        return content(self.file)

    def close(self) -> None:
        """Remove the copy."""
        self._folder.cleanup()


def content(file: Path) -> dict[str, Any] | None:
    """Give what a state file has, as a cursor's value: JSON as it is, anything else as base64; None without a file.

    Raises:
        ConfigurationError: ``STATE_CORRUPT``: it cannot be read, is blank, or is JSON that was cut short.
    """
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise corrupt(file, str(error)) from error
    try:
        return {STATE: json.loads(data)}
    except ValueError as error:
        if data.strip(b"\0 \t\r\n")[:1] in {b"", b"{", b"["}:
            raise corrupt(file, str(error)) from error
        return {STATE_BASE64: base64.b64encode(data).decode()}


def rendered(state: Mapping[str, Any]) -> bytes | None:
    """Give the content of a state file that holds a cursor's value; None for a value of another kind."""
    if STATE_BASE64 in state:
        return base64.b64decode(state[STATE_BASE64])
    return json.dumps(state[STATE], indent=2).encode() if STATE in state else None


def replace(path: Path, data: bytes) -> None:
    """Put a file in place of another, whole or not at all, with the other's mode."""
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            Path(draft).chmod(path.stat().st_mode & 0o7777)
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep others from changing the file; the lock is a file beside it, which stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("a") as lock:
        if fcntl is not None:
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def corrupt(path: Path, why: str) -> ConfigurationError:
    """Make the error for a state file that holds no state. It is never taken for an empty one."""
    message = f"state file {path} cannot be read: {why}. Mend it, or remove it to read the source from its beginning"
    return ConfigurationError(message, "STATE_CORRUPT", {"path": str(path)})
