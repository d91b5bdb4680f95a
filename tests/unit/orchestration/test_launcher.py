"""The step launcher: what it changes of Dagster's own way to run a step, and the private names that it needs."""

from __future__ import annotations

import inspect
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.errors import DagsterExecutionInterruptedError

from dativo_dagster.config.job import Job
from dativo_dagster.orchestration.launcher import PLACES, UnitLauncher
from dativo_ingest.exceptions import ConfigurationError

JOB = Job(name="j", tenant="t", path=Path("j.yaml"), streams=())


def run(body, instance):
    """Run a job of one op that goes through the launcher and has retries of Dagster's own."""

    @dg.op(required_resource_keys={PLACES}, retry_policy=dg.RetryPolicy(max_retries=1))
    def step(context):
        assert isinstance(context.step_launcher, UnitLauncher)
        return body(context)

    @dg.job(resource_defs={PLACES: UnitLauncher()})
    def all_of_it():
        step()

    return all_of_it.execute_in_process(instance=instance, raise_on_error=False)


def test_the_private_names_of_dagster_are_where_we_look():
    from dagster._core.execution.plan.execute_step import core_dagster_event_sequence_for_step as core

    assert list(inspect.signature(core).parameters) == ["step_context"]
    assert issubclass(DagsterExecutionInterruptedError, BaseException)
    assert not issubclass(DagsterExecutionInterruptedError, Exception)
    assert isinstance(dg.OpExecutionContext.step_launcher, property)


def test_a_step_runs_as_without_a_launcher(instance):
    assert run(lambda _: 7, instance).output_for_node("step") == 7


def test_an_error_is_tried_again_by_the_policy(instance):
    seen = []

    def body(context):
        seen.append(context.retry_number)
        if len(seen) == 1:
            raise ValueError("once")
        return 1

    assert run(body, instance).success
    assert seen == [0, 1]


@pytest.mark.parametrize("interrupt", [DagsterExecutionInterruptedError, KeyboardInterrupt])
def test_an_interrupted_step_is_never_tried_again(instance, interrupt):
    seen = []

    def body(context):
        seen.append(context.retry_number)
        raise interrupt

    assert not run(body, instance).success
    assert seen == [0], "where Dagster alone would have tried it again"


@pytest.mark.parametrize(
    ("said", "variable", "mode"),
    [
        ("", None, "self_hosted"),
        ("", "cloud", "cloud"),
        ("self_hosted", "cloud", "self_hosted"),
        ("cloud", None, "cloud"),
    ],
)
def test_the_mode_is_the_resources_then_the_environments(monkeypatch, said, variable, mode):
    monkeypatch.delenv("DATIVO_MODE", raising=False)
    if variable:
        monkeypatch.setenv("DATIVO_MODE", variable)
    assert UnitLauncher(mode=said).deployed(JOB).mode == mode


def test_a_mode_that_nobody_knows_is_not_taken_for_the_open_one():
    with pytest.raises(ConfigurationError, match="self_hosted, cloud") as caught:
        UnitLauncher(mode="clowd").deployed(JOB)
    assert caught.value.error_code == "BAD_MODE"
