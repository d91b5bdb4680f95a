"""Errors of ours as Dagster's decisions: run the step again, or fail it and say why. Called by every op."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg

from dativo_dagster.orchestration.hiding import hide, hiding
from dativo_dagster.pipeline.telling import advice, plugins_part, whole_traceback
from dativo_dagster.telemetry import Redactor
from dativo_ingest.exceptions import DativoError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from dativo_dagster.config.job import Retry

_NOTHING = Redactor()


def delay(retry: Retry, retried: int, asked: float | None = None) -> float:
    """Give the seconds to wait before the next retry, after as many as ``retried``.

    The delay grows by the job's multiplier up to its cap. A source that asked for more gets what it asked for:
    calling earlier would only be refused again.
    """
    wait, cap = retry.initial_delay_seconds, retry.max_delay_seconds
    for _ in range(retried):
        if wait >= cap:
            break
        wait *= retry.backoff_multiplier
    return max(min(wait, cap), asked or 0.0)


@contextmanager
def as_dagster(
    context: dg.OpExecutionContext | dg.AssetCheckExecutionContext, retry: Retry, secrets: Collection[str] = ()
) -> Iterator[None]:
    """Turn an error of ours into a retry or a failure, and keep secrets out of what Dagster stores.

    An error knows whether it may pass by itself; the job knows how often to try. Anything that is not ours goes
    through as it is, a cancellation above all: the op has no Dagster retry policy, which would run a step again
    after somebody terminated it.

    Raises:
        dagster.RetryRequested: The error is retryable and the job has retries left.
        dagster.Failure: It is not, or has none.
    """
    hidden = Redactor(secrets)
    try:
        with hiding(context, hidden):
            yield
    except DativoError as error:
        hide(error, hidden)
        retried = context.retry_number
        if error.retryable and retried < retry.max_retries:
            wait = delay(retry, retried, getattr(error, "retry_after", None))
            context.log.warning("%s; retry %s of %s in %g s", error, retried + 1, retry.max_retries, wait)
            raise dg.RetryRequested(max_retries=retry.max_retries, seconds_to_wait=wait) from error
        raise failure(error, hidden) from error
    except Exception as error:
        if hide(error, hidden):
            raise
        raise DativoError(hidden.text(f"{type(error).__name__}: {error}")) from None


def failure(error: DativoError, hidden: Redactor = _NOTHING) -> dg.Failure:
    """Give an error as a failure that is not retried, with code and details as metadata.

    The page of a run shows the first lines of its description and little else.
    """
    return dg.Failure(
        description=hidden.text(_description(error)),
        metadata={
            "code": error.error_code,
            "error": type(error).__name__,
            "retryable": error.retryable,
            "details": dg.MetadataValue.json(_json(error)),
        },
        allow_retries=False,
    )


def _description(error: DativoError) -> str:
    todo, told = advice(error.error_code, error.message), plugins_part(whole_traceback(error))
    said = [error.message, f"{error.error_code}: {todo}" if todo else error.error_code]
    return "\n".join([*said, "", "In the plugin:", told] if told else said)


def _json(error: DativoError) -> dict[str, object]:
    return dict(json.loads(json.dumps(error.details, default=str)))
