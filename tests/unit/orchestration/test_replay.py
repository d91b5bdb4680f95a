"""The job that lets rows out of quarantine."""

from __future__ import annotations

import pytest

from dativo_dagster.config.load import load_job
from dativo_dagster.orchestration.build import build_definitions
from dativo_dagster.pipeline.assemble import open_table
from dativo_dagster.pipeline.jobs import run_job

ROWS = "id,email,amount\n1,a@example.com,12.50\nx,b@example.com,1\n3,c,3.00\n"


@pytest.fixture
def rejected(write_job):
    path = write_job(rows=ROWS, more="validation: quarantine")
    text = path.read_text()
    path.write_text(text.replace("classification: pii}", "classification: pii, pattern: '@'}"))
    (result,) = run_job(load_job(path)).streams
    assert result.counts.rejected == 2
    path.write_text(text)
    return load_job(path)


def replayed(folder, instance, **config):
    job = build_definitions(folder).resolve_job_def("replay_quarantine")
    return job.execute_in_process(
        instance=instance, raise_on_error=False, run_config={"ops": {"replay": {"config": config}}}
    )


def metadata(result):
    (found,) = [e.step_output_data.metadata for e in result.all_events if e.event_type_value == "STEP_OUTPUT"]
    return {key: value.value for key, value in found.items() if key != "results"}


def ids(job):
    return sorted(r["id"] for b in open_table(job, job.streams[0]).scan() for r in b.to_pylist())


def test_rows_land_once_and_the_step_says_how_many(folder, instance, rejected):
    assert metadata(replayed(folder, instance, job="orders", dry_run=True)) == {"rows_landed": 1, "rows_remaining": 1}
    assert ids(rejected) == [1]
    assert metadata(replayed(folder, instance, job="orders")) == {"rows_landed": 1, "rows_remaining": 1}
    assert metadata(replayed(folder, instance, job="orders")) == {"rows_landed": 0, "rows_remaining": 1}
    assert ids(rejected) == [1, 3]


@pytest.mark.parametrize("config", [{"job": "oders"}, {"job": "orders", "stream": "lines"}])
def test_what_is_not_there_is_refused(folder, instance, rejected, config):
    assert not replayed(folder, instance, **config).success
