"""Quarantined rows as a file that a person can edit: JSON Lines, one row a line, known by its ``id``.

A line that comes back takes the place of the row in quarantine: with another ``record``, or with ``"drop": true`` and a
``reason``. Rows whose line was taken out stay as they are.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dativo_dagster.formats.json_rows import decoded, encoded
from dativo_dagster.pipeline.again import Fix, Ids
from dativo_dagster.validation.quarantine import RECORD_CORRUPT
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import pyarrow as pa

PLACE = ("rule", "column", "reason", "source", "row", "line", "offset", "run_id", "rejected_at")


def export(batches: Iterable[pa.RecordBatch], path: Path) -> int:
    """Write rows of a quarantine to a file, whole or not at all; gives how many there are."""
    draft, count = path.with_name(f".{path.name}.draft"), 0
    try:
        with draft.open("w", encoding="utf-8") as file:
            for line in _lines(batches):
                file.write(line)
                count += 1
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return count


def _lines(batches: Iterable[pa.RecordBatch]) -> Iterator[str]:
    ids = Ids()
    for batch in batches:
        rows = batch.to_pylist()
        for name, row in zip(ids.of(rows), rows, strict=True):
            place = {key: row[key] for key in PLACE if row[key] is not None}
            rest = json.dumps(place, ensure_ascii=False, default=str)
            yield f'{{"id": "{name}", "record": {_record(row)}, {rest[1:]}\n'


def _record(row: dict[str, Any]) -> str:
    """Give a record as JSON: an object as it was kept, digit by digit, and text that was never a row as a string."""
    text = row["record"]
    return json.dumps(text, ensure_ascii=False) if row["rule"] == RECORD_CORRUPT else str(text)


def fixes(path: Path) -> dict[str, Fix]:
    """Read what a person made of such a file.

    Raises:
        ConfigurationError: ``BAD_FIXED_FILE``, ``NO_SUCH_FILE``.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}", "NO_SUCH_FILE") from error
    found: dict[str, Fix] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        name, fix = _fix(line, f"{path}, line {number}")
        if name in found:
            raise _wrong(f"{path}, line {number}", f"the id {name!r} is there a second time")
        found[name] = fix
    return found


def _fix(line: str, where: str) -> tuple[str, Fix]:
    try:
        said = decoded(line)
    except (ValueError, RecursionError) as error:
        raise _wrong(where, f"not JSON: {error}") from error
    if not isinstance(said, dict) or not isinstance(said.get("id"), str):
        raise _wrong(where, "an object with an `id`, as --export writes it, is expected")
    if said.get("drop") is True:
        reason = said.get("reason")
        if not isinstance(reason, str) or not reason.strip():
            raise _wrong(where, "a row is dropped with a `reason`")
        return said["id"], Fix(drop=True, reason=reason)
    record = said.get("record")
    if type(record) not in (str, dict):  # a number is a text of its digits here
        raise _wrong(where, "`record` is an object, or its JSON as text")
    return said["id"], Fix(record=record if isinstance(record, str) else encoded(record))


def _wrong(where: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"{where}: {why}", "BAD_FIXED_FILE")
