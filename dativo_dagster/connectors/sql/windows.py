"""The window of one stream: what the job says, held against what the server has. `state.window` does the sums."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dativo_dagster.connectors.sql.columns import column_of
from dativo_dagster.state import window
from dativo_dagster.state.window import Rule, Span
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dativo_dagster.config.job import SourceContext
    from dativo_dagster.connectors.sql.base import Connection, Dialect, Relation
    from dativo_dagster.connectors.sql.config import SqlConfig
    from dativo_dagster.state.window import Kind
    from dativo_ingest.model import Cursor


@dataclass(frozen=True, kw_only=True)
class WindowPlan:
    """What is read: rows of ``span``, all when it is None, none when ``any`` is False.

    ``fingerprint`` is empty where each reading is one of its own.
    """

    span: Span | None = None
    any: bool = True
    after: Cursor | None = None
    fingerprint: str = ""
    bounds: Mapping[str, str] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Say whether it is all that the source has."""
        return self.any and self.span is None


@dataclass(frozen=True)
class Windows:
    """Plans the windows of one relation."""

    config: SqlConfig
    context: SourceContext
    dialect: Dialect
    connection: Connection
    relation: Relation

    def plan(self, cursor_field: str | None, since: Cursor | None) -> WindowPlan:
        """Give the slice of a partitioned stream, the next window of an incremental one, or all there is.

        Raises:
            ConfigurationError: ``CURSOR_UNUSABLE``, ``NULL_CURSORS``.
        """
        if self.context.slice is not None:
            return self._slice()
        if self.context.incremental is None or cursor_field is None:
            return WindowPlan()
        return self._next(cursor_field, since)

    def resumed(self, cursor_field: str | None, value: Any) -> Cursor:
        """Give the cursor just behind a value that a table has."""
        return window.resumed(self._rule(cursor_field or ""), value)

    def _next(self, cursor_field: str, since: Cursor | None) -> WindowPlan:
        rule = self._rule(cursor_field)
        missing = self._without_cursor(cursor_field)
        highest = None
        if rule.kind not in window.MOMENTS:
            highest = self.dialect.highest(self.connection, self.relation, self._column(cursor_field))
        planned = window.plan(rule, since, now=self._now, highest=highest)
        bounds = _told(planned.span, rule.column)
        if missing and not rule.nulls:
            bounds["left_out"] = f"{missing} rows without {cursor_field}"
        # Looking back from where the last window ended finds old rows again: merged anew, but never appended twice.
        again = planned.after == since and self.context.mode != "append"
        name = f"{self.relation.source}\0{planned.fingerprint}"
        return WindowPlan(
            span=planned.span,
            any=planned.span is not None,
            after=planned.after,
            fingerprint="" if again else window.digest(name),
            bounds=bounds,
        )

    def _slice(self) -> WindowPlan:
        part = self.context.slice
        assert part is not None  # noqa: S101 - `plan` looked
        column = self._column(part.column)
        if part.lower is None or part.upper is None:
            span = Span(column=column.name, kind="value", values=part.values)
        else:
            span = window.slice_span(column.name, self._kind(column.name), part.lower, part.upper, part.clocks)
        # An append must not repeat a part that is there; what replaces it is read anew each time it is asked for.
        stable = self.context.mode == "append"
        name = window.digest(f"{self.relation.source}\0{span.fingerprint}") if stable else ""
        return WindowPlan(span=span, fingerprint=name, bounds={"partition": part.key, **_told(span, part.column)})

    def _rule(self, cursor_field: str) -> Rule:
        rule = self.context.incremental
        assert rule is not None  # noqa: S101 - `plan` looked
        return Rule(
            column=cursor_field,
            kind=self._kind(cursor_field),
            zone=self._zone(cursor_field),
            lookback=rule.lookback,
            safe_lag=rule.safe_lag,
            start=None if rule.start is None else str(rule.start),
            nulls=rule.null_cursor == "include" and self._column(cursor_field).nullable,
            places=self._column(cursor_field).facts.get("places", 6),
        )

    def _without_cursor(self, name: str) -> int:
        """Count the rows without a cursor, where there can be some and they are not simply read."""
        rule = self.context.incremental
        assert rule is not None  # noqa: S101 - `plan` looked
        if not self._column(name).nullable or rule.null_cursor == "include":
            return 0
        quoted = self.dialect.quote(name)
        sql = f"SELECT count(*) AS n FROM {self.relation.source} WHERE {quoted} IS NULL"  # noqa: S608 - quoted
        missing = int(self.connection.rows(sql)[0]["n"])
        if missing and rule.null_cursor == "fail":
            raise ConfigurationError(
                f"{self.relation.name}: {missing:,} rows have no {name}, so no window would ever read them. Fill the "
                "column, or say `null_cursor: exclude` to leave them out, or `include` (modes other than append) to "
                "read them in each run",
                "NULL_CURSORS",
                {"table": self.relation.name, "column": name, "rows": missing},
            )
        return missing

    def _kind(self, name: str) -> Kind:
        column = self._column(name)
        kind = self.dialect.kind(column)
        if kind is None:
            raise ConfigurationError(
                f"{self.relation.name}: column {name!r} is {column.type}, which cannot tell what is new: it has to "
                "grow, and to be a time, a date, a whole or a decimal number, or a text",
                "CURSOR_UNUSABLE",
                {"table": self.relation.name, "column": name, "type": column.type},
            )
        return kind

    def _zone(self, name: str) -> str:
        """Say where the clocks of a column stand: where the contract says so, else the source, else in UTC."""
        said = next((f.timezone for f in self.context.contract.fields if f.name == name), None)
        return said or self.config.timezone

    def _column(self, name: str) -> Any:
        return column_of(self.relation, name)

    @cached_property
    def _now(self) -> Any:
        return self.dialect.now(self.connection)


def _told(span: Span | None, column: str) -> dict[str, str]:
    """Say for people what lies in a span."""
    if span is None:
        return {"column": column}
    ends = {"from": span.lower, "to": span.upper, "values": ", ".join(span.values)}
    return {"column": column, **{k: v for k, v in ends.items() if v}}
