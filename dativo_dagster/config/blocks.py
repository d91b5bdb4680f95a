"""What blocks of files are made of: names, spans, sizes, a word for a block, and what becomes of unknown keys."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from dativo_dagster.config.places import mebibytes

_LONGEST_NAME = 200
_NAME = r"[\w@][\w .@+:-]*"
_TABLE = r"[\w-]+(\.[\w-]+)*"


def _name(text: str) -> str:
    if len(text) > _LONGEST_NAME or not re.fullmatch(_NAME, text):
        raise ValueError(f"{text[:80]!r} is no name; use letters, digits, blanks and . _ - @ + : after the first")
    return text


def _table(text: str) -> str:
    if len(text) > _LONGEST_NAME or not re.fullmatch(_TABLE, text):
        raise ValueError(f"{text[:80]!r} names no table; use letters, digits, _ and -, with dots between the parts")
    return text


def _lag(value: Any) -> Any:
    """Read a span such as ``90s``, ``5m``, ``2h`` or ``3d`` as seconds; a number is taken as it is."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"(\d{1,9}(?:\.\d+)?)\s*([smhd]?)", value.strip())
    if not match:
        raise ValueError(f"{value!r} is no span; write a number and s, m, h or d, such as 5m")
    return float(match[1]) * _SECONDS[match[2]]


def _size(text: str) -> str:
    mebibytes(text)  # read again where the container is made
    return text


_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
Lag = Annotated[float, BeforeValidator(_lag, json_schema_input_type=str | float), Field(ge=0)]
Size = Annotated[str, AfterValidator(_size)]
OneOrMany = BeforeValidator(
    lambda value: [value] if isinstance(value, str) else value, json_schema_input_type=str | list[str]
)
Name = Annotated[str, AfterValidator(_name), Field(json_schema_extra={"pattern": f"^{_NAME}$"})]
TableName = Annotated[str, AfterValidator(_table), Field(json_schema_extra={"pattern": f"^{_TABLE}$"})]


def word(model: type[BaseModel], key: str) -> BeforeValidator:
    """Take a word for a block with just ``key``, so that ``validation: warn`` is ``validation: {mode: warn}``."""
    return BeforeValidator(
        lambda value: {key: value} if isinstance(value, str) else value,
        json_schema_input_type=model.model_fields[key].annotation | model,
    )


class FileModel(BaseModel):
    """A block of a file: unknown keys are mistakes, numbers do for text, and text for numbers."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True, populate_by_name=True, frozen=True)


class OpenModel(FileModel):
    """A block that ends in options which something else checks."""

    model_config = ConfigDict(extra="allow")
