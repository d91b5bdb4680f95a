"""Secrets stay out of what Dagster stores: its event log keeps every line and every error for good."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dagster as dg

from dativo_dagster.telemetry import Redactor
from dativo_ingest.exceptions import DativoError
from dativo_ingest.model import CheckResult

if TYPE_CHECKING:
    from dativo_dagster.config.job import Job

_BY_NAME = Redactor(patterns=True)
_SHORTEST = 4
"""A shorter value of a variable may be part of any word: it is only known where it stands alone."""


def shown(options: Mapping[str, Any], job: Job) -> dict[str, Any]:
    """Give options as Dagster may store them: variables by their names, and nothing under a name that says secret."""
    named = _with_names(options, job.variables) if job.variables else options
    return dict(_BY_NAME.value(named))


def _with_names(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _with_names(item, names) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_names(item, names) for item in value]
    text = str(value)
    if text in names:
        return f"${{{names[text]}}}"
    for known in sorted(names, key=len, reverse=True):
        if len(known) >= _SHORTEST and known in text:
            text = text.replace(known, f"${{{names[known]}}}")
    return value if text == str(value) else text


@contextmanager
def hiding(context: dg.OpExecutionContext | dg.AssetCheckExecutionContext, hidden: Redactor) -> Iterator[None]:
    """Take secrets out of all lines of a step's log, those of Python loggers that Dagster stores included."""
    names = context.instance.managed_python_loggers
    loggers = [context.log, dg.get_dagster_logger(), *(logging.getLogger(n if n != "root" else None) for n in names)]
    first = _First(hidden)
    for logger in loggers:
        logger.handlers.insert(0, first)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(first)


class _First(logging.Handler):
    """Takes secrets out of a line before the other handlers get it; Dagster's own does not ask its filters."""

    def __init__(self, hidden: Redactor) -> None:
        super().__init__()
        self.hidden = hidden

    def handle(self, record: logging.LogRecord) -> bool:
        """Replace the message."""
        record.msg, record.args = self.hidden.text(record.getMessage()), ()
        return True


def without_secrets(check: CheckResult, job: Job) -> CheckResult:
    """Give the outcome of a check as Dagster may store it."""
    return CheckResult.from_json(Redactor(job.secrets).value(check.to_json())) if job.secrets else check


@contextmanager
def raised_without_secrets(secrets: Collection[str]) -> Iterator[None]:
    """Take secrets out of what is raised; an error whose text cannot be changed becomes one of ours."""
    hidden = Redactor(secrets)
    try:
        yield
    except Exception as error:
        if hide(error, hidden):
            raise
        raise DativoError(hidden.text(f"{type(error).__name__}: {error}")) from None


def hide(error: BaseException, hidden: Redactor) -> bool:
    """Take secrets out of an error and of what caused it, in place; False when its own text cannot be changed.

    A cause whose text cannot be changed is cut off, with all behind it.
    """
    for cause in (error.__cause__, error.__context__):
        if cause is not None and not hide(cause, hidden):
            error.__cause__, error.__suppress_context__ = None, True
    error.args = tuple(hidden.text(a) if isinstance(a, str) else a for a in error.args)
    if isinstance(error, DativoError):
        error.message, error.details = hidden.text(error.message), dict(hidden.value(error.details))
    told = "".join(traceback.format_exception_only(type(error), error))  # notes, and a line that is no Python, too
    return hidden.text(told) == told
