"""A source and a table that live in memory and keep the protocols: no file, no network, no patching."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from dativo_ingest.model import CheckResult, Column, Cursor, DataFile, Snapshot, Staged, State, Stream, Unit, Window


@dataclass
class MemoryReader:
    """Units of batches, given by name."""

    units: dict[str, list[pa.RecordBatch]]
    fail_in: str | None = None
    error: BaseException = field(default_factory=lambda: RuntimeError("the source broke"))
    read_rows: dict[str, int] = field(default_factory=dict)

    def check(self) -> CheckResult:
        return CheckResult(name="connection", passed=True)

    def discover(self) -> list[Stream]:
        return [Stream(name="memory")]

    def split(self, stream: Stream, since: Cursor | None) -> Window:
        seen = dict(since.value) if since else {}
        rows = {name: sum(b.num_rows for b in batches) for name, batches in self.units.items()}
        new = {name: n for name, n in rows.items() if seen.get(name) != n}
        return Window(
            units=tuple(Unit(id=name, rows=n, bytes=n) for name, n in new.items()),
            fingerprint=hashlib.sha256(json.dumps(new, sort_keys=True).encode()).hexdigest(),
            before=since,
            after=Cursor(value={**seen, **rows}),
            skipped=len(rows) - len(new),
        )

    def read(self, stream: Stream, unit: Unit):
        for number, batch in enumerate(self.units[unit.id]):
            if unit.id == self.fail_in and number == 1:
                raise self.error
            self.read_rows[unit.id] = self.read_rows.get(unit.id, 0) + batch.num_rows
            yield batch

    def position(self, unit: Unit) -> int:
        return self.read_rows.get(unit.id, 0)

    def reached(self, window: Window) -> Cursor | None:
        return window.after


@dataclass
class MemoryTable:
    """Rows by commit, and everything a crash test wants to look at: the files that exist, the calls that were made."""

    identifier: str = "memory.table"
    files: dict[str, pa.Table] = field(default_factory=dict)
    visible: list[str] = field(default_factory=list)
    states: dict[str, State] = field(default_factory=dict)
    tokens: dict[str, Snapshot] = field(default_factory=dict)

    def check(self) -> CheckResult:
        return CheckResult(name="connection", passed=True)

    def location(self) -> str:
        return f"memory://{self.identifier}"

    def state(self, key: str) -> State | None:
        return self.states.get(key)

    def committed(self, token: str) -> Snapshot | None:
        found = self.tokens.get(token)
        return replace(found, fresh=False) if found else None

    def changes(self) -> list[Any]:
        return []

    def writer(self, token: str) -> MemoryWriter:
        return MemoryWriter(self, token)

    def prepared(self) -> dict[str, Any]:
        return {}

    def commit(self, staged: Staged) -> Snapshot:
        if staged.token in self.tokens:
            return replace(self.tokens[staged.token], fresh=False)
        self.visible += [f.path for f in staged.files]
        rows = sum(f.rows for f in staged.files)
        snapshot = Snapshot(id=str(len(self.tokens) + 1), table=self.identifier, token=staged.token, rows=rows)
        self.tokens[staged.token] = snapshot
        self.states[staged.key] = State(token=staged.token, cursor=staged.cursor)
        return snapshot

    def columns(self) -> list[Column]:
        schema = next((self.files[p].schema for p in self.visible), None)
        return [Column(name=f.name, type=str(f.type)) for f in schema] if schema else []

    def preview(self, limit: int) -> pa.Table:
        return pa.concat_tables([self.files[p] for p in self.visible]).slice(0, limit)

    def scan(self):
        for path in self.visible:
            yield from self.files[path].to_batches()

    def orphans(self, older_than) -> list[DataFile]:
        hidden = [(p, t) for p, t in self.files.items() if p not in self.visible]
        return [DataFile(path=p, rows=t.num_rows, bytes=t.nbytes) for p, t in hidden]

    def remove(self, files) -> None:
        for file in files:
            del self.files[file.path]


@dataclass
class MemoryWriter:
    """Writes one file a call."""

    table: MemoryTable
    token: str

    def write(self, batches, name: str) -> list[DataFile]:
        kept = [b for b in batches if b.num_rows]
        if not kept:
            return []
        path = f"{self.token}-{name}"
        self.table.files[path] = pa.Table.from_batches(kept)
        return [DataFile(path=path, rows=self.table.files[path].num_rows, bytes=self.table.files[path].nbytes)]

    def abort(self, files) -> None:
        for file in files:
            self.table.files.pop(file.path, None)

    def close(self, *, failed: bool) -> None:
        pass
