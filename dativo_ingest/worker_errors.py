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


def error_to_json(error: BaseException) -> dict[str, Any]:
    """Give an error as JSON: its class, all of its attributes, and its traceback as a detail."""
    ours = _as_ours(error)
    state = {**vars(ours), "details": {**ours.details, TRACEBACK: _traceback(error)}}
    state.pop("__notes__", None)
    return {"class": _known(type(ours)), "state": json.loads(json.dumps(state, default=str))}


def error_from_json(data: Mapping[str, Any]) -> DativoError:
    """Give the error that `error_to_json` described."""
    cls = getattr(exceptions, str(data["class"]))
    error: DativoError = cls.__new__(cls)
    Exception.__init__(error, data["state"]["message"])
    vars(error).update(data["state"])
    return error


def _as_ours(error: BaseException) -> DativoError:
    if isinstance(error, MemoryError):
        return SandboxError(
            "the plugin asked for more memory than it may have", "PLUGIN_OUT_OF_MEMORY", retryable=False
        )
    if isinstance(error, Exception):
        return wrap_exception(error, PluginError)
    what = f"the plugin ended itself with {type(error).__name__}({error})"
    return PluginError(what, "PLUGIN_CRASHED", {"original_error": type(error).__name__})


def _known(cls: type[DativoError]) -> str:
    """Give the nearest class that the other side has: a plugin may have subclasses of its own."""
    names = (c.__name__ for c in cls.__mro__ if getattr(exceptions, c.__name__, None) is c)
    return next(names, "PluginError")


def _traceback(error: BaseException) -> str:
    return "".join(traceback.format_exception(type(error), error, error.__traceback__))
