"""The job that looks after tables."""

from __future__ import annotations

from dativo_dagster.orchestration.build import build_definitions


def run(folder, instance, **config):
    job = build_definitions(folder).resolve_job_def("maintain_tables")
    return job.execute_in_process(
        instance=instance, raise_on_error=False, run_config={"ops": {"maintenance": {"config": config}}}
    )


def results(result):
    for event in result.all_events:
        if event.event_type_value == "STEP_OUTPUT":
            return [r.data for r in event.step_output_data.metadata["results"].records]
        if event.is_step_failure:
            return [r.data for r in event.step_failure_data.user_failure_data.metadata["results"].records]
    return []


def test_every_table_is_looked_after(folder, write_job, instance):
    write_job("orders")
    write_job("returns")
    result = run(folder, instance)
    assert result.success
    assert {(r["job"], r["chore"]) for r in results(result)} >= {("orders", "orphans"), ("returns", "orphans")}
    assert {r["job"] for r in results(run(folder, instance, job="orders"))} == {"orders"}


def test_a_table_that_fails_keeps_no_other_from_its_care_and_fails_the_step(folder, write_job, instance):
    broken = write_job("orders")
    text = broken.read_text()
    broken.write_text(text.replace('type: sql, uri: "sqlite:', 'type: rest, uri: "http://127.0.0.1:9/'))
    write_job("returns")
    result = run(folder, instance)
    assert not result.success
    found = results(result)
    assert ("returns", "orphans") in {(r["job"], r["chore"]) for r in found}
    assert [r["outcome"].partition(":")[0] for r in found if r["failed"]] == ["CATALOG_UNREACHABLE"]


def test_a_job_that_nobody_knows_is_refused(folder, write_job, instance):
    write_job("orders")
    assert not run(folder, instance, job="oders").success
