import dagster as dg
import pytest

from dativo_dagster.config.job import Retry
from dativo_dagster.orchestration.failures import as_dagster
from dativo_dagster.orchestration.hiding import hide, hiding
from dativo_dagster.telemetry import Redactor
from dativo_ingest.exceptions import PluginError, TransientError

SECRET = "hunter2-canary"
HIDDEN = Redactor([SECRET])


class StubbornError(Exception):
    """An error whose text is not its arguments."""

    def __str__(self):
        return f"no login with {SECRET}"


def noted():
    error = KeyError("page")
    error.__notes__ = [f"asked with {SECRET}"]
    return error


def stored(instance, *raised, retry=None):
    """Give all that Dagster stores of a step that logs a secret and raises errors with it, attempt by attempt."""
    attempts = iter(raised)

    @dg.op
    def step(context: dg.OpExecutionContext) -> None:
        with as_dagster(context, retry or Retry(max_retries=0), [SECRET]):
            context.log.info("user %s", SECRET)
            dg.get_dagster_logger("of_a_library").warning(f"user {SECRET}")
            if error := next(attempts, None):
                raise error

    @dg.job(executor_def=dg.in_process_executor)
    def once() -> None:
        step()

    result = once.execute_in_process(instance=instance, raise_on_error=False)
    return "\n".join(dg.serialize_value(entry) for entry in instance.all_logs(result.run_id))


def test_lines_of_a_step_are_stored_without_secrets(instance):
    text = stored(instance)
    assert SECRET not in text
    assert text.count("user ***") >= 2


@pytest.mark.parametrize(
    "error",
    [
        PluginError(f"refused {SECRET}", details={"url": f"https://x/?t={SECRET}"}),
        ValueError(f"not ours, {SECRET}"),
        KeyError(SECRET),
        StubbornError(),
        noted(),
        SyntaxError("invalid", ("rules", 1, 1, f"key = {SECRET}")),
    ],
    ids=["ours", "not ours", "a key", "one that cannot be changed", "a note", "what is no Python"],
)
def test_an_error_is_stored_without_secrets(instance, error):
    text = stored(instance, error)
    assert SECRET not in text
    assert "***" in text


def test_a_retry_is_told_without_secrets(instance):
    text = stored(instance, TransientError(f"later, {SECRET}"), retry=Retry(max_retries=1, initial_delay_seconds=0.01))
    assert SECRET not in text
    assert "later, ***" in text


def test_what_caused_an_error_is_cleaned_and_cut_off_where_it_cannot_be():
    outer, middle = PluginError("outer"), ValueError(f"middle {SECRET}")
    outer.__cause__, middle.__cause__ = middle, StubbornError()
    assert hide(outer, HIDDEN)
    assert str(outer.__cause__) == "middle ***"
    assert outer.__cause__.__cause__ is None


def test_a_log_is_left_as_it_was():
    context = dg.build_op_context()
    before = list(context.log.handlers)
    with hiding(context, HIDDEN):
        assert len(context.log.handlers) > len(before)
    assert context.log.handlers == before
