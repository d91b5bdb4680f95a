from __future__ import annotations

import pytest

BAD = "id,email\n1,a@x\n2,nobody\n"


def test_a_run_ends_with_a_summary_and_a_second_finds_nothing_new(desk):
    desk.job()
    first, second = desk("run", "people"), desk("run", "people")
    assert first.code == second.code == 0
    head, names, row = first.out.splitlines()
    assert head.startswith("people (acme): ok in ")
    assert names.split() == ["stream", "status", "read", "written", "rejected", "files", "size", "snapshot", "time"]
    assert row.split()[:6] == ["people", "committed", "3", "3", "0", "1"]
    assert "nothing new: 1 " in second.out


@pytest.mark.parametrize("named", [["people"], ["jobs/people.yaml"], ["--config", "jobs/people.yaml"]])
def test_a_job_is_named_by_its_name_or_its_file(desk, named):
    desk.job()
    assert desk("run", *named).code == 0


def test_of_a_job_whose_file_is_wrong_only_that_is_told(desk):
    for name in ("people", "others"):
        file = desk.job(name)
        file.write_text(file.read_text().replace("warehouse", "warehuose"))
    answer = desk("run", "people")
    assert answer.code == 2
    assert answer.err.startswith("error: jobs/people.yaml:4:")
    assert "unknown key 'warehuose'" in answer.err
    assert "others" not in answer.err


def test_jobs_by_name_are_looked_for_in_the_folder_of_the_environment(desk, monkeypatch):
    desk.job()
    (desk.path / "jobs").rename(desk.path / "elsewhere")
    assert "no job in jobs" not in desk("run", "people").out
    monkeypatch.setenv("DATIVO_JOBS", "elsewhere")
    assert desk("run", "people").code == 0


def test_the_result_is_one_json_object(desk):
    desk.job()
    result = desk("run", "people", "--json").json
    [stream] = result["streams"]
    assert (result["job"], result["exit_code"], stream["status"]) == ("people", 0, "committed")
    assert stream["counts"]["read"] == stream["counts"]["written"] == 3
    assert stream["snapshot"]["id"]


def test_rejected_rows_are_exit_code_1_and_told(desk):
    desk.job(rows=BAD, validation="quarantine")
    answer = desk("run", "people")
    assert answer.code == 1
    assert "people (acme): rows rejected" in answer.out
    assert "1 row broke email_pattern" in answer.out
    assert "rejected rows are in file://" in answer.out
    assert answer.event("validation_errors")["rules"] == {"email_pattern": 1}


def test_a_broken_contract_is_exit_code_2_without_a_traceback(desk):
    desk.job(rows=BAD)
    answer = desk("run", "people")
    assert answer.code == 2
    assert "[VALIDATION_FAILED]" in answer.out
    assert "Traceback" not in answer.out + answer.err
    assert answer.event("validation_failed")["level"] == "ERROR"
    assert not list((desk.path / "lake").rglob("*.parquet"))
    assert answer.out.count("set `validation: quarantine`") == 1
    assert "\n    Mend the source or the contract" in answer.out


def test_what_to_do_about_a_missing_file_is_said_once(desk):
    desk.job()
    assert "1 file, 27 bytes" in desk("check", "people").out
    (desk.path / "data" / "people.csv").unlink()
    answer = desk("run", "people")
    assert answer.code == 2
    assert answer.out.count("Check the path and its spelling") == 1


PLUGIN = """
from dativo_ingest import BaseReader, ConfigurationError

class Shop(BaseReader):
    def extract(self, state_manager=None):
        raise ConfigurationError("no account of that name", "NO_ACCOUNT", {"account": "x"})
        yield
"""


@pytest.mark.parametrize("place", ["local", "process"])
def test_an_error_of_ours_that_a_plugin_raised_says_which_plugin_and_stream_it_was(desk, place):
    file = desk.job()
    (file.parent / "shop.py").write_text(PLUGIN)
    file.write_text(file.read_text().replace("connector: csv", f"custom_reader: shop.py:Shop, place: {place}"))
    [stream] = desk("run", "people", "--json").json["streams"]
    error = stream["error"]
    assert error["message"] == f"plugin {file.parent}/shop.py:Shop: read of stream 'people': no account of that name"
    assert (error["error_type"], error["error_code"]) == ("ConfigurationError", "NO_ACCOUNT")
    assert (error["details"]["account"], error["retryable"]) == ("x", False)


def test_the_events_of_a_run_have_their_old_names_and_all_their_fields(desk):
    desk.job()
    answer = desk("run", "people")
    assert [e["event_type"] for e in answer.events] == [
        "job_started",
        "extraction_complete",
        "commit_success",
        "job_finished",
    ]
    assert answer.event("extraction_complete")["read"] == 3
    commit = answer.event("commit_success")
    assert (commit["job_name"], commit["tenant_id"], commit["files"], commit["written" if 0 else "table"]) == (
        "people",
        "acme",
        1,
        "shop.people",
    )


def test_a_folder_runs_all_its_jobs_and_names_those_that_are_not_well(desk):
    desk.job("a")
    desk.job("b", BAD)
    desk.job("c")
    (desk.path / "jobs" / "d.yaml").write_text("name: d\nsource: {}\ntarget: {}\ncontarct: x\n")
    answer = desk("run", "--job-dir", "jobs")
    assert answer.code == 2
    assert answer.out.count(": ok in ") == 2
    assert answer.out.splitlines()[-1] == "4 jobs; not well, with their exit codes: jobs/d.yaml (2), b (2)"
    assert "did you mean 'contract'?" in answer.err
    listed = desk("run", "--job-dir", "jobs", "--json").json
    assert [(j["job"], j["exit_code"]) for j in listed["jobs"]] == [("jobs/d.yaml", 2), ("a", 0), ("b", 2), ("c", 0)]
    assert listed["exit_code"] == 2


def test_a_folder_where_some_rows_were_rejected_is_exit_code_2(desk):
    desk.job("a")
    desk.job("b", BAD, validation="quarantine")
    assert desk("run", "--job-dir", "jobs").code == 2


def test_a_folder_that_is_well_is_exit_code_0(desk):
    desk.job("a")
    desk.job("b")
    answer = desk("run", "--job-dir", "jobs")
    assert (answer.code, answer.out.splitlines()[-1]) == (0, "2 jobs, all well")


def test_a_folder_of_several_tenants_needs_one_to_be_chosen(desk):
    desk.job("a")
    desk.job("b", tenant="other")
    answer = desk("run", "--job-dir", "jobs")
    assert answer.code == 2
    assert "several tenants: acme, other; choose one with --tenant-id" in answer.err
    assert desk("run", "--job-dir", "jobs", "--tenant-id", "other").out.splitlines()[-1] == "1 job, all well"


def test_a_job_of_another_tenant_is_refused(desk):
    desk.job()
    answer = desk("run", "people", "--tenant-id", "other")
    assert answer.code == 2
    assert "belongs to the tenant 'acme', not to 'other'" in answer.err


def test_one_stream_can_be_chosen_and_an_unknown_one_is_told(desk):
    desk.job()
    assert desk("run", "people", "--stream", "people").code == 0
    answer = desk("run", "people", "--stream", "persons")
    assert answer.code == 2
    assert "has no stream 'persons'; it has: people" in answer.err


def test_an_unknown_job_is_told_with_those_that_there_are(desk):
    desk.job()
    answer = desk("run", "persons")
    assert answer.code == 2
    assert "no job in jobs is called that; known are: people" in answer.err
    assert "  NO_SUCH_JOB: " in answer.err


def test_an_error_before_the_run_is_json_too_when_json_was_asked_for(desk):
    answer = desk("run", "nobody", "--json")
    assert answer.json["exit_code"] == 2
    assert answer.json["error"]["error_code"] == "NO_SUCH_JOB"


def test_the_level_of_the_job_decides_what_is_logged(desk):
    file = desk.job()
    file.write_text(file.read_text() + "logging: {level: ERROR}\n")
    assert desk("run", "people").err == ""


def test_an_unforeseen_error_of_a_stream_shows_its_traceback_to_who_asks(desk, monkeypatch):
    desk.job()
    monkeypatch.setattr("dativo_dagster.connectors.files.Reader.split", lambda *_: 1 / 0)
    answer = desk("run", "people")
    assert answer.code == 2
    assert "run again with --debug" in answer.out
    assert "Traceback" not in answer.out
    assert "Traceback" in desk("run", "people", "--debug").out
