"""The text of a new job that reads a database, for ``dativo init``. Pure: tables come as `Stream`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dativo_dagster.cli.draft import scalar, value

if TYPE_CHECKING:
    from dativo_ingest.model import Stream

CURSORS = (
    "updated_at",
    "modified_at",
    "last_modified",
    "last_updated",
    "last_modified_at",
    "last_updated_at",
    "updated_on",
    "modified_on",
    "changed_at",
    "update_time",
    "modified_time",
    "updated",
    "modified",
)
"""Names of columns that say when a row was last written, the clearest first."""
SAFE_LAG_SECONDS = 60
_SAME = re.compile(r"(tiny|medium|long|n?var|n)?(char|text|json)|string|n?clob|name|citext|enum\b|set\b", re.IGNORECASE)
"""Types of databases that are text or JSON, and are kept as such."""


@dataclass(frozen=True, kw_only=True)
class TableDraft:
    """One table: what it is, the name of its stream, what it is written to, and where its contract is."""

    found: Stream
    name: str
    table: str
    contract: str


@dataclass(frozen=True, kw_only=True)
class DatabaseDraft:
    """What a new job says. ``address`` holds variables in place of secrets, as ``variables`` names them."""

    name: str
    tenant: str
    target: str
    connector: str
    address: Mapping[str, Any]
    variables: Mapping[str, str]
    tables: Sequence[TableDraft]
    job_schema: str

    def job_text(self) -> str:
        """Write the job file: one table at the top, several as streams."""
        one = self.tables[0] if len(self.tables) == 1 else None
        head = f"$schema: {value(self.job_schema)}\n\nname: {value(self.name)}\ntenant: {value(self.tenant)}\n"
        source = f"source:\n  connector: {self.connector}\n" + "".join(
            f"  {key}: {_written(said)}\n" for key, said in self.address.items()
        )
        source += "".join(f"  {key}: {said}\n" for key, said in self.variables.items())
        target = f"target:\n  connector: {value(self.target)}\n"
        mode = "  mode: overwrite  # the whole table in each run\n"
        if one is None:
            return head + source + target + mode + "streams:\n" + "".join(map(_stream, self.tables))
        source += f"  tables: {value(one.found.name)}\n"
        target += f"  table: {value(one.table)}\n{mode}"
        return f"{head}{source}{_proposal(one.found, '  ')}{target}contract: {value(one.contract)}\n"


def cursor_of(found: Stream) -> str | None:
    """Give the column that says when a row was last written, when its name and type leave no doubt."""
    times = {c.name.lower(): c.name for c in found.columns if c.type.startswith("timestamp") and not c.nullable}
    return next((times[name] for name in CURSORS if name in times), None)


def told(found: Stream) -> str:
    """Write the comment above a contract: where it is from, and which columns are kept as text or JSON."""
    types: Mapping[str, str] = found.properties.get("types", {})
    lines = [f"# A draft of {_plain(found.name)}. Look through it: what a table does not say must be added."]
    kept = {c.name: c.type for c in found.columns if c.type in {"string", "json"}}
    odd = [f"#   {_plain(n)}: {_plain(types[n])} as {t}" for n, t in kept.items() if not _SAME.match(types.get(n, t))]
    return "\n".join([*lines, *(["# Columns of types that a table here does not have:"] if odd else []), *odd])


def _stream(draft: TableDraft) -> str:
    return (
        f"  - name: {value(draft.name)}\n"
        f"    source:\n      tables: {value(draft.found.name)}\n"
        f"{_proposal(draft.found, '      ')}"
        f"    target:\n      table: {value(draft.table)}\n"
        f"    contract: {value(draft.contract)}\n"
    )


def _proposal(found: Stream, indent: str) -> str:
    """Write what would read only the rows that changed, to be uncommented; nothing without a cursor and a key."""
    cursor = cursor_of(found)
    if cursor is None or not found.primary_key:
        return ""
    key = _plain(", ".join(found.primary_key))
    return (
        f"{indent}# Only rows that changed: uncomment, and say `mode: merge` in the target. The key is {key}.\n"
        f"{indent}# incremental: {{cursor_field: {value(cursor)}, safe_lag: {SAFE_LAG_SECONDS}}}\n"
    )


def _written(said: Any) -> str:
    if isinstance(said, Mapping):
        return "{" + ", ".join(f"{scalar(k)}: {_written(v)}" for k, v in said.items()) + "}"
    return value(said) if isinstance(said, str) else str(said)


def _plain(text: str) -> str:
    """Give a text that cannot end its comment."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
