"""What a person is told of an error beside its message: what to do, and the lines of the plugin that raised it."""

from __future__ import annotations

import re
import traceback
from typing import TYPE_CHECKING

from dativo_ingest.codes import CODES
from dativo_ingest.worker.errors import TRACEBACK, shortened

if TYPE_CHECKING:
    from dativo_ingest.exceptions import DativoError

_RAISED = frozenset({"PLUGIN_FAILED", "PLUGIN_IMPORT_FAILED"})
"""Codes of errors whose cause is what the plugin raised."""
_THEN = "\nThe above exception was the direct cause of the following exception:\n"
# Told one by one: a plugin may lie below a folder that has our name.
_OURS = r"contextlib\.py|dativo_ingest/(?:opening\.py|(?:adapters|batches|functions|loader|worker)/[^\"\n]*)"
_FRAME_OF_OURS = re.compile(rf'^  File "[^"\n]*/(?:{_OURS})", line .*\n(?:    .*\n)*', re.MULTILINE)


def advice(code: str, message: str) -> str:
    """Say what to do about a code; empty where the message says it, and where nothing is known."""
    said = CODES.get(code, ("", ""))[1]
    return "" if said.rstrip(".") in message else said


def whole_traceback(error: DativoError) -> str:
    """Give the traceback of what a plugin raised, wherever it ran, and no longer than a person reads; else nothing."""
    if told := error.details.get(TRACEBACK):
        return str(told)
    cause = error.__cause__ if error.error_code in _RAISED else None
    return shortened("".join(traceback.format_exception(cause))) if cause else ""


def plugins_part(told: str) -> str:
    """Leave out of a traceback the frames of the platform, and each error in it that has no others."""
    parts = (_FRAME_OF_OURS.sub("", part) for part in told.split(_THEN))
    return _THEN.join(part for part in parts if '\n  File "' in part).strip()
