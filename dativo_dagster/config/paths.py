"""Where a relative path in a file of ours leads. Called by everything that opens what a YAML names."""

from __future__ import annotations

from pathlib import Path


def resolve_path(text: str, base: Path) -> Path:
    """Give the place that ``text`` names: from the working directory if it exists there, else from ``base``.

    The earlier system knew only the first, and a job that is run from anywhere needs the second. ``text`` may be a
    glob, which exists where it matches. ``base`` is the folder of the file that has the path.
    """
    path = Path(text).expanduser()
    if path.is_absolute() or path.exists():
        return path
    if any(mark in text for mark in "*?[") and next(Path.cwd().glob(text), None) is not None:
        return path
    return base / path
