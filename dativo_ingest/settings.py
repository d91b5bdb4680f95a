"""The base of what plugins are configured with: named values in the manner of pydantic, which the SDK does without."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

C = TypeVar("C", bound="Settings")


class Settings:
    """Values given by keyword and read by attribute; a field that was not given has its default, mostly None.

    A subclass says its fields by annotated defaults. A key that no field has is kept and read like one.
    """

    _secret: ClassVar[frozenset[str]] = frozenset()
    _models: ClassVar[Mapping[str, type[Settings]]] = {}

    def __init__(self, **values: Any) -> None:
        vars(self).update({**self._defaults(), **values})
        for name, model in self._models.items():
            value = getattr(self, name)
            if isinstance(value, Mapping):
                setattr(self, name, model(**value))

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        names = [name for base in reversed(cls.__mro__) for name in inspect.get_annotations(base)]
        return {name: copy.copy(getattr(cls, name)) for name in names if not name.startswith("_")}

    def get(self, key: str, default: Any = None) -> Any:
        """Give one value, or ``default`` when it is not set."""
        value = vars(self).get(key)
        return default if value is None else value

    def model_dump(self, *, exclude_none: bool = False, **_: Any) -> dict[str, Any]:
        """Give all values as a dict of its own, nested ones included."""
        plain = {name: _plain(value, exclude_none=exclude_none) for name, value in vars(self).items()}
        return {k: v for k, v in plain.items() if v is not None} if exclude_none else plain

    @classmethod
    def model_validate(cls: type[C], values: Mapping[str, Any]) -> C:
        """Make it from a mapping."""
        return cls(**values)

    def model_copy(self: C, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> C:
        """Give a copy with some values replaced."""
        made = copy.deepcopy(self) if deep else copy.copy(self)
        vars(made).update(update or {})
        return made

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]  # its values may change

    def __repr__(self) -> str:
        """Show what is set; of values that may hold secrets only that they are there."""
        given = {name: value for name, value in vars(self).items() if value is not None}
        shown = (f"{name}={'***' if name in self._secret else repr(value)}" for name, value in given.items())
        return f"{type(self).__name__}({', '.join(shown)})"

    def dict(self, **options: Any) -> dict[str, Any]:
        """Do what `model_dump` does, by its name of older days."""
        return self.model_dump(**options)


def _plain(value: Any, *, exclude_none: bool) -> Any:
    if isinstance(value, Settings):
        return value.model_dump(exclude_none=exclude_none)
    if isinstance(value, Mapping):
        return {k: _plain(v, exclude_none=exclude_none) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v, exclude_none=exclude_none) for v in value]
    return value
