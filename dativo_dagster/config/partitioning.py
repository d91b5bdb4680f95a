"""A partition field as people write it: ``country``, ``day(created_at)``, ``bucket(16, id)``, ``truncate(4, name)``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dativo_dagster.config.job import Partition

_CALL = re.compile(r"(?P<kind>\w+)\(\s*(?:(?P<n>\d+)\s*,\s*)?(?P<column>[^()]+?)\s*\)")
_PLAIN = ("identity", "year", "month", "day", "hour")
_SIZED = ("bucket", "truncate")
_LARGEST = 2**31 - 1


def parse_partition(said: Any) -> Partition:
    """Read one partition field; a mapping ``{column, transform}`` does for names with brackets.

    Raises:
        ValueError: It is none; the message shows how it is written.
    """
    if isinstance(said, Partition):
        return said
    if isinstance(said, Mapping) and set(said) <= {"column", "transform"} and isinstance(said.get("column"), str):
        call = re.fullmatch(r"(\w+)(?:\[(\d+)\])?", str(said.get("transform", "identity")))
        if call:
            return _partition(said["column"], call[1], call[2])
    elif isinstance(said, str) and said.strip():
        call = _CALL.fullmatch(said.strip())
        if call:
            return _partition(call["column"], call["kind"].lower(), call["n"])
        if not re.search(r"[()\[\]]", said):
            return Partition(column=said.strip())
    raise ValueError(f"{said!r} is no partition; write column, day(column), bucket(16, column) or truncate(4, column)")


def _partition(column: str, kind: str, size: str | None) -> Partition:
    if kind in _PLAIN:
        if size is not None:
            raise ValueError(f"{kind} takes no number; write {kind}({column})")
        return Partition(column=column, transform=kind)
    if kind in _SIZED and size is not None and 0 < int(size) <= _LARGEST:
        return Partition(column=column, transform=f"{kind}[{int(size)}]")
    if kind in _SIZED:
        raise ValueError(f"{kind} needs a size from 1, such as {kind}(16, {column})")
    raise ValueError(f"there is no partition transform {kind!r}; known are {', '.join((*_PLAIN, *_SIZED))}")
