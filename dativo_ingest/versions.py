"""Versions and ranges of them, and what is said when two sides do not fit. Called when a plugin is loaded.

Three things have a version, and they mean different things:

* the SDK: ``dativo_ingest.__version__``, by semantic versioning;
* what a plugin needs of it: ``requires_sdk = ">=1.0,<2"`` on its class; one that says nothing runs on every 1.x;
* the plugin itself: its ``__version__``, which is shown and never judged.

A native plugin is held by the version of the C ABI instead, see `native.library`.
"""

from __future__ import annotations

import re
import warnings

from dativo_ingest.exceptions import PluginVersionError

_DRAFT = r"[-.]?(?:a|b|rc|alpha|beta|dev)[.-]?\d*"
_VERSION = re.compile(rf"v?(\d+(?:\.\d+)*)({_DRAFT})?(?:\.post\d+)?(?:\+[\w.-]+)?", re.ASCII | re.IGNORECASE)
_PART = re.compile(r"(==|!=|>=|<=|>|<|~=|\^)?\s*(.+)")
_warned: set[tuple[str, str]] = set()

Version = tuple[tuple[int, ...], bool]


def parse(text: str) -> Version:
    """Give a version as something that compares: its numbers without zeros at the end, and whether it is final.

    Raises:
        ValueError: The text is no version.
    """
    found = _VERSION.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no version; write it like 1.4.2")
    numbers = [int(n) for n in found[1].split(".")]
    while len(numbers) > 1 and not numbers[-1]:
        numbers.pop()
    return tuple(numbers), found[2] is None


def satisfies(version: str, requirement: str) -> bool:
    """Say whether a version lies in a range such as ``>=1.2,<2``, ``~=1.4`` or ``^1.2``; an empty range has all.

    A version alone means that version.

    Raises:
        ValueError: One of the two is malformed.
    """
    return all(_meets(version, part.strip()) for part in requirement.split(",") if part.strip())


def _meets(version: str, part: str) -> bool:
    found = _PART.fullmatch(part)
    operator, bound = (found[1] or "==", found[2]) if found else ("", part)
    have, wanted = parse(version), parse(bound)
    if operator in {"~=", "^"}:
        return have >= wanted and have < (_next(bound, caret=operator == "^"), False)
    return {
        "==": have == wanted,
        "!=": have != wanted,
        ">=": have >= wanted,
        "<=": have <= wanted,
        ">": have > wanted,
        "<": have < (wanted[0], False),  # 2.0rc1 is not below 2
    }[operator]


def _next(bound: str, *, caret: bool) -> tuple[int, ...]:
    """Give the first version that ``~=`` (its last number but one) or ``^`` (its first that is not 0) leaves out."""
    found = _VERSION.fullmatch(bound.strip())
    numbers = [int(n) for n in found[1].split(".")] if found else [0]
    fixed = next((i for i, n in enumerate(numbers) if n), len(numbers) - 1) if caret else max(len(numbers) - 2, 0)
    return (*numbers[:fixed], numbers[fixed] + 1)


def check_requirement(plugin: str, requirement: str | None, present: str, *, of: str = "dativo_ingest") -> None:
    """Refuse a plugin that needs another version of ``of`` than the one that is present.

    Args:
        plugin: What the message calls the plugin, such as ``/x/api.py:ApiReader``.
        requirement: The range that it declares; None when it declares nothing.
        present: The version that is here.
        of: Whose version that is.

    Raises:
        PluginVersionError: It lies outside, or the range is malformed.
    """
    if requirement is None:
        return
    try:
        if satisfies(present, requirement):
            return
    except (ValueError, AttributeError, TypeError) as error:
        message = f"{plugin} declares requires_sdk = {requirement!r}, which is no range of versions: {error}"
        raise PluginVersionError(message, None, str(requirement)) from error
    message = (
        f"{plugin} requires {of} {requirement}, but {of} {present} is installed; install a version of the plugin for "
        f"{present}, or a {of} in that range"
    )
    raise PluginVersionError(message, present, requirement, {"plugin": plugin, "present": present})


def deprecated(old: str, instead: str, *, stacklevel: int = 3) -> None:
    """Warn once a process that ``old`` will go with the next major version, and say what to use instead."""
    if (old, instead) not in _warned:
        _warned.add((old, instead))
        warnings.warn(f"{old} is deprecated; use {instead}", DeprecationWarning, stacklevel=stacklevel)
