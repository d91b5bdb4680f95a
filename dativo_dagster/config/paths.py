"""Where a relative path in a file of ours leads. Called by everything that opens what a YAML names."""

from __future__ import annotations

import glob
import os.path
from pathlib import Path


def resolve_path(text: str, base: Path) -> Path:
    """Give the place that ``text`` names: from the working directory if it exists there, else from ``base``.

    The earlier system knew only the first, and a job that is run from anywhere needs the second. ``text`` may be a
    glob, which exists where it matches. ``base`` is the folder of the file that has the path.
    """
    text = os.path.expanduser(text)  # noqa: PTH111 - Path.expanduser raises for a user that is not there
    if os.path.isabs(text) or os.path.exists(text):  # noqa: PTH110, PTH117 - so does Path.exists for a long name
        return Path(text)
    if glob.has_magic(text) and next(glob.iglob(text, recursive=True), None) is not None:  # noqa: PTH207 - and its glob
        return Path(text)
    return base / text


def is_file(path: Path) -> bool:
    """Say whether there is a file; a name that cannot be one is none."""
    return os.path.isfile(path)  # noqa: PTH113 - Path.is_file raises for a long name
