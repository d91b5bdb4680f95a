"""What is wrong in a file, all of it in one error: one line each with place, field, what was wrong, what to do."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from dativo_dagster.config.interpolate import Unresolved
from dativo_ingest.exceptions import ConfigurationError, DativoError

if typing.TYPE_CHECKING:
    from dativo_dagster.config.document import Document, Location, Mark

M = TypeVar("M", bound=BaseModel)
_WANTED = {
    "dict_type": "write a mapping here, such as {key: value}",
    "mapping_type": "write a mapping here, such as {key: value}",
    "model_type": "write a mapping here, such as {key: value}",
    "list_type": "write a list here, such as [a, b]",
    "tuple_type": "write a list here, such as [a, b]",
    "string_type": "write a text here",
    "bool_type": "write true or false here",
    "too_short": "the list is empty; it needs an entry",
}
_SHORTEST_SECRET = 4


class Mistakes:
    """A list of mistakes that fills while a file is read; the same mistake at the same place counts once.

    ``code`` is that of the error, when no mistake says its own or several differ.
    """

    def __init__(self, code: str = "BAD_JOB") -> None:
        self.code = code
        self._found: dict[tuple[str, int, int, str], str] = {}
        self.secret: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._found)

    def add(self, mark: Mark, location: Location, why: str, code: str | None = None) -> None:
        """Note one mistake at ``mark``."""
        field = dotted(location)
        self._found.setdefault((*mark, f"{mark}: {field}{': ' if field else ''}{self._masked(why)}"), code or self.code)

    def take(self, error: DativoError, mark: Mark) -> None:
        """Note an error that names its own place, found while reading what ``mark`` names."""
        self._found.setdefault((*mark, error.message), error.error_code)

    def raise_any(self) -> None:
        """Raise all mistakes as one error, in the order of the file; do nothing when there is none."""
        if not self._found:
            return
        lines = [text for *_, text in sorted(self._found)]
        codes = set(self._found.values())
        code = codes.pop() if len(codes) == 1 else self.code
        raise ConfigurationError("\n".join(lines), code, {"count": len(lines)})

    def _masked(self, why: str) -> str:
        """Put names for values that came from the environment: they may be secrets."""
        for value, name in self.secret.items():
            if len(value) >= _SHORTEST_SECRET:
                why = why.replace(value, f"${{{name}}}")
        return why


def validated(model: type[M], document: Document, mistakes: Mistakes, *, within: Location = ()) -> M | None:
    """Give ``document`` as a ``model``, or None with its mistakes noted.

    Args:
        model: What the document holds.
        document: The document, or the part of one that stands at ``within``.
        mistakes: Where to note what is wrong.
        within: Prefix of field names in messages.
    """
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        for location, why, unknown in explained(error, model, document.data):
            mistakes.add(document.mark(location, key=unknown), (*within, *location), why)
    return None


def explained(
    error: ValidationError, model: type[BaseModel], data: Any, *, known: Iterable[str] = ()
) -> Iterator[tuple[Location, str, bool]]:
    """Give location, message, and whether the key itself is wrong, for each mistake that pydantic found.

    A value with a variable that is not set yet is nobody's mistake. ``known`` names keys beside those of the model.
    """
    errors = error.errors(include_url=False)
    places = [_real(found["loc"], data, missing=found["type"] == "missing") for found in errors]
    inside = [place for found, place in zip(errors, places, strict=True) if not found["type"].endswith("_type")]
    for found, location in zip(errors, places, strict=True):
        if _open(found["input"]) and found["type"] not in {"extra_forbidden", "missing"}:
            continue
        if found["type"].endswith("_type") and any(place[: len(location)] == location for place in inside):
            continue  # of two shapes that a block may have it is the other one, which has a mistake inside
        if found["type"] == "extra_forbidden":
            names = [*_names(model, location[:-1]), *(known if len(location) == 1 else ())]
            yield location, _misplaced(model, location) or unknown_key(str(location[-1]), names), True
        elif found["type"] == "missing":
            yield location[:-1], f"{location[-1]!r} is missing", True
        elif found["type"] == "literal_error" and isinstance(found["input"], str):
            yield location, f"{found['input']!r} is not one of {found['ctx']['expected']}", False
        else:
            yield location, _WANTED.get(found["type"]) or _said(found["msg"]), False


def _misplaced(model: type[BaseModel], location: Location) -> str | None:
    """Say which blocks of a file have the key that was written beside them, as `place` beside `source`."""
    *above, key = location
    blocks = () if above else _names(model, ())
    homes = [f"`{block}`" for block in blocks if key in _names(model, (block,))]
    return f"unknown key {key!r}; it is a key of {' or '.join(homes)}: write it there" if homes else None


def unknown_key(key: str, known: Iterable[str]) -> str:
    """Say that ``key`` is unknown, and which known one was probably meant."""
    return f"unknown key {key!r}; {nearest(key, known)}"


def nearest(word: str, known: Iterable[str]) -> str:
    """Say which known word was probably meant, or which there are."""
    words = sorted(set(known))
    near = difflib.get_close_matches(word, words, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known are: {', '.join(words)}"


def dotted(location: Location) -> str:
    """Write a location as ``source.files[0].path``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")


def _said(message: str) -> str:
    for prefix in ("Value error, ", "Assertion failed, "):
        message = message.removeprefix(prefix)
    return message[0].lower() + message[1:] if message[1:2].islower() else message


def _real(location: Iterable[int | str], data: Any, *, missing: bool) -> tuple[int | str, ...]:
    """Leave out the names of validators and of union members that pydantic puts into a location."""
    parts, real = list(location), []
    if missing:
        return (*_real(parts[:-1], data, missing=False), parts[-1])
    for part in parts:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            continue
        real.append(part)
    return tuple(real)


def _open(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_open(v) for v in value.values())
    if isinstance(value, list):
        return any(_open(v) for v in value)
    return isinstance(value, Unresolved)


def _names(model: type[BaseModel], location: Location) -> list[str]:
    models = [model]
    for part in location:
        fields = [f for m in models for name, f in m.model_fields.items() if part in (name, f.alias)]
        models = [m for f in fields for m in models_in(f.annotation)] or models
    return [f.alias or name for m in models for name, f in m.model_fields.items()]


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Give the models in a type, such as ``Item`` in ``list[Item] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from models_in(argument)
