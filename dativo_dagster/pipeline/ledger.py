"""Finished units of an attempt that failed, so that the next attempt of the run reads only the others.

Written when an attempt fails and a retry is left, never before: a run without trouble pays nothing. One entry lies
beside the table's files, under a name that `formats.rolling.OURS` knows: what is forgotten, ``dativo gc`` finds.
"""

from __future__ import annotations

import hashlib
import json
import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dativo_dagster.pipeline.units import Part
from dativo_ingest.exceptions import DativoError
from dativo_ingest.model import Counts, DataFile, Violation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dativo_dagster.formats.rolling import Layout
    from dativo_dagster.pipeline.units import Stage
    from dativo_dagster.storage import Storage
    from dativo_dagster.storage.base import FileInfo
    from dativo_ingest.protocols import Table, Writer

FOLDER = "_dativo/units"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Attempt:
    """Which try of a step this is, 1 the first as in `owner.Run`, and whether it is the last one."""

    number: int = 1
    last: bool = True

    @property
    def first(self) -> bool:
        """Say whether nothing was tried before."""
        return self.number == 1


@dataclass(frozen=True)
class Ledger:
    """The place of one entry. ``digest`` names all that decides what the units' files hold."""

    storage: Storage
    path: str
    digest: str

    def keep(self, parts: Mapping[str, Part]) -> None:
        """Write the entry, in the place of an older one."""
        units = {unit: _to_json(part) for unit, part in parts.items()}
        self.storage.write(self.path, json.dumps({"digest": self.digest, "units": units}).encode())

    def take(self) -> tuple[bool, dict[str, Part]]:
        """Give the units of the entry, and whether they are what this attempt would write; the entry is gone then.

        Of two attempts at once at most one is given them: else one could remove files that the other commits.
        """
        found = self.storage.find(self.path)
        if found is None:
            return True, {}
        with self.storage.open_read(self.path, etag=found.etag) as stream:
            entry = json.loads(stream.read() or b"{}")
        if not entry or not self.storage.put_if_match(self.path, b"", found.etag):
            return True, {}
        with suppress(DativoError):  # empty as it is it says nothing, and gc removes it
            self.storage.delete(self.path)
        return entry["digest"] == self.digest, {unit: _of_json(part) for unit, part in entry["units"].items()}


def ledger_of(work: Stage, table: Table) -> Ledger | None:
    """Give the ledger of a stream, None where all of its units must come from one attempt.

    That is so where the reader does not say that it is `protocols.Repeatable`, where the writer makes its files
    visible by itself, where a column is unique across units, and where a table that does not exist yet gets another
    place in each attempt, as some catalogs have it.
    """
    layout = _layout(work.writer)
    if layout is None or not getattr(work.reader, "repeatable", False) or _unique(work):
        return None
    prepared = table.prepared()
    if "location" in prepared and prepared["location"] != table.location():
        return None
    facts = [work.plan.dumps(), work.job.fingerprint(work.stream), json.dumps(prepared, sort_keys=True)]
    run = hashlib.sha256(work.run_id.encode()).hexdigest()[:8]
    return Ledger(
        storage=layout.storage,
        path=f"{layout.base}{FOLDER}/{work.plan.token}-units-00000-{run}.json",
        digest=hashlib.sha256("\0".join(facts).encode()).hexdigest(),
    )


def take_over(work: Stage, ledger: Ledger) -> None:
    """Count the units of an earlier attempt as done whose files are all there; remove what is left of others."""
    same, found = ledger.take()
    work.done.update(found)
    for name, part in found.items():
        if not (same and _whole(work, part)):
            del work.done[name]
            work.discard(part)
    work.rejected = sum(part.counts.rejected for part in work.done.values())
    for unit in work.plan.window.units:
        if unit.id in work.done:
            work.meter.skip(unit, work.done[unit.id].counts.read)
    _log.info("%s: %s units are done since an earlier attempt", work.stream.name, len(work.done))


def let_go(work: Stage, ledger: Ledger | None, attempt: Attempt, error: BaseException) -> None:
    """Keep what is done for the next attempt where one follows; else remove its files."""
    parts = dict(work.done)
    again = isinstance(error, DativoError) and error.retryable and not attempt.last
    if ledger is not None and again and parts:
        try:
            ledger.keep(parts)
        except DativoError as refused:
            _log.warning("%s: the next attempt reads all units again: %s", work.stream.name, refused)
        else:
            return
    for part in parts.values():
        work.discard(part)


def _layout(writer: Writer) -> Layout | None:
    """Give where a writer of one of our own tables puts files."""
    units = getattr(writer, "units", None)
    return None if units is None else units.layout


def _unique(work: Stage) -> bool:
    return any(column.unique is not None for column in work.compiled.columns)


def _whole(work: Stage, part: Part) -> bool:
    """Say whether all files of a unit are where they were; gc or a person may have removed some."""
    return _there(work.writer, part.files) and (not part.quarantine or _there(work.quarantine(), part.quarantine))


def _there(writer: Writer, files: list[DataFile]) -> bool:
    layout = _layout(writer)
    return layout is not None and all(_same(layout.storage.find(file.path), file) for file in files)


def _same(found: FileInfo | None, file: DataFile) -> bool:
    return found is not None and found.size == file.bytes


def _to_json(part: Part) -> dict[str, Any]:
    return {
        "files": [file.to_json() for file in part.files],
        "quarantine": [file.to_json() for file in part.quarantine],
        "counts": part.counts.to_json(),
        "violations": [violation.to_json() for violation in part.violations],
    }


def _of_json(entry: Mapping[str, Any]) -> Part:
    return Part(
        files=[DataFile.from_json(file) for file in entry["files"]],
        quarantine=[DataFile.from_json(file) for file in entry["quarantine"]],
        counts=Counts.from_json(entry["counts"]),
        violations=tuple(Violation.from_json(violation) for violation in entry["violations"]),
    )
