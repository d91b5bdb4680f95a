"""JSON read one record at a time: slower than pyarrow and exact. `formats.json` calls it for what pyarrow refuses.

A record is a JSON object whose values can be what the contract says: a string, or the JSON kind of its type. Values
become text, numbers digit by digit as they stand in the file, which validation reads; a list, struct or map keeps its
shape with text in it. Any other record comes in the column ``CORRUPT``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dativo_dagster.formats.corrupt import Corrupt, corrupt_batch
from dativo_ingest.exceptions import ConfigurationError, ValidationError

if TYPE_CHECKING:
    from dativo_dagster.formats.csv_chunks import Block

BATCH_ROWS = 16 * 1024
_BLANKS = " \t\r\n"
_T = pa.types


class Number(str):
    """The digits of a number as they stand in the file."""

    __slots__ = ()


class _RefusedError(ValueError):
    """A record that is none, and why."""


@dataclass(frozen=True)
class Record:
    """One record: its text and place, and its value or why it has none."""

    text: str
    line: int
    offset: int
    value: dict[str, Any] | None
    reason: str = ""


def lines_of(block: Block, hint: pa.Schema) -> Iterator[Record]:
    """Read each line of a block that is not blank."""
    offset = block.offset
    for number, line in enumerate(block.data.split(b"\n"), block.line):
        text = line.decode().strip(_BLANKS)
        if text:
            yield read_record(text, number, offset, hint)
        offset += len(line) + 1


def read_record(text: str, line: int, offset: int, hint: pa.Schema) -> Record:
    """Read one JSON object; what is not one becomes a record without value."""
    try:
        return Record(text, line, offset, _decode(text, hint))
    except json.JSONDecodeError as error:
        reason = f"not JSON: {error.msg} at character {error.pos + 1}"
    except UnicodeEncodeError:
        reason = "an escape is no character but half a surrogate pair"
    except RecursionError:
        reason = "nested too deep"
    except _RefusedError as error:
        reason = str(error)
    return Record(text, line, offset, None, reason)


def rows_batches(records: Iterable[Record], hint: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Make batches of records, with the corrupt ones of each behind it."""
    records = iter(records)
    while some := list(islice(records, BATCH_ROWS)):
        values = [r.value for r in some if r.value is not None]
        names = list(dict.fromkeys([*hint.names, *(n for v in values for n in v)]))
        arrays = {n: column_of([v.get(n) for v in values], hint.field(n) if n in hint.names else None) for n in names}
        if values:
            yield pa.RecordBatch.from_pydict(arrays)
        corrupt = [
            Corrupt(record=r.text, reason=r.reason, line=r.line, offset=r.offset) for r in some if r.value is None
        ]
        if corrupt:
            yield corrupt_batch(corrupt, [(n, a.type) for n, a in arrays.items()])


# --- one record -------------------------------------------------------------------------------------------------


def _decode(text: str, hint: pa.Schema) -> dict[str, Any]:
    value = decoded(text)
    if not isinstance(value, dict):
        raise _RefusedError(f"{_kind(value)}, expected an object")
    if "\\u" in text:
        json.dumps(value, ensure_ascii=False).encode()  # finds half surrogate pairs, in names too
    for field in hint:
        if field.name in value:
            _check(value[field.name], field, field.name)
    return value


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _RefusedError("an object has a name twice")
    return found


def _constant(name: str) -> Any:
    raise _RefusedError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_int=Number, parse_float=Number, parse_constant=_constant)


def decoded(text: str) -> Any:
    """Read JSON with its numbers digit by digit; ValueError when it is none, or an object has a name twice."""
    return _DECODER.decode(text)


def _check(value: Any, field: pa.Field, path: str) -> None:
    """Refuse a value that is of another JSON kind than its type; a string may be any plain value."""
    kind = field.type
    if value is None or is_json(field):
        return
    if _T.is_struct(kind) and isinstance(value, dict):
        known = {f.name: f for f in kind}
        for name, inner in value.items():
            if name not in known:
                raise _RefusedError(f"{path}: the contract's struct has no {name!r}")
            _check(inner, known[name], f"{path}.{name}")
    elif _T.is_list(kind) and isinstance(value, list):
        for element in value:
            _check(element, kind.value_field, f"{path}[]")
    elif _T.is_map(kind) and isinstance(value, dict):
        for inner in value.values():
            _check(inner, kind.item_field, f"{path}[]")
    elif _T.is_nested(kind) or not _may_be(value, kind):
        raise _RefusedError(f"{path}: {_kind(value)}, expected {kind}")


def _may_be(value: Any, kind: pa.DataType) -> bool:
    if isinstance(value, Number):
        return bool(_T.is_integer(kind) or _T.is_floating(kind) or _T.is_decimal(kind))
    return isinstance(value, str) or (isinstance(value, bool) and bool(_T.is_boolean(kind)))


def _kind(value: Any) -> str:
    names = {Number: "a number", str: "a string", bool: "a boolean", list: "an array", dict: "an object"}
    return names.get(type(value), "null")


# --- a column of values -----------------------------------------------------------------------------------------


def column_of(values: Sequence[Any], field: pa.Field | None) -> pa.Array:
    """Make a column of values as records have them: in the shape of ``field``, or as plain text where it is None."""
    if field is None:
        return pa.array([v if type(v) is str else encoded(v) for v in values], pa.string())
    return pa.array([_shaped(v, field) for v in values], _text_type(field))


def _shaped(value: Any, field: pa.Field) -> Any:
    """Give a value with text for every plain part of it."""
    kind = field.type
    if value is None or is_json(field):
        return encoded(value)
    if _T.is_struct(kind):
        return {f.name: _shaped(value.get(f.name), f) for f in kind}
    if _T.is_list(kind):
        return [_shaped(v, kind.value_field) for v in value]
    if _T.is_map(kind):
        return [(name, _shaped(v, kind.item_field)) for name, v in value.items()]
    return str(value) if isinstance(value, str) else encoded(value)


def _text_type(field: pa.Field) -> pa.DataType:
    kind = field.type
    if _T.is_struct(kind):
        return pa.struct([(f.name, _text_type(f)) for f in kind])
    if _T.is_list(kind):
        return pa.list_(_text_type(kind.value_field))
    return pa.map_(pa.string(), _text_type(kind.item_field)) if _T.is_map(kind) else pa.string()


def is_json(field: pa.Field) -> bool:
    """Say whether a column holds JSON as text."""
    return (field.metadata or {}).get(b"dativo.type") == b"json"


def encoded(value: Any) -> str | None:
    """Write a value as JSON again, its numbers as they were; NULL stays NULL."""
    if value is None or isinstance(value, Number):
        return value and str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{encoded(k)}:{encoded(v) or 'null'}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(encoded(v) or "null" for v in value) + "]"
    return json.dumps(value, ensure_ascii=False)


# --- an array of records ----------------------------------------------------------------------------------------

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|["\[\]{},]', re.DOTALL)


@dataclass
class ArrayText:
    """A text that is one array, cut into elements while it arrives.

    ``at`` is how far it was looked at, ``start`` where the element begins that is not cut yet, ``counted`` the place
    in ``text`` that ``line`` and ``offset`` tell of.
    """

    name: str
    hint: pa.Schema
    max_record_chars: int
    text: str = ""
    at: int = 0
    start: int = 0
    counted: int = 0
    depth: int = 0
    closed: bool = False
    line: int = 1
    offset: int = 0

    def records(self, texts: Iterable[str]) -> Iterator[Record]:
        """Read each element.

        Raises:
            ValidationError: ``BAD_JSON``: the array has no end, or there is text behind it.
            ConfigurationError: ``RECORD_TOO_LONG``.
        """
        for more in texts:
            self.text += more
            yield from self._elements()
            self._drop()
            if len(self.text) > self.max_record_chars:
                raise ConfigurationError(
                    f"{self.name}:{self.line}: the element at byte {self.offset:,} is longer than "
                    f"{self.max_record_chars:,} characters; is a quote or a bracket missing?",
                    "RECORD_TOO_LONG",
                )
        if not self.closed or self.text.strip(_BLANKS):
            what = "there is text behind it" if self.closed else "it has no end"
            raise ValidationError(
                f"{self.name}:{self.line}: the JSON array is broken, {what}; is the file cut short?", "BAD_JSON"
            )

    def _elements(self) -> Iterator[Record]:
        for token in _TOKEN.finditer(self.text, self.at):
            mark, end = token[0], token.start()
            if mark == '"' or self.closed:
                return  # a string that ends in the next text
            self.at = token.end()
            self.depth += (mark in "[{") - (mark in "]}")
            if mark == "[" and self.depth == 1:
                self.start = self.at
            elif (mark == "," and self.depth == 1) or self.depth == 0:
                self.closed = self.depth == 0
                if not self.closed or self.text[self.start : end].strip(_BLANKS):
                    yield self._record(end)
                self.start = self.at
                if self.closed:
                    return

    def _record(self, end: int) -> Record:
        text = self.text[self.start : end]
        self._go_to(self.start + len(text) - len(text.lstrip(_BLANKS)))
        return read_record(text.strip(_BLANKS), self.line, self.offset, self.hint)

    def _go_to(self, place: int) -> None:
        """Count lines and bytes up to a place in the text."""
        passed = self.text[self.counted : place]
        self.line += passed.count("\n")
        self.offset += len(passed.encode())
        self.counted = place

    def _drop(self) -> None:
        """Forget the text before the element that is not cut yet."""
        self._go_to(self.start)
        self.text = self.text[self.start :]
        self.at -= self.start
        self.start = self.counted = 0
