"""States as tables keep them, and the audit trail of what people did to them. Tables call it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TypeVar

from dativo_ingest.exceptions import CommitError, ConfigurationError
from dativo_ingest.model import State, StateChange

T = TypeVar("T")
KEPT = 20
UNREADABLE = "unreadable"
"""Token of a state that is none, where all states are shown, so that a person can put another in its place."""


def parsed(text: str, where: str) -> State:
    """Read a state.

    Raises:
        ConfigurationError: ``STATE_CORRUPT``: it is none. It is never taken for an empty one.
    """
    try:
        state = State.loads(text)
        if isinstance(state.token, str) and (state.cursor is None or isinstance(state.cursor.value, dict)):
            return state
        why = "token or cursor is not of its type"
    except (ValueError, TypeError, AttributeError) as error:
        why = str(error)
    raise ConfigurationError(
        f"{where} holds no state: {why}. Put one there with `dativo state set` or `dativo state reset`",
        "STATE_CORRUPT",
        {"where": where},
    )


def of_json(said: object, where: str) -> State:
    """Read a state that was JSON in a larger document; raises as `parsed`."""
    return parsed(json.dumps(said), where)


def shown(said: object) -> State:
    """Give a state as `Table.states` does."""
    try:
        return of_json(said, "") if not isinstance(said, str) else parsed(said, "")
    except ConfigurationError:
        return State(token=UNREADABLE)


def kept(trail: Sequence[T]) -> Sequence[T]:
    """Give what stays of an audit trail, the oldest first."""
    return trail[-KEPT:]


def moved(change: StateChange, there: State | None, where: str) -> CommitError:
    """Make the error for a state that is not the one that a person saw."""
    return CommitError(
        f"table {where}: the state of {change.key} is not what it was when you looked: a run committed meanwhile, or "
        "somebody else changed it. Look again with `dativo state show`",
        "STATE_MOVED",
        {"key": change.key, "token": there.token if there else None},
    )
