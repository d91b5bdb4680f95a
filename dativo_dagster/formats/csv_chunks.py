"""A stream of CSV text cut into blocks of whole records, without parsing them.

A cut is first a guess (the last line end), because looking at every quote costs more than parsing. Whoever parses a
block learns whether it ended inside a quoted value; then the block is put back and cut with more care: after an even
number of quotes, and at last by following each quote. How fields begin and end is pyarrow's reading: a quote opens
a field only as its first character; anywhere else, and after the closing quote, it is text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from dativo_dagster.formats.text import lines_in
from dativo_ingest.exceptions import ConfigurationError, ValidationError

_LEAD = 0xC0  # bytes from here on start a character of several bytes
_LINE_END = re.compile(rb"\r\n|\r|\n")


@dataclass(frozen=True, kw_only=True)
class Quoting:
    """What the cutter must know of a dialect; each is one byte, None when there is none."""

    delimiter: bytes = b","
    quote: bytes | None = b'"'
    escape: bytes | None = None
    doubled: bool = True


@dataclass(frozen=True, kw_only=True)
class Block:
    """Whole records. ``line`` (from 1) and ``offset`` say where the first byte is in the text as UTF-8."""

    data: bytes
    line: int
    offset: int
    last: bool


@dataclass(frozen=True)
class Scan:
    """Stretches of text outside quotes, in order, and where a quote is that nothing closes."""

    plain: list[tuple[int, int]]
    open_quote: int | None

    def last_end(self, data: bytes) -> int:
        """Give the offset after the last record that is surely whole."""
        for start, stop in reversed(self.plain):
            cut = _last_line_end(data, start, stop)
            if cut > 0:
                return cut
        return 0

    def record_ends(self, data: bytes) -> Iterator[int]:
        """Give the offset after each line end that ends a record, and the end of the data."""
        end = 0
        for start, stop in self.plain:
            for found in _LINE_END.finditer(data, start, stop):
                end = found.end()
                yield end
        if end < len(data):
            yield len(data)


def scan(data: bytes, quoting: Quoting) -> Scan:
    """Follow every quote of ``data``, which starts at a record."""
    if quoting.quote is None and quoting.escape is None:
        return Scan([(0, len(data))], None)
    plain: list[tuple[int, int]] = []
    starts = quoting.delimiter + b"\r\n"
    special = re.compile(b"|".join(_specials(quoting)), re.DOTALL)
    inner = re.compile(b"|".join(_specials(quoting, inside=True)), re.DOTALL)
    at = begin = 0
    field_at = 0  # right after an escape there is text, so a quote there opens nothing
    while found := special.search(data, at):
        at = found.end()
        if found[0] != quoting.quote:  # an escaped character
            plain.append((begin, found.start()))
            begin = field_at = at
            continue
        opened = found.start()
        if opened and (data[opened - 1] not in starts or opened == field_at):
            continue
        plain.append((begin, opened))
        while (closing := inner.search(data, at)) and closing[0] != quoting.quote:
            at = closing.end()
        if closing is None:
            return Scan(plain, opened)
        begin = field_at = at = closing.end()
    return Scan([*plain, (begin, len(data))], None)


def _specials(quoting: Quoting, *, inside: bool = False) -> list[bytes]:
    found = [re.escape(quoting.escape) + b"."] if quoting.escape else []
    if quoting.quote:
        quote = re.escape(quoting.quote)
        found += [quote + quote, quote] if inside and quoting.doubled else [quote]
    return found


def _last_line_end(data: bytes, start: int, stop: int) -> int:
    """Give the offset after the last line end in ``data[start:stop]``, 0 when there is none."""
    if start < stop == len(data) and data[-1:] == b"\r":
        stop -= 1  # the next read may bring the \n that belongs to it
    cut = data.rfind(b"\n", start, stop) + 1
    return cut or data.rfind(b"\r", start, stop) + 1


class Chunks:
    """Reads a stream and cuts it."""

    SUREST = 2  # the last of three ways to cut, each surer and dearer than the one before

    def __init__(
        self, stream: IO[bytes], name: str, quoting: Quoting, *, block_bytes: int, max_record_bytes: int
    ) -> None:
        self.stream, self.name, self.quoting = stream, name, quoting
        self.block_bytes, self.max_record_bytes = block_bytes, max_record_bytes
        self.rest = b""
        self.line, self.offset, self.care, self.ended = 1, 0, 0, False

    def starts_with(self, mark: bytes) -> bool:
        """Say whether the first bytes that are not blank are these."""
        self._fill(self.block_bytes)
        return self.rest.lstrip().startswith(mark)

    def skip_lines(self, count: int) -> None:
        """Pass over lines as they are, quotes or not."""
        self._fill(self.block_bytes)
        for _ in range(count):
            while not (found := _LINE_END.search(self.rest)) and not self.ended:
                self._fill(len(self.rest) + self.block_bytes)
            self._take(found.end() if found else len(self.rest))

    def first_record(self) -> Block | None:
        """Take the first record that is not blank; None when there is none."""
        self._fill(self.block_bytes)
        while True:
            scanned, start = scan(self.rest, self.quoting), 0
            for end in scanned.record_ends(self.rest):
                whole = end < len(self.rest) or (self.ended and scanned.open_quote is None)
                if whole and self.rest[start:end].strip(b"\r\n"):
                    self._take(start)
                    return self._take(end - start)
                start = end
            if self.ended and scanned.open_quote is not None:
                raise self.unclosed(Block(data=self.rest, line=self.line, offset=self.offset, last=True))
            if self.ended:
                return None
            if len(self.rest) > self.max_record_bytes:
                raise self._too_long()
            self._fill(len(self.rest) + self.block_bytes)

    def next(self) -> Block | None:
        """Cut the next block; None at the end."""
        self._fill(self.block_bytes)
        while self.rest:
            if self.ended:
                return self._take(len(self.rest))
            if cut := self._cut():
                return self._take(cut)
            if len(self.rest) > self.max_record_bytes:
                raise self._too_long()
            self._fill(len(self.rest) + self.block_bytes)
        return None

    def next_text(self) -> Block | None:
        """Take what is there, cut between two characters and not between records; None at the end."""
        self._fill(self.block_bytes)
        if not self.rest:
            return None
        cut = len(self.rest)
        tail = self.rest[-3:]
        lead = max((i for i, byte in enumerate(tail) if byte >= _LEAD), default=None)
        if lead is not None and not self.ended:
            cut += lead - len(tail)
        return self._take(cut or len(self.rest))

    def put_back(self, blocks: Sequence[Block]) -> None:
        """Take back blocks that were cut inside a record, the first of them wrongly, and cut with more care."""
        self.rest = b"".join([*(b.data for b in blocks), self.rest])
        self.line, self.offset = blocks[0].line, blocks[0].offset
        self.care += 1

    def unclosed(self, block: Block) -> ValidationError:
        """Make the error for a quote that is open at the end of the file."""
        at = scan(block.data, self.quoting).open_quote or 0
        line = block.line + lines_in(block.data[:at])
        return ValidationError(
            f"{self.name}:{line}: the quote at byte {block.offset + at:,} is never closed; the file is cut short, or "
            "its quoting is not what the job says (`quote_char`, `escape_char`; `quote_char: null` for none)",
            "UNCLOSED_QUOTE",
            {"file": self.name, "line": line, "offset": block.offset + at},
        )

    def _cut(self) -> int:
        if self.care == 0:
            return _last_line_end(self.rest, 0, len(self.rest))
        if self.care == 1 and self.quoting.quote is not None:
            return self._even_cut()
        return scan(self.rest, self.quoting).last_end(self.rest)

    def _even_cut(self) -> int:
        """Cut after the last line end that has an even number of quotes before it."""
        quote, stop = self.quoting.quote or b"", len(self.rest)
        odd = self.rest.count(quote) % 2
        while cut := _last_line_end(self.rest, 0, stop):
            if (odd + self.rest.count(quote, cut, stop)) % 2 == 0:
                return cut
            stop, odd = self.rest.rfind(quote, 0, cut), 0
        return 0

    def _take(self, size: int) -> Block:
        data, self.rest = self.rest[:size], self.rest[size:]
        block = Block(data=data, line=self.line, offset=self.offset, last=self.ended and not self.rest)
        self.line += lines_in(data)
        self.offset += size
        return block

    def _fill(self, size: int) -> None:
        if self.ended or len(self.rest) >= size:
            return
        parts, have = [self.rest], len(self.rest)
        while have < size:
            part = self.stream.read(size - have)
            if not part:
                self.ended = True
                break
            parts.append(part)
            have += len(part)
        self.rest = b"".join(parts)

    def _too_long(self) -> ConfigurationError:
        return ConfigurationError(
            f"{self.name}:{self.line}: the record that starts at byte {self.offset:,} is longer than "
            f"{self.max_record_bytes:,} bytes; a quote in it is probably never closed. Mend the file, or set "
            "`quote_char: null` if quotes mean nothing in it",
            "RECORD_TOO_LONG",
            {"file": self.name, "line": self.line, "offset": self.offset},
        )
