"""The state file of an earlier system's plugin, kept up with the table.

The table has the truth. A file that the earlier system left is where the first run starts; after each commit the file
says what was committed, for whoever still looks at it. Beside it lies a mark, ``.<name>.mirror``: whose file it is, and
the digests of what it may hold, so that a change by anybody else is found before the next run. The mark is written
before the file, and names what was there as well: a crash between the two is no change.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dativo_dagster.config.forplugins import state_file
from dativo_ingest.exceptions import ConfigurationError
from dativo_ingest.model import BY_HAND, Cursor, Value
from dativo_ingest.statefile import content, locked, rendered, replace

if TYPE_CHECKING:
    from pathlib import Path

    from dativo_dagster.config.job import Job, JobStream
    from dativo_ingest.model import State
    from dativo_ingest.protocols import Table

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Mark(Value):
    """What lies beside a state file that is our mirror: the stream's key, and the digests that the file may have."""

    key: str
    token: str
    digests: tuple[str, ...] = ()


def looked_at(job: Job, stream: JobStream, state: State | None) -> JobStream:
    """Look at the state file before a run; gives the stream as its reader is to be opened.

    Raises:
        ConfigurationError: ``STATE_FILE_TAKEN``: it is another stream's. ``STATE_FILE_CHANGED``: somebody wrote it
            since the last commit. ``STATE_CORRUPT``.
    """
    rule, path = stream.source.incremental, path_of(job, stream)
    if rule is None or path is None:
        return stream
    mark = _mark(path)
    if mark is not None and mark.key != job.key(stream):
        raise ConfigurationError(
            f"stream {stream.name!r}: state file {path} is that of {mark.key}; give each stream its own `state_path`",
            "STATE_FILE_TAKEN",
            {"path": str(path), "key": mark.key},
        )
    if state is None and mark is None and path.exists():
        # The file of an earlier system tells how far the rows in the table were read, whoever wrote them.
        return _with(stream, from_file=True, on_missing_state="read_all")
    if state is not None and mark is not None and not state.token.startswith(BY_HAND):
        _unchanged(stream, path, mark)
    return _with(stream, from_file=False)


def path_of(job: Job, stream: JobStream) -> Path | None:
    """Give the state file of a stream that a plugin reads by increments, None for any other."""
    rule = stream.source.incremental
    return state_file(job, stream, rule) if rule is not None and stream.source.plugin else None


def keep_up(job: Job, stream: JobStream, table: Table) -> None:
    """Write what was committed to the state file, if the job names one or the earlier system left one.

    The commit has landed: a file that cannot be written is a warning, and the next run tries again.
    """
    rule, path = stream.source.incremental, path_of(job, stream)
    state = table.state(job.key(stream)) if path is not None else None
    if rule is None or path is None or state is None or state.cursor is None:
        return
    data = rendered(state.cursor.value)
    if data is None or not (rule.state_path or path.exists()):
        return
    try:
        with locked(path):
            _write(path, data, job.key(stream), state.token)
    except OSError as error:
        logger.warning("state file %s does not show the last commit, it cannot be written: %s", path, error)


def cursor_in(job: Job, stream: JobStream) -> Cursor:
    """Read the state file as a cursor, for a person who wants it to count.

    Raises:
        ConfigurationError: ``BAD_CURSOR``, there is no file; ``STATE_CORRUPT``.
    """
    path = path_of(job, stream)
    found = content(path) if path is not None else None
    if found is None:
        where = f"{path} is not there" if path is not None else "no plugin reads it by increments"
        raise ConfigurationError(f"stream {stream.name!r} has no state file: {where}", "BAD_CURSOR")
    return Cursor(value=found)


def _with(stream: JobStream, **rule: object) -> JobStream:
    said = dataclasses.replace(stream.source.incremental, **rule)  # type: ignore[type-var]
    return dataclasses.replace(stream, source=dataclasses.replace(stream.source, incremental=said))


def _unchanged(stream: JobStream, path: Path, mark: Mark) -> None:
    there = _digest(path)
    if there is not None and there not in mark.digests:
        raise ConfigurationError(
            f"stream {stream.name!r}: somebody wrote state file {path} after the last commit, and the table remembers "
            "another state. To go on from the file, `dativo state set --from-file`; to go on from the table, remove it",
            "STATE_FILE_CHANGED",
            {"path": str(path)},
        )


def _write(path: Path, data: bytes, key: str, token: str) -> None:
    before, after = _digest(path), hashlib.sha256(data).hexdigest()
    mark = _mark(path)
    if before == after and mark is not None and mark.key == key:
        return
    digests = tuple(digest for digest in (before, after) if digest is not None)
    replace(_beside(path), Mark(key=key, token=token, digests=digests).dumps().encode())
    replace(path, data)


def _mark(path: Path) -> Mark | None:
    try:
        return Mark.from_json(json.loads(_beside(path).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise ConfigurationError(
            f"{_beside(path)} cannot be read ({error}); remove it once you know that {path} is as the last run left it",
            "STATE_CORRUPT",
            {"path": str(path)},
        ) from error


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.mirror")


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return None
