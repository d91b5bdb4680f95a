"""Which kind of increment a source can do, and what it needs for it: the rules of the earlier system."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dativo_dagster.config.job import Incremental

if TYPE_CHECKING:
    from dativo_dagster.config.streamfile import IncrementalFile

DEFAULTS = {
    "csv": "file_modified_time",
    "files": "file_modified_time",
    "json": "file_modified_time",
    "parquet": "file_modified_time",
    "markdown_kv": "file_modified_time",
    "gdrive_csv": "file_modified_time",
    "google_sheets": "spreadsheet_modified_time",
    "stripe": "created",
    "hubspot": "updated_after",
    "postgres": "updated_at",
    "mysql": "updated_at",
    "mariadb": "updated_at",
    "adbc": "updated_at",
    "sqlalchemy": "updated_at",
    "plugin": "incremental",
}
"""The strategy of each connector that can tell new data from old."""

_BY_TIME = {"file_modified_time": "files", "spreadsheet_modified_time": "sheets"}
_BY_COLUMN = ("updated_at", "updated_after", "created")  # one thing in a database: a column that grows
_DATABASES = frozenset({"postgres", "mysql", "mariadb", "adbc", "sqlalchemy"})
_DAY_SECONDS = 86_400.0


def incremental_of(said: IncrementalFile, connector: str, options: frozenset[str], *, ours: bool) -> Incremental | None:
    """Give the increment that a source is to do; None when all of it is read every time.

    Args:
        said: What the job says.
        connector: The kind of source.
        options: Which of the source's options are set.
        ours: Whether the connector is one of this distribution, whose strategies are known here.

    Raises:
        ValueError: The connector cannot, or the strategy lacks what it needs.
    """
    default = DEFAULTS.get(connector)
    strategy = default if said.strategy == "incremental" and default else said.strategy or default
    if strategy == "full_refresh":
        return None
    if strategy is None:
        raise ValueError(f"{connector} cannot tell new data from old; remove `incremental`, or say full_refresh")
    others = _BY_COLUMN if connector in _DATABASES else tuple(_BY_TIME)
    if ours and strategy != default and strategy not in others:
        known = ", ".join(dict.fromkeys((default or "", *others))).removeprefix(", ")
        raise ValueError(f"{connector} has no strategy {strategy!r}; use {known} or full_refresh")
    if strategy in _BY_COLUMN and not said.cursor_field:
        raise ValueError(f"{strategy} needs `cursor_field`, the column that says when a row was changed")
    needed = _BY_TIME.get(strategy)
    if ours and needed and not options & {needed, needed.removesuffix("s")}:
        raise ValueError(f"{strategy} needs `{needed}`")
    if said.lookback and said.lookback_days:
        raise ValueError("say `lookback` or `lookback_days`, not both")
    return Incremental(
        strategy=strategy,
        cursor_field=said.cursor_field,
        lookback_days=said.lookback_days or 0,
        lookback=said.lookback or (said.lookback_days or 0) * _DAY_SECONDS,
        safe_lag=said.safe_lag or 0.0,
        null_cursor=said.null_cursor,
        start=said.start,
        on_missing_state=said.on_missing_state,
        state_path=said.state_path,
    )
