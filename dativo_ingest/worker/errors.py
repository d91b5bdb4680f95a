"""Errors on the wire: whole in both directions, whoever raised them, and never longer than a person reads."""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping
from typing import Any

from dativo_ingest import exceptions
from dativo_ingest.exceptions import DativoError, PluginError, SandboxError, TransientError, wrap_exception

TRACEBACK = "remote_traceback"
"""The detail that has the traceback of the other side."""
LONGEST_TEXT = 16 * 1024
"""Characters of a message, and of each text in the details; of what is longer the middle is left out."""
DEEPEST = 32
"""How deep lists and objects of an error may be nested: who shows it goes down all of it."""
MOST_DETAILS = 128 * 1024
"""Bytes of all details as JSON; of what is more only the traceback is kept."""


def error_to_json(error: BaseException, plugin: str) -> dict[str, Any]:
    """Give an error as JSON: its class, all of its attributes, and its traceback as a detail.

    Args:
        error: Whatever was raised; what is not ours becomes a `PluginError` that names ``plugin``.
        plugin: The plugin as a job writes it.
    """
    ours = _as_ours(error, f"plugin {plugin}")
    # What comes from further away has the traceback of where it was raised, which tells more than ours.
    state = {**vars(ours), "details": {TRACEBACK: _traceback(error), **ours.details}}
    state.pop("__notes__", None)
    return {"class": _known(type(ours)), "state": _bounded(json.loads(json.dumps(state, default=str)))}


def error_from_json(data: Any) -> DativoError:
    """Give the error that `error_to_json` described; of what is no such description, an error that says so."""
    try:
        cls, state = getattr(exceptions, data["class"]), _bounded(data["state"])
        understood = _is_error(cls, state)
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
        understood = False
    if not understood:
        message = "the plugin's place told of an error, and what it told cannot be understood"
        return PluginError(message, "PLUGIN_BAD_RESULT")
    error: DativoError = cls.__new__(cls)
    Exception.__init__(error, state["message"])
    missing = {"retry_after": None} if issubclass(cls, TransientError) else {}
    vars(error).update(missing, **{name: value for name, value in state.items() if not hasattr(cls, name)})
    return error


def _is_error(cls: Any, state: Mapping[str, Any]) -> bool:
    """Say whether a description is one: the other side may be a plugin that plays the worker."""
    fits = {"message": str, "error_code": str, "details": dict, "retryable": bool}
    return (
        isinstance(cls, type)
        and issubclass(cls, DativoError)
        and all(isinstance(state[name], kind) for name, kind in fits.items())
        and isinstance(state.get("retry_after"), (int, float, type(None)))
    )


def _bounded(state: Mapping[str, Any]) -> dict[str, Any]:
    cut = {name: _cut(value) for name, value in state.items()}
    size = len(json.dumps(cut["details"]))
    if size > MOST_DETAILS:
        left = f"{size:,} bytes of details are left out"
        cut["details"] = {TRACEBACK: str(cut["details"].get(TRACEBACK, "")), "left_out": left}
    return cut


def _cut(value: Any, depth: int = 0) -> Any:
    """Leave out what is too deep, and the middle of long texts."""
    if depth > DEEPEST:
        return "..."
    if isinstance(value, dict):
        return {name: _cut(inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list):
        return [_cut(inner, depth + 1) for inner in value]
    return shortened(value) if isinstance(value, str) else value


def shortened(text: str) -> str:
    """Leave out the middle of a long text: between words, so that no half of a secret is seen."""
    if len(text) <= LONGEST_TEXT:
        return text
    half = LONGEST_TEXT // 2
    head, tail = text[:half].rpartition(" ")[0], text[-half:].partition(" ")[2]
    return f"{head}\n... {len(text) - len(head) - len(tail):,} characters are left out ...\n{tail}"


def _as_ours(error: BaseException, plugin: str) -> DativoError:
    name = type(error).__name__
    if isinstance(error, MemoryError):
        return SandboxError(f"{plugin} asked for more memory than it may have", "PLUGIN_OUT_OF_MEMORY", retryable=False)
    if isinstance(error, Exception):
        return wrap_exception(error, PluginError, f"{plugin}: {name}: {error}")
    return PluginError(f"{plugin} ended itself with {name}({error})", "PLUGIN_CRASHED", {"original_error": name})


def _known(cls: type[DativoError]) -> str:
    """Give the nearest class that the other side has: a plugin may have subclasses of its own."""
    names = (c.__name__ for c in cls.__mro__ if getattr(exceptions, c.__name__, None) is c)
    return next(names, "PluginError")


def _traceback(error: BaseException) -> str:
    return "".join(traceback.format_exception(type(error), error, error.__traceback__))
