"""Old import path of the state of incremental plugins, and of a check that the platform now does by itself.

State is one JSON file. Unlike in the earlier system a write is atomic, two writers wait for each other, and a file that
cannot be read is an error: taking it for empty would read everything again without a word.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dativo_ingest import doorways
from dativo_ingest.statefile import corrupt, locked, replace


class IncrementalStateManager:
    """Reads and writes the state of an incremental plugin, which finds the file's path in its configuration."""

    @staticmethod
    def read_state(state_path: Path) -> dict[str, Any]:
        """Give the state; empty when there is no file yet.

        Raises:
            ConfigurationError: ``STATE_CORRUPT``, the file is there and holds no JSON object.
        """
        try:
            text = Path(state_path).read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError) as error:
            raise corrupt(state_path, str(error)) from error
        try:
            state = json.loads(text)
        except ValueError as error:
            raise corrupt(state_path, str(error)) from error
        if not isinstance(state, dict):
            raise corrupt(state_path, f"it holds a value of type {type(state).__name__}")
        return state

    @staticmethod
    def write_state(state_path: Path, state: dict[str, Any]) -> None:
        """Put a state in place of the last one, whole or not at all."""
        with locked(Path(state_path)):
            _replace(Path(state_path), state)

    @staticmethod
    def should_skip_file(file_id: str, current_modified_time: str, state_path: Path, lookback_days: int = 0) -> bool:
        """Say whether a file was read before and has not changed; never when there is a look back."""
        return _unchanged(f"file_{file_id}", current_modified_time, state_path, lookback_days)

    @staticmethod
    def update_file_state(file_id: str, modified_time: str, state_path: Path) -> None:
        """Remember that a file was read as it stood at ``modified_time``, an ISO time."""
        _set(Path(state_path), f"file_{file_id}", {"last_modified": modified_time, "file_id": file_id})

    @staticmethod
    def should_skip_spreadsheet(
        spreadsheet_id: str, current_modified_time: str, state_path: Path, lookback_days: int = 0
    ) -> bool:
        """Say whether a spreadsheet was read before and has not changed; never when there is a look back."""
        return _unchanged(f"spreadsheet_{spreadsheet_id}", current_modified_time, state_path, lookback_days)

    @staticmethod
    def update_spreadsheet_state(spreadsheet_id: str, modified_time: str, state_path: Path) -> None:
        """Remember that a spreadsheet was read as it stood at ``modified_time``, an ISO time."""
        entry = {"last_modified": modified_time, "spreadsheet_id": spreadsheet_id}
        _set(Path(state_path), f"spreadsheet_{spreadsheet_id}", entry)


class ConnectorValidator:
    """Says whether there is such a connector. All else that it once checked is checked when a job is loaded."""

    @staticmethod
    def validate_connector_type(connector_type: str) -> None:
        """Refuse a connector that the platform does not have.

        Raises:
            ConfigurationError: There is none of that name, or the platform is not installed.
        """
        doorways.connector(connector_type)


def _unchanged(key: str, modified: str, state_path: Path, lookback_days: int) -> bool:
    seen = IncrementalStateManager.read_state(state_path).get(key)
    last = seen.get("last_modified") if isinstance(seen, Mapping) else None
    return isinstance(last, str) and modified <= last and lookback_days == 0


def _set(path: Path, key: str, entry: dict[str, Any]) -> None:
    with locked(path):
        _replace(path, {**IncrementalStateManager.read_state(path), key: entry})


def _replace(path: Path, state: Mapping[str, Any]) -> None:
    replace(path, json.dumps(state, indent=2).encode())
