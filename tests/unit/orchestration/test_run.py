"""Runs through Dagster, on real files and a real table."""

from __future__ import annotations

import dagster as dg
import pytest

from dativo_dagster.orchestration.build import build_definitions

ORDERS = dg.AssetKey(["acme", "sales", "orders"])
SOURCE = dg.AssetKey(["acme", "src", "orders_csv"])


def run(folder, instance, name="ingest__acme__orders", **options):
    job = build_definitions(folder).resolve_job_def(name)
    return job.execute_in_process(instance=instance, raise_on_error=False, **options)


def materialization(result):
    (event,) = result.asset_materializations_for_node("acme__sales__orders.commit")
    return {key: value.value for key, value in event.metadata.items()}


def last_checks(instance, key=ORDERS, names=("schema", "row_count", "types", "id_required")):
    """Give (passed, description) of each check that was evaluated, as the asset's page shows it."""
    found = {}
    for name in names:
        history = instance.event_log_storage.get_asset_check_execution_history(dg.AssetCheckKey(key, name), limit=1)
        said = history[0].event.dagster_event.event_specific_data if history else None
        if isinstance(said, dg.AssetCheckEvaluation):
            found[name] = (said.passed, said.description)
    return found


def test_a_run_materializes_the_table_and_says_what_it_did(folder, write_job, instance):
    write_job()
    result = run(folder, instance)
    assert result.success
    facts = materialization(result)
    assert facts["status"] == "committed"
    assert (facts["rows_read"], facts["rows_written"], facts["rows_rejected"]) == (3, 3, 0)
    assert facts["dagster/row_count"] == 3
    assert facts["files"] == 1
    assert facts["bytes"] > 0
    assert facts["snapshot"]
    assert facts["seconds"] > 0


def test_the_first_rows_are_shown_without_what_the_contract_classifies(folder, write_job, instance):
    write_job()
    shown = materialization(run(folder, instance))["first_rows"]
    assert "| 1 | ••• | 12.50 |" in shown
    assert "example.com" not in shown


def test_every_check_of_the_contract_is_evaluated_after_the_commit(folder, write_job, instance):
    write_job()
    result = run(folder, instance)
    outcomes = {e.check_name: e.passed for e in result.get_asset_check_evaluations()}
    assert outcomes == {"schema": True, "row_count": True, "types": True, "id_required": True}


def test_a_second_run_finds_nothing_new_and_keeps_what_the_checks_said(folder, write_job, instance):
    write_job(rows="id,email,amount\n1,a@example.com,twelve\n2,b@example.com,2.00\n", more="validation: quarantine")
    first = run(folder, instance)
    second = run(folder, instance)
    assert first.success
    assert second.success
    assert materialization(second)["status"] in {"nothing_new", "already_committed"}
    assert materialization(second)["rows_written"] == 0
    assert not last_checks(instance)["types"][0]


def test_a_strict_run_fails_and_the_broken_rule_shows_on_the_asset(folder, write_job, instance):
    write_job(rows="id,email,amount\n1,a@example.com,1.00\n,b@example.com,2.00\n")
    result = run(folder, instance)
    assert not result.success
    checks = last_checks(instance)
    assert checks["id_required"] == (False, "1 of 2 rows broke it")
    assert checks["types"][0]
    assert "schema" not in checks
    assert instance.get_latest_materialization_event(ORDERS) is None


def test_a_failure_has_the_code_and_is_not_tried_again(folder, write_job, instance):
    write_job(rows="id,email,amount\n,b@example.com,2.00\n")
    result = run(folder, instance)
    (failed,) = [e for e in result.all_events if e.is_step_failure]
    facts = failed.step_failure_data.user_failure_data.metadata
    assert facts["code"].value == "VALIDATION_FAILED"
    assert not [e for e in result.all_events if e.event_type_value == "STEP_UP_FOR_RETRY"]


def test_the_checks_run_alone_on_the_table_as_it_stands(folder, write_job, instance):
    write_job()
    run(folder, instance)
    defs = build_definitions(folder)
    alone = dg.define_asset_job("alone", selection=dg.AssetSelection.checks_for_assets(ORDERS))
    result = (
        dg.Definitions(
            assets=defs.assets,
            asset_checks=defs.asset_checks,
            jobs=[alone],
            resources=defs.resources,
            executor=dg.in_process_executor,
        )
        .resolve_job_def("alone")
        .execute_in_process(instance=instance)
    )
    outcomes = {e.check_name: e.passed for e in result.get_asset_check_evaluations()}
    assert outcomes == {"schema": True, "row_count": True, "types": True, "id_required": True}


def test_a_run_does_what_the_file_says_when_it_runs(folder, write_job, instance):
    path = write_job()
    job = build_definitions(folder).resolve_job_def("ingest__acme__orders")
    path.write_text(path.read_text().replace("sales.orders", "sales.other"))
    result = job.execute_in_process(instance=instance)
    (event,) = result.asset_materializations_for_node("acme__sales__orders.commit")
    assert "other" in event.metadata["location"].value


@pytest.mark.parametrize("name", ["check_connections", "discover_sources"])
def test_one_job_looks_at_all_connections_or_at_those_of_one_job(folder, write_job, instance, name):
    write_job("orders")
    write_job("returns")
    everything = run(folder, instance, name)
    op = {"check_connections": "connections", "discover_sources": "discovery"}[name]
    chosen = run(folder, instance, name, run_config={"ops": {op: {"config": {"job": "orders"}}}})
    counts = [
        e.step_output_data.metadata[{"connections": "connections", "discovery": "sources"}[op]].value
        for result in (everything, chosen)
        for e in result.all_events
        if e.event_type_value == "STEP_OUTPUT"
    ]
    assert counts == ([4, 2] if op == "connections" else [2, 1])


def test_a_source_that_is_not_there_fails_its_check_and_the_step(folder, write_job, instance):
    write_job()
    (folder / "data" / "orders.csv").unlink()
    result = run(folder, instance, "check_connections")
    assert not result.success
    (passed, description) = last_checks(instance, SOURCE, ["connection"])["connection"]
    assert not passed
    assert "orders" in description


def test_a_job_whose_variables_are_not_set_is_not_taken_for_checked(folder, write_job, instance):
    path = write_job()
    path.write_text(path.read_text().replace("data/orders*.csv", '"${NOBODY_SET_THIS}/orders.csv"'))
    result = run(folder, instance, "check_connections")
    (failed,) = [e for e in result.all_events if e.is_step_failure]
    (record,) = failed.step_failure_data.user_failure_data.metadata["results"].records
    assert "NOBODY_SET_THIS" in record.data["message"]


def test_a_job_that_nobody_knows_is_refused_with_the_names_of_the_others(folder, write_job, instance):
    write_job()
    result = run(
        folder, instance, "check_connections", run_config={"ops": {"connections": {"config": {"job": "oders"}}}}
    )
    (failed,) = [e for e in result.all_events if e.is_step_failure]
    assert "orders" in failed.step_failure_data.error.message


def test_a_run_finds_the_secrets_of_its_tenant_and_a_definition_needs_none(folder, write_job, instance, monkeypatch):
    path = write_job()
    path.write_text(path.read_text().replace("data/orders*.csv", '"data/${FILE_NAME}.csv"'))
    assert not run(folder, instance).success
    monkeypatch.setenv("DATIVO_SECRET__ACME__FILE_NAME", "orders")
    assert run(folder, instance).success


def test_a_commit_that_is_run_again_adds_nothing_and_reports_the_checks_of_its_own_rows(folder, write_job, instance):
    write_job(more="validation: quarantine")
    first = run(folder, instance)
    (folder / "data" / "orders2.csv").write_text("id,email,amount\nx,c@example.com,1.00\n")
    run(folder, instance)
    assert last_checks(instance)["types"] == (False, "1 of 1 rows broke it")
    again = dg.execute_job(
        dg.build_reconstructable_job("tests.fakes.rebuilt", "job", (str(folder), "ingest__acme__orders"), {}),
        instance=instance,
        reexecution_options=dg.ReexecutionOptions(first.run_id, step_selection=["acme__sales__orders.commit"]),
    )
    facts = {
        k: v.value for k, v in instance.get_latest_materialization_event(ORDERS).asset_materialization.metadata.items()
    }
    assert again.success
    assert (facts["status"], facts["rows_written"]) == ("already_committed", 3)
    assert {check["name"]: check["passed"] for check in facts["checks"]}["types"]
