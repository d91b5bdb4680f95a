import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dativo_dagster.config.job import Retry
from dativo_dagster.orchestration.failures import as_dagster, delay
from dativo_ingest.exceptions import ConfigurationError, PluginError, RateLimitError, TransientError

QUICK = Retry(max_retries=2, initial_delay_seconds=0.01)


def run(errors, instance, retry=QUICK, secrets=()):
    """Run an op that raises each of ``errors`` in turn and then succeeds; give the result and the attempts."""
    attempts = []

    @dg.op
    def step(context: dg.OpExecutionContext) -> None:
        attempts.append(context.retry_number)
        with as_dagster(context, retry, secrets):
            if len(attempts) <= len(errors):
                raise errors[len(attempts) - 1]

    @dg.job(executor_def=dg.in_process_executor)
    def once() -> None:
        step()

    return once.execute_in_process(instance=instance, raise_on_error=False), attempts


def failure_of(result):
    (failed,) = [e for e in result.all_events if e.is_step_failure]
    return failed.step_failure_data


def test_an_error_that_may_pass_is_tried_again_until_it_has(instance):
    result, attempts = run([TransientError("later"), TransientError("later")], instance)
    assert result.success
    assert attempts == [0, 1, 2]


def test_an_error_that_stays_fails_the_step_after_the_last_retry_with_its_code(instance):
    result, attempts = run([TransientError("later")] * 9, instance)
    assert not result.success
    assert attempts == [0, 1, 2]
    assert failure_of(result).user_failure_data.metadata["code"].value == "TRANSIENT_ERROR"


def test_an_error_that_a_person_has_to_mend_is_never_tried_again(instance):
    result, attempts = run([ConfigurationError("wrong", "BAD_JOB", {"line": 3})], instance)
    facts = failure_of(result).user_failure_data
    assert attempts == [0]
    assert facts.description.startswith("wrong\nBAD_JOB: ")
    assert facts.metadata["code"].value == "BAD_JOB"
    assert facts.metadata["details"].value == {"line": 3}


def test_what_the_page_of_a_run_shows_first_is_what_to_do_and_the_lines_of_the_plugin(instance):
    told = 'Traceback (most recent call last):\n  File "/plugin/shop.py", line 3, in page\nKeyError: 1\n'
    error = PluginError("plugin shop.py: KeyError: 1", "PLUGIN_FAILED", {"remote_traceback": told})
    lines = failure_of(run([error], instance)[0]).error.message.splitlines()
    assert lines[0].endswith("plugin shop.py: KeyError: 1")
    assert lines[1].startswith("PLUGIN_FAILED: Mend the plugin ")
    assert lines[2:] == ["", "In the plugin:", *told.splitlines()]


def test_no_line_of_a_plugin_that_is_shown_has_a_secret(instance):
    error = PluginError("plugin shop.py: KeyError: 1", "PLUGIN_FAILED")
    with pytest.raises(KeyError) as caught:
        raise KeyError("page")  # asked with hunter2-canary
    error.__cause__ = caught.value
    told = failure_of(run([error], instance, secrets=["hunter2-canary"])[0]).user_failure_data.description
    assert 'raise KeyError("page")  # asked with ***' in told


def test_a_job_without_retries_fails_at_once(instance):
    _, attempts = run([TransientError("later")] * 2, instance, Retry(max_retries=0))
    assert attempts == [0]


@pytest.mark.parametrize("strange", [ValueError("not ours"), KeyboardInterrupt(), SystemExit(1)])
def test_what_is_not_ours_goes_through_a_cancellation_above_all(strange):
    with pytest.raises(type(strange)), as_dagster(dg.build_op_context(), QUICK):
        raise strange


@given(st.integers(0, 30), st.floats(0.1, 60), st.floats(1, 4), st.floats(1, 600))
def test_delays_grow_and_never_pass_their_cap(attempt, initial, factor, cap):
    retry = Retry(initial_delay_seconds=initial, backoff_multiplier=factor, max_delay_seconds=cap)
    assert delay(retry, attempt) <= delay(retry, attempt + 1) <= cap


def test_the_first_delays_are_those_of_the_earlier_system():
    assert [delay(Retry(), n) for n in range(8)] == [5, 10, 20, 40, 80, 160, 300, 300]


def test_a_source_that_asks_for_a_pause_gets_it():
    asked = RateLimitError("slow down", retry_after=900).retry_after
    assert delay(Retry(), 0, asked) == 900
    assert delay(Retry(), 0, 1.0) == 5


def test_many_attempts_do_not_overflow():
    assert delay(Retry(), 100_000) == 300
