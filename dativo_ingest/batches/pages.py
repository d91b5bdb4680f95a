"""Pages of rows as columns of values: small pages are collected until they are worth an array. Called by `batches`.

A plugin may use a page, or a row, again as soon as it is asked for the next one, so nothing of it is kept but values.
"""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import itemgetter
from typing import Any

from dativo_ingest.exceptions import PluginError
from dativo_ingest.protocols import CORRUPT

FEWEST, MOST = 512, 4096
"""Rows of one piece: fewer are collected first, more are cut. Their values are still in the processor's cache."""
BYTES = 8 * 1024 * 1024
"""Bytes of one piece, roughly: the text of its rows."""

LONGEST_RECORD = 64 * 1024
_SAMPLE = 4
_FIXED = (
    *(bool, int, float, str, bytes, type(None), decimal.Decimal, uuid.UUID),
    *(dt.datetime, dt.date, dt.time, dt.timedelta),
)


@dataclass
class Pages:
    """Columns that grow page by page.

    ``corrupt`` has, of the rows that are no dicts, type and text by their place in the batch.
    """

    columns: dict[str, list[Any]] = field(default_factory=dict)
    rows: int = 0
    bytes: float = 0.0
    corrupt: dict[int, tuple[str, str]] = field(default_factory=dict)

    @property
    def full(self) -> bool:
        """Say whether there are enough rows, or bytes."""
        return self.rows >= FEWEST or self.bytes >= BYTES

    def add(self, page: Sequence[Any]) -> None:
        """Add the rows of a page.

        Raises:
            PluginError: ``PLUGIN_BAD_ROW``, the keys of a row are no text.
        """
        columns = _same_keys(page)
        if columns is None:
            columns = self._any_keys(page)
        _check_names(columns)
        self.rows += len(page)
        if self.rows < FEWEST:
            self.bytes += _row_bytes(page) * len(page)
        for name, values in columns.items():
            self._extend(name, values, len(page))
        for name in self.columns.keys() - columns.keys():
            self.columns[name] += [None] * len(page)
        if not self.full:
            for name in columns:
                _detach(self.columns[name], self.rows - len(page))

    def _extend(self, name: str, values: list[Any], rows: int) -> None:
        there = self.columns.get(name)
        if there is not None:
            there += values
        else:
            before = self.rows - rows
            self.columns[name] = [None] * before + values if before else values

    def _any_keys(self, page: Sequence[Any]) -> dict[str, list[Any]]:
        rows: list[Mapping[str, Any]] = []
        for place, row in enumerate(page, self.rows):
            known = isinstance(row, Mapping)
            if not known:
                self.corrupt[place] = (type(row).__name__, shown(row))
            rows.append(row if known else {})
        return {name: [row.get(name) for row in rows] for name in dict.fromkeys(chain.from_iterable(rows))}


def _same_keys(page: Sequence[Any]) -> dict[str, list[Any]] | None:
    """Give the columns of dicts that have the same keys; None when they are not such."""
    try:
        if len(set(map(len, page))) > 1 or not isinstance(page[0], Mapping):
            return None
        if any(hasattr(kind, "__missing__") for kind in set(map(type, page))):  # it has every key that it is asked for
            return None
        return {name: list(map(itemgetter(name), page)) for name in page[0]}
    except (LookupError, TypeError):  # another key; no dict
        return None


def _check_names(columns: Mapping[Any, Any]) -> None:
    for name in columns:
        if not isinstance(name, str):
            kind = type(name).__name__
            message = f"a row has a key of type {kind}; the keys of a row are the names of columns, so they are text"
            raise PluginError(message, "PLUGIN_BAD_ROW", {"key_type": kind})
        if name == CORRUPT:
            raise PluginError(f"a row has the key {CORRUPT!r}, which is ours", "PLUGIN_BAD_ROW")


def _detach(values: list[Any], start: int) -> None:
    """Copy what the plugin could still change."""
    if not set(map(type, values[start:])).issubset(_FIXED):
        values[start:] = map(_own, values[start:])


def _own(value: Any) -> Any:
    """Give a value that nobody else can change; one of no type stays as it is."""
    if isinstance(value, Mapping):
        return {key: _own(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_own(inner) for inner in value]
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    return value.copy() if hasattr(value, "__array__") and hasattr(value, "copy") else value


def shown(record: Any) -> str:
    """Give a record as text that quarantine can keep, however broken it is."""
    return repr(record)[:LONGEST_RECORD].encode("utf-8", "backslashreplace").decode()


def slices(page: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Yield a page in parts that are not too large."""
    most = max(1, min(MOST, int(BYTES / _row_bytes(page))))
    if len(page) <= most:
        yield page
    else:
        for start in range(0, len(page), most):
            yield page[start : start + most]


def _row_bytes(page: Sequence[Any]) -> float:
    """Guess the bytes of a row from some of them."""
    some = page[:: max(1, len(page) // _SAMPLE)]
    return sum(len(repr(row)) for row in some) / len(some)
