"""Where secrets come from, one manager a module. Here is what all of them share: what a payload means.

A secret is text. Its format says what the text is: ``json`` an object, ``env`` lines of ``NAME=value``, ``text`` and
``raw`` the secret itself; ``auto`` looks at the text. Secrets are taken as they are stored, a ``$`` in a password is a
``$``; only ``env`` payloads expand ``${NAME}``, outside single quotes, as such files do everywhere.

The CLI and Dagster call `variables` to make the names that ``${NAME}`` in a job can use.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from dativo_ingest.exceptions import ConfigurationError

Format = Literal["auto", "json", "env", "text", "raw"]
FORMATS: tuple[Format, ...] = ("json", "env", "text", "raw")

_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)")
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_ESCAPE = re.compile(r"\\(.)")


class Variables(dict[str, str]):
    """What an ``env`` payload says: variables under their own names."""


def decode(text: str, form: Format = "auto", *, where: str) -> Any:
    """Give the meaning of a payload; ``where`` names the secret in errors.

    Raises:
        ConfigurationError: The text is not what its format says. The message never quotes it.
    """
    if form == "auto":
        return _guess(text, where)
    if form == "json":
        try:
            return json.loads(text)
        except ValueError as error:
            at = f"line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else "it"
            raise _malformed(where, f"it is not JSON ({at})") from None
    return _assignments(text, where) if form == "env" else text


def _guess(text: str, where: str) -> Any:
    if text.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(text)
        except ValueError:
            return text
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if len(lines) > 1 and all(_ASSIGNMENT.fullmatch(line) for line in lines):
        return _assignments(text, where)
    return text


def _assignments(text: str, where: str) -> Variables:
    found = Variables()
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _ASSIGNMENT.fullmatch(line)
        if match is None:
            raise _malformed(where, f"line {number} is not NAME=value")
        found[match[1]] = _value(match[2].strip(), found, f"{where}, line {number}")
    return found


def _value(text: str, earlier: Mapping[str, str], where: str) -> str:
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    if quoted and text[0] == "'":
        return text[1:-1]

    def expand(match: re.Match[str]) -> str:
        value = earlier.get(match[1], os.environ.get(match[1])) or match[2]
        if value is None:
            raise _malformed(where, f"${{{match[1]}}} is not set; use single quotes if it is meant literally")
        return value

    plain = _ESCAPE.sub(lambda m: {"n": "\n", "r": "\r", "t": "\t"}.get(m[1], m[1]), text[1:-1]) if quoted else text
    return _REFERENCE.sub(expand, plain)


def _malformed(where: str, problem: str) -> ConfigurationError:
    return ConfigurationError(f"secret {where} cannot be read: {problem}", "SECRET_MALFORMED")


def expect_map(value: Any, where: str) -> dict[str, Any]:
    """Give a bundle, a secret that holds many, by name.

    Raises:
        ConfigurationError: It is not a map.
    """
    if not isinstance(value, Mapping):
        raise _malformed(where, "a bundle must be a map of secrets by name")
    return dict(value)


def fill(template: str, tenant: str, name: str = "") -> str:
    """Put the tenant and the name of a secret into a template of names."""
    return template.replace("{tenant}", tenant).replace("{name}", name)


def missing(where: str, todo: str) -> ConfigurationError:
    """Give the error for a secret that is not there."""
    return ConfigurationError(f"there is no secret {where}; {todo}", "SECRET_NOT_FOUND")


def variables(secrets: Mapping[str, Any]) -> dict[str, str]:
    """Name what a job can write as ``${NAME}``.

    An ``env`` payload gives its variables by their own names. Any other secret gives its text under its name in upper
    case with ``_`` for all that is not a letter or digit: ``stripe-key`` is ``STRIPE_KEY``. An object also gives each
    of its values, under both names: ``postgres: {password: x}`` is ``POSTGRES_PASSWORD``.

    Raises:
        ConfigurationError: Two secrets give one name different values.
    """
    found: dict[str, str] = {}
    for secret, value in secrets.items():
        for name, text in _named(_variable(secret), value):
            if found.setdefault(name, text) != text:
                raise ConfigurationError(
                    f"two secrets give ${{{name}}} different values, one of them is {secret!r}; rename one",
                    "SECRET_AMBIGUOUS",
                )
    return found


def _named(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Variables):
        yield from value.items()
        return
    yield name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _named(f"{name}_{_variable(str(key))}", inner)


def _variable(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "_", name).upper()


def literals(value: Any) -> set[str]:
    """Collect every text and number inside secrets, to be hidden wherever it would be shown."""
    if isinstance(value, Mapping):
        return set().union(*(literals(v) for v in value.values()))
    if isinstance(value, (list, tuple)):
        return set().union(*(literals(v) for v in value))
    return set() if value is None or isinstance(value, bool) else {str(value)}
