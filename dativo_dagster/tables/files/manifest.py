"""What is in a folder of Parquet files, as the commits left it. Values and the pure steps from one to the next.

``_dativo/manifest.json`` is the head, replaced only under the condition that nobody else replaced it. It names
segments, ``_dativo/segments/*.json``, which are written once and list the files of a commit: so a commit costs
the same however many files there are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dativo_dagster.state.trail import of_json
from dativo_ingest.model import Column, DataFile, Snapshot, State, Value

FOLDER = "_dativo"
HEAD = f"{FOLDER}/manifest.json"
SEGMENTS = f"{FOLDER}/segments"
STAGING = f"{FOLDER}/staging"
TOKENS_KEPT = 10_000


@dataclass(frozen=True, kw_only=True)
class Segment(Value):
    """The files of one commit. ``path`` is relative to the table's folder, as are those of its files.

    ``key`` names the stream that brought the rows; segments of an earlier version do not say it.
    """

    path: str
    token: str
    commit: int
    files: int
    rows: int
    bytes: int
    key: str = ""


@dataclass(frozen=True, kw_only=True)
class Files(Value):
    """What a segment file holds."""

    files: tuple[DataFile, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Head(Value):
    """The table after its last commit.

    ``tokens`` maps the token of a commit to its number, ``changes`` the key of a state to its audit trail.
    """

    format: int = 1
    commit: int = 0
    table: str = ""
    columns: tuple[Column, ...] = ()
    partitioning: tuple[str, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)
    segments: tuple[Segment, ...] = ()
    state: Mapping[str, Any] = field(default_factory=dict)
    tokens: Mapping[str, int] = field(default_factory=dict)
    changes: Mapping[str, Any] = field(default_factory=dict)

    def stream(self, key: str) -> State | None:
        """Give what is remembered of a stream; ConfigurationError ``STATE_CORRUPT`` when it is no state."""
        return of_json(self.state[key], f"state {key} of table {self.table}") if key in self.state else None

    def next(
        self, *, segments: Sequence[Segment], token: str, key: str, state: State, columns: Sequence[Column]
    ) -> Head:
        """Give the head after one more commit."""
        number = self.commit + 1
        recent = sorted(self.tokens, key=self.tokens.__getitem__)[-TOKENS_KEPT + 1 :]
        return dataclasses.replace(
            self,
            commit=number,
            segments=tuple(segments),
            columns=tuple(columns),
            state={**self.state, key: state.to_json()},
            tokens={**{t: self.tokens[t] for t in recent}, token: number},
        )

    def snapshot(self, token: str, location: str, *, fresh: bool) -> Snapshot:
        """Give the commit of ``token`` as the pipeline reports it."""
        number = self.tokens[token]
        own = [s for s in self.segments if s.commit == number and s.token == token]
        return Snapshot(
            id=str(number),
            table=self.table,
            token=token,
            location=location,
            files=sum(s.files for s in own),
            rows=sum(s.rows for s in own),
            bytes=sum(s.bytes for s in own),
            total_rows=sum(s.rows for s in self.segments),
            total_files=sum(s.files for s in self.segments),
            fresh=fresh,
        )


def segment(path: str, token: str, commit: int, files: Iterable[DataFile], key: str = "") -> Segment:
    """Give a segment with the sums of its files."""
    listed = list(files)
    return Segment(
        path=path,
        token=token,
        commit=commit,
        files=len(listed),
        rows=sum(f.rows for f in listed),
        bytes=sum(f.bytes for f in listed),
        key=key,
    )
