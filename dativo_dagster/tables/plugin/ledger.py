"""What a custom writer has committed, as we keep it: ``_dativo/ledger.json`` below its ``output_base``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from dativo_dagster.state.trail import kept
from dativo_ingest.model import Snapshot, Staged, State, StateChange, Value

LEDGER = "_dativo/ledger.json"
TOKENS_KEPT = 10_000


@dataclass(frozen=True, kw_only=True)
class Ledger(Value):
    """What was committed.

    ``tokens`` holds snapshots by token, oldest first; ``streams`` states by key, and ``changes`` their audit trails.
    ``rows`` is the sum of all commits, ``rows_of`` that of each key's.
    """

    tokens: Mapping[str, Any] = field(default_factory=dict)
    streams: Mapping[str, Any] = field(default_factory=dict)
    rows: int = 0
    rows_of: Mapping[str, int] = field(default_factory=dict)
    changes: Mapping[str, Any] = field(default_factory=dict)

    def with_commit(self, staged: Staged, snapshot: Snapshot) -> Ledger:
        """Give the ledger once ``staged`` is committed."""
        state = State(
            token=staged.token,
            cursor=staged.cursor,
            committed_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        )
        tokens = {**self.tokens, staged.token: snapshot.to_json()}
        return dataclasses.replace(
            self,
            tokens=dict(list(tokens.items())[-TOKENS_KEPT:]),
            streams={**self.streams, staged.key: state.to_json()},
            rows=self.rows + snapshot.rows,
            rows_of={**self.rows_of, staged.key: self.rows_of.get(staged.key, 0) + snapshot.rows},
        )

    def with_change(self, change: StateChange) -> Ledger:
        """Give the ledger once a person changed a state."""
        trail = [*self.changes.get(change.key, ()), change.to_json()]
        streams = {key: value for key, value in self.streams.items() if key != change.key}
        if change.after is not None:
            streams[change.key] = change.after.to_json()
        return dataclasses.replace(self, streams=streams, changes={**self.changes, change.key: kept(trail)})
