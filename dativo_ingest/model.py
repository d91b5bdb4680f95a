"""The nouns that cross a border: between ops, processes, machines and languages.

Frozen values that turn into JSON and back without loss. They know no Arrow, no Dagster and no storage; whoever
makes one has decided something, whoever gets one only carries it out.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from dativo_ingest.exceptions import DativoError

Json = typing.Union[None, bool, int, float, str, "list[Json]", "Mapping[str, Json]"]
T = TypeVar("T", bound="Value")


class Value:
    """A frozen dataclass that is JSON both ways."""

    def to_json(self) -> dict[str, Any]:
        """Give the value as JSON-serialisable data, nested values included."""
        return {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self)}  # type: ignore[arg-type]

    @classmethod
    def from_json(cls: type[T], data: Mapping[str, Any]) -> T:
        """Make the value from what `to_json` gave; keys of a newer version are ignored."""
        hints = typing.get_type_hints(cls)
        names = {f.name for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
        return cls(**{k: _typed(hints[k], v) for k, v in data.items() if k in names})

    def dumps(self) -> str:
        """Give the value as one line of JSON with sorted keys: equal values give equal text."""
        return json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def loads(cls: type[T], text: str) -> T:
        """Make the value from what `dumps` gave."""
        return cls.from_json(json.loads(text))


def _plain(value: Any) -> Any:
    if isinstance(value, Value):
        return value.to_json()
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value


def _typed(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        inner = [a for a in arguments if a is not type(None)]
        return _typed(inner[0], value) if len(inner) == 1 else value
    if origin is tuple:
        return tuple(_typed(arguments[0], v) for v in value)
    if isinstance(hint, type) and issubclass(hint, Value) and isinstance(value, Mapping):
        return hint.from_json(value)
    return value


@dataclass(frozen=True, kw_only=True)
class Column(Value):
    """One column of a stream; ``type`` is a logical type such as ``decimal(12,2)`` or ``list<string>``."""

    name: str
    type: str = "string"
    nullable: bool = True
    description: str = ""


@dataclass(frozen=True, kw_only=True)
class Stream(Value):
    """One thing that a source can give: a table, a set of files, an endpoint."""

    name: str
    columns: tuple[Column, ...] = ()
    primary_key: tuple[str, ...] = ()
    cursor_field: str | None = None
    description: str = ""
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Cursor(Value):
    """How far a stream has been read, in the source's own terms; only its reader understands ``value``."""

    value: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Unit(Value):
    """A part of a window that can be read by itself, and again with the same rows: a file, a key range.

    ``id`` is stable and unique in its window. ``rows`` and ``bytes`` are estimates, for progress only.
    ``spec`` is for the reader that made it.
    """

    id: str
    spec: Mapping[str, Any] = field(default_factory=dict)
    rows: int | None = None
    bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class Window(Value):
    """What one run reads of a stream, with its upper bound already frozen.

    ``before`` is the cursor that the window starts from and ``after`` the one that holds once it is committed.
    ``fingerprint`` names the data in the window: the same rows at the source give the same fingerprint, so that
    the same window run twice is one commit. ``bounds`` says for people what lies in it, such as
    ``{"column": "updated_at", "from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}``. ``whole`` says that it
    is all that the source has, not only what is new.
    """

    units: tuple[Unit, ...]
    fingerprint: str
    before: Cursor | None = None
    after: Cursor | None = None
    skipped: int = 0
    bounds: Mapping[str, str] = field(default_factory=dict)
    whole: bool = False


@dataclass(frozen=True, kw_only=True)
class DataFile(Value):
    """A written file that is not visible until its commit.

    ``path`` is an absolute URI. ``partition`` maps a partition field's name to its value as text, None for NULL.
    ``statistics`` is for the table that made it (Iceberg: sizes, counts, bounds by field id).
    """

    path: str
    rows: int
    bytes: int
    partition: Mapping[str, str | None] = field(default_factory=dict)
    statistics: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PluginRef(Value):
    """Which plugin: an absolute ``path`` of a file, and the ``name`` of the class or function in it.

    ``kind`` is ``python`` or ``native``, told by the file's suffix. `loader.plugin_ref` makes it from a job's text and
    runs nothing of the plugin.
    """

    path: str
    name: str
    kind: str = "python"

    def __str__(self) -> str:
        """Give it as a job writes it."""
        return f"{self.path}:{self.name}"


@dataclass(frozen=True, kw_only=True)
class Violation(Value):
    """How often one rule was broken, with a bounded sample of where."""

    rule: str
    column: str | None
    count: int
    sample: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Counts(Value):
    """Rows by fate: ``read`` is always ``written + rejected``.

    ``nulled`` counts rows kept in `warn` mode although a required value was missing.
    """

    read: int = 0
    written: int = 0
    rejected: int = 0
    nulled: int = 0
    bytes_read: int = 0

    def __add__(self, other: Counts) -> Counts:
        """Add field by field."""
        return Counts(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in dataclasses.fields(self)})


@dataclass(frozen=True, kw_only=True)
class Usage(Value):
    """What one verb took in a place that is paid by use.

    ``seconds`` are those billed, ``memory_mb`` is what the function may use and ``peak_mb`` what it did, as far as it
    is known. ``usd`` is an estimate by list price, None when the price is not known. ``started`` says that the
    invocation had to start the plugin first, ``attempt`` counts from 1.
    """

    place: str
    verb: str
    unit: str = ""
    attempt: int = 1
    function: str = ""
    seconds: float = 0.0
    memory_mb: int = 0
    peak_mb: int | None = None
    usd: float | None = None
    started: bool = False


@dataclass(frozen=True, kw_only=True)
class Leftover(Value):
    """Something that a place made and that nobody uses any more: a container, a function, a staged object.

    ``name`` is how the place itself calls it, ``since`` when it was made or last used, ISO 8601 in UTC; ``owner`` is
    the tenant and the job as ``tenant/job`` where they are known, ``why`` says what tells that it is left over.
    """

    kind: str
    name: str
    since: str = ""
    owner: str = ""
    why: str = ""
    bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class Staged(Value):
    """All that a commit needs: small, JSON, and the only thing that passes from writing to committing.

    ``at`` is when it was staged, ISO 8601 in UTC; ``whole`` is the window's.
    """

    token: str
    key: str
    mode: str
    files: tuple[DataFile, ...] = ()
    quarantine: tuple[DataFile, ...] = ()
    cursor: Cursor | None = None
    counts: Counts = field(default_factory=Counts)
    violations: tuple[Violation, ...] = ()
    table: Mapping[str, Any] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    at: str = ""
    whole: bool = False
    usage: tuple[Usage, ...] = ()


@dataclass(frozen=True, kw_only=True)
class State(Value):
    """What a table remembers of one stream of one job: the last token and cursor that were committed.

    A token that starts with `BY_HAND` is no commit's: a person put the cursor there, or took it away.
    """

    token: str
    cursor: Cursor | None = None
    committed_at: str | None = None


BY_HAND = "by-hand-"


@dataclass(frozen=True, kw_only=True)
class StateChange(Value):
    """What a person did to a state: one line of its audit trail. ``action`` is set, reset or recover."""

    key: str
    action: str
    at: str
    by: str
    reason: str = ""
    before: State | None = None
    after: State | None = None


@dataclass(frozen=True, kw_only=True)
class Replay(Value):
    """A replay of quarantined rows: the ``segments`` that it looked at, and the files with the rows of them that stay.

    ``dropped`` says of each row that a person dropped where it came from and why, without its values.
    """

    token: str
    key: str
    by: str
    at: str
    segments: tuple[str, ...]
    files: tuple[DataFile, ...] = ()
    landed: int = 0
    remaining: int = 0
    dropped: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Snapshot(Value):
    """A commit that is visible. ``fresh`` is False when the token was already in the table and nothing was done.

    ``branch`` names the branch that it is on as long as nobody published it. ``replaced_rows`` counts the rows that
    were taken out in the same commit, those that were written again included.
    """

    id: str
    table: str
    token: str
    location: str = ""
    files: int = 0
    rows: int = 0
    bytes: int = 0
    total_rows: int | None = None
    total_files: int | None = None
    replaced_rows: int = 0
    branch: str = ""
    fresh: bool = True


@dataclass(frozen=True, kw_only=True)
class Upkeep(Value):
    """What one piece of maintenance did to a table, or would do.

    ``action`` is compact, branches, expire or orphans. ``names`` are the files, snapshots or branches that left, of
    ``bytes`` in all where that is known; ``made`` counts the files that came in their place. ``reason`` says why
    there was nothing to do, where that needs saying.
    """

    action: str
    names: tuple[str, ...] = ()
    bytes: int = 0
    made: int = 0
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class SchemaChange(Value):
    """One difference between a contract and the table.

    ``kind`` is one of add, widen, relax, drop, rename, narrow, require, incompatible; ``allowed`` says whether
    the job's evolution policy takes it.
    """

    kind: str
    column: str
    before: str | None = None
    after: str | None = None
    allowed: bool = True


@dataclass(frozen=True, kw_only=True)
class CheckResult(Value):
    """The outcome of one check; ``severity`` is ``error`` or ``warn``."""

    name: str
    passed: bool
    message: str = ""
    severity: str = "error"
    code: str | None = None
    retryable: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def failed(cls, name: str, error: DativoError) -> CheckResult:
        """Give the outcome of a check that ended in an error of ours."""
        return cls(
            name=name,
            passed=False,
            message=error.message,
            code=error.error_code,
            retryable=error.retryable,
            details=error.details,
        )
