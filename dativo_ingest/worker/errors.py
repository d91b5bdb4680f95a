"""Errors on the wire: whole in both directions, whoever raised them."""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping
from typing import Any

from dativo_ingest import exceptions
from dativo_ingest.exceptions import DativoError, PluginError, SandboxError, wrap_exception

TRACEBACK = "remote_traceback"
"""The detail that has the traceback of the other side."""


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
    return {"class": _known(type(ours)), "state": json.loads(json.dumps(state, default=str))}


def error_from_json(data: Mapping[str, Any]) -> DativoError:
    """Give the error that `error_to_json` described."""
    cls = getattr(exceptions, str(data["class"]))
    error: DativoError = cls.__new__(cls)
    Exception.__init__(error, data["state"]["message"])
    vars(error).update(data["state"])
    return error


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
