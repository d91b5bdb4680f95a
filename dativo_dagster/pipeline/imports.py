"""Imports that a small run can do without. Called by the CLI before anything uses pyarrow."""

from __future__ import annotations

import sys
from typing import Any


class _NoPandas:
    """An import hook that says that pandas is not installed."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:  # noqa: ARG004 - the hook's signature
        if name == "pandas":
            raise ModuleNotFoundError(name=name)


def spare_pandas() -> None:
    """Keep pyarrow from importing pandas, which takes as long as all the rest of a small run.

    pyarrow looks for pandas when it makes its first scalar, only to recognise foreign objects. That one look fails;
    `to_pandas` and every other import of pandas look again and find it.
    """
    if "pandas" in sys.modules:
        return
    hook = _NoPandas()
    sys.meta_path.insert(0, hook)
    try:
        import pyarrow as pa

        pa.scalar(True)  # noqa: FBT003 - any scalar makes pyarrow look
    finally:
        sys.meta_path.remove(hook)
