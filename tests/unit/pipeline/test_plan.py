"""A plan is decided from values alone, and its token names the same commit whenever it is decided again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dativo_dagster.config.contract import Contract, Field
from dativo_dagster.config.job import Job, JobStream, Source, Target
from dativo_dagster.config.types import parse_type
from dativo_dagster.pipeline.plan import Plan, make_plan, make_token
from dativo_ingest.exceptions import PluginError
from dativo_ingest.model import Cursor, Snapshot, State, Unit, Window


def job(mode: str = "append", **changes) -> Job:
    contract = Contract(name="c", fields=(Field(name="id", type=parse_type("int64")),))
    stream = JobStream(
        name="s",
        source=Source(connector="csv"),
        target=Target(connector="iceberg", table="a.b", mode=mode),
        contract=contract,
    )
    return replace(Job(name="j", tenant="t", path=Path("j.yaml"), streams=(stream,)), **changes)


def window(fingerprint: str, units: int = 1, **more) -> Window:
    return Window(units=tuple(Unit(id=str(n)) for n in range(units)), fingerprint=fingerprint, **more)


def token(j: Job, w: Window, state: State | None = None) -> str:
    return make_token(j, j.streams[0], w, state)


@pytest.mark.parametrize("mode", ["append", "overwrite"])
def test_the_same_window_of_the_same_stream_has_the_same_token(mode):
    assert token(job(mode), window("f")) == token(job(mode), window("f"))


def test_other_data_another_job_or_another_tenant_is_another_commit():
    tokens = {token(job(), window("f")), token(job(), window("g"))}
    tokens |= {token(job(name="k"), window("f")), token(job(tenant="u"), window("f"))}
    assert len(tokens) == 4


def test_an_append_keeps_its_token_when_only_the_contract_changed():
    old = job()
    stream = replace(old.streams[0], contract=replace(old.streams[0].contract, fields=()))
    assert token(old, window("f")) == token(replace(old, streams=(stream,)), window("f"))


def test_an_overwrite_runs_again_when_the_contract_changed():
    old = job("overwrite")
    stream = replace(old.streams[0], contract=replace(old.streams[0].contract, fields=()))
    assert token(old, window("f")) != token(replace(old, streams=(stream,)), window("f"))


def test_an_overwrite_back_to_an_earlier_source_is_a_new_commit():
    j = job("overwrite")
    first = token(j, window("a"))
    second = token(j, window("b"), State(token=first))
    third = token(j, window("a"), State(token=second))
    assert len({first, second, third}) == 3
    assert token(j, window("a"), State(token=third)) == third, "and repeating it is not"


def test_a_window_without_units_is_empty_and_says_how_many_were_unchanged():
    j = job()
    plan = make_plan(j, j.streams[0], window("f", 0, skipped=3), state=State(token="x"), committed=None)
    assert plan.empty
    assert "3 units are unchanged" in plan.reason


def test_a_committed_window_is_empty_and_names_its_snapshot():
    j = job()
    done = Snapshot(id="42", table="a.b", token="x")
    plan = make_plan(j, j.streams[0], window("f"), state=State(token="x"), committed=done)
    assert plan.empty
    assert "snapshot 42" in plan.reason


def test_a_plan_crosses_a_process_border_whole():
    j = job()
    w = window("f", 2, before=Cursor(value={"a": 1}), after=Cursor(value={"a": 2}))
    plan = make_plan(j, j.streams[0], w, state=State(token="x"), committed=None)
    assert Plan.loads(plan.dumps()) == plan
    assert not plan.empty


@pytest.mark.parametrize(
    ("planned", "wrong"), [(window(""), "fingerprint is empty"), (window("f", units=2), "two units have one id")]
)
def test_a_window_that_a_later_one_could_be_taken_for_is_refused(planned, wrong):
    same_id = replace(planned, units=tuple(replace(unit, id="u") for unit in planned.units))
    with pytest.raises(PluginError, match=wrong):
        token(job(), same_id)
