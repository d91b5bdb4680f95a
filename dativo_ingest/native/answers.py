"""JSON of a plugin as values of the model: what does not have their shape is told and not guessed at."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from dativo_ingest.model import Value

if typing.TYPE_CHECKING:
    from dativo_ingest.native.errors import Call

V = TypeVar("V", bound=Value)


def value(kind: type[V], data: Any, call: Call) -> V:
    """Make a value of the model from an answer.

    Raises:
        PluginError: ``PLUGIN_BAD_ANSWER``: the message says where in the answer and what should be there.
    """
    if wrong := _wrong(kind, data, kind.__name__):
        raise bad(wrong, call)
    return kind.from_json(data)


def values(kind: type[V], data: Any, key: str, call: Call) -> list[V]:
    """Make the values of the list under ``key`` of an answer."""
    found = mapping(data, call).get(key)
    if not isinstance(found, list):
        raise bad(f"{key}: expected a list of {kind.__name__}, found {_named(found)}", call)
    return [value(kind, item, call) for item in found]


def mapping(data: Any, call: Call) -> Mapping[str, Any]:
    """Give an answer that is an object."""
    if not isinstance(data, Mapping):
        raise bad(f"expected an object, found {_named(data)}", call)
    return data


def bad(wrong: str, call: Call) -> Exception:
    """Make the error of an answer that has another shape."""
    return call.broken(f"answered in another shape than the ABI has: {wrong}", "PLUGIN_BAD_ANSWER")


def _wrong(hint: Any, data: Any, path: str) -> str | None:
    """Say what is wrong with the first part of ``data`` that is not what ``hint`` says; None when nothing is."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return None
    if origin in (typing.Union, types.UnionType):
        plain = [i for i in inner if i is not type(None)]
        return None if data is None and len(plain) < len(inner) else _wrong(plain[0], data, path)
    if origin is tuple:
        return _first(inner[0], enumerate(data), path) if _is_list(data) else _expected("a list", data, path)
    if origin is not None and issubclass(origin, Mapping):
        return _first(inner[1], data.items(), path) if isinstance(data, Mapping) else _expected("an object", data, path)
    if issubclass(hint, Value):
        return _wrong_value(hint, data, path)
    fits = isinstance(data, hint) and (hint is bool or not isinstance(data, bool))
    return None if fits else _expected(hint.__name__, data, path)


def _wrong_value(kind: type[Value], data: Any, path: str) -> str | None:
    if not isinstance(data, Mapping):
        return _expected("an object", data, path)
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if field.name in data:
            if wrong := _wrong(hints[field.name], data[field.name], f"{path}.{field.name}"):
                return wrong
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            return f"{path}.{field.name}: is missing"
    return None


def _first(hint: Any, items: Any, path: str) -> str | None:
    return next((w for key, item in items if (w := _wrong(hint, item, f"{path}[{key}]"))), None)


def _is_list(data: Any) -> bool:
    return isinstance(data, Sequence) and not isinstance(data, (str, bytes))


def _expected(what: str, data: Any, path: str) -> str:
    return f"{path}: expected {what}, found {_named(data)}"


def _named(data: Any) -> str:
    return "nothing" if data is None else type(data).__name__
