"""The state file of a plugin: where the first run starts, and a mirror of the table from then on."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from dativo_dagster.config.load import load_job
from dativo_dagster.pipeline.assemble import open_table
from dativo_dagster.pipeline.jobs import run_job
from dativo_dagster.pipeline.mirror import cursor_in, path_of
from dativo_dagster.pipeline.run import plan_stream
from dativo_dagster.pipeline.state import Who, reset, set_cursor
from dativo_ingest.exceptions import ConfigurationError
from dativo_ingest.validator import IncrementalStateManager

JOB = """\
name: {name}
tenant: acme
source:
  custom_reader: plugin.py:Numbers
  connection: {{upto: {upto}}}
  incremental: {{strategy: incremental{path}{more}}}
target: {{connector: parquet, path: {table}, table: n.numbers}}
contract: {{name: numbers, schema: [{{name: n, type: int64, required: true}}]}}
"""
READER = """\
from pathlib import Path
from dativo_ingest import BaseReader

class Numbers(BaseReader):
    def extract(self, state_manager=None):
        path = Path(self.source_config.incremental["state_path"])
        first = state_manager.read_state(path).get("next", 0)
        upto = self.source_config.connection["upto"]
        for n in range(first, upto):
            yield [{"n": n}]
            state_manager.write_state(path, {"next": n + 1})
            if Path("fail").exists():
                raise OSError("the line broke")
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STATE_DIR", raising=False)
    (tmp_path / "plugin.py").write_text(READER)
    return tmp_path


def job(upto=3, path=", state_path: numbers.json", name="job", table="out", more=""):
    file = Path(f"{name}.yaml").absolute()
    file.write_text(JOB.format(name=name, upto=upto, path=path, table=Path(table).absolute(), more=more))
    return load_job(file)


def run(a_job):
    (result,) = run_job(a_job).streams
    assert result.error is None, result.error
    return result


def refused(a_job):
    (result,) = run_job(a_job).streams
    return result.error["error_code"] if result.error else None


def numbers(a_job):
    return sorted(r["n"] for b in open_table(a_job, a_job.streams[0]).scan() for r in b.to_pylist())


def kept(path="numbers.json"):
    return json.loads(Path(path).read_text())


def test_the_file_says_what_was_committed():
    run(job(3))
    assert kept() == {"next": 3}
    run(job(5))
    assert kept() == {"next": 5}
    assert numbers(job()) == [0, 1, 2, 3, 4]


def test_a_run_that_fails_leaves_the_file_as_it_was():
    run(job(3))
    before = Path("numbers.json").stat()
    Path("fail").touch()
    assert refused(job(5)) == "PLUGIN_FAILED"
    assert Path("numbers.json").stat() == before
    Path("fail").unlink()
    run(job(5))
    assert numbers(job()) == [0, 1, 2, 3, 4]


def test_a_plan_leaves_the_file_as_it_was():
    Path("numbers.json").write_text('{"next": 1}')
    a_job = job(5)
    plan_stream(a_job, a_job.streams[0])
    assert Path("numbers.json").read_text() == '{"next": 1}'


def test_a_file_of_the_earlier_system_is_where_the_first_run_starts_and_keeps_its_mode():
    Path("numbers.json").write_text('{"next": 2}')
    Path("numbers.json").chmod(0o640)
    run(job(4))
    assert numbers(job()) == [2, 3]
    assert kept() == {"next": 4}
    assert Path("numbers.json").stat().st_mode & 0o777 == 0o640


def test_rows_of_the_earlier_system_do_not_stop_a_run_whose_state_is_in_the_file():
    run(job(2, name="other", path=", state_path: other.json"))
    head = Path("out/_dativo/manifest.json")
    said = json.loads(head.read_text())
    for segment in said["segments"]:
        segment["key"] = ""
    head.write_text(json.dumps({**said, "state": {}}))
    assert refused(job(4)) == "STATE_MISSING"

    Path("numbers.json").write_text('{"next": 2}')
    run(job(4))
    assert numbers(job()) == [0, 1, 2, 3]


def test_a_mirror_of_ours_is_no_memory_once_the_table_has_lost_its_own():
    run(job(3))
    head = Path("out/_dativo/manifest.json")
    head.write_text(json.dumps({**json.loads(head.read_text()), "state": {}}))
    assert refused(job(5)) == "STATE_MISSING"

    a_job = job(5)
    set_cursor(a_job, a_job.streams[0], cursor_in(a_job, a_job.streams[0]), Who(by="ana", reason="lost"))
    run(a_job)
    assert numbers(a_job) == [0, 1, 2, 3, 4]


def test_a_table_that_is_made_anew_is_read_from_the_beginning_whatever_the_mirror_says():
    run(job(3))
    assert numbers(job(table="new")) == []
    run(job(3, table="new"))
    assert numbers(job(table="new")) == [0, 1, 2]


@pytest.mark.parametrize("content", ["{half", "", "\0\0\0", "[1,"])
def test_a_corrupt_file_is_an_error_and_never_an_empty_state(content):
    Path("numbers.json").write_text(content)
    assert refused(job(3)) == "STATE_CORRUPT"
    assert Path("numbers.json").read_text() == content


def test_a_file_that_somebody_wrote_meanwhile_stops_the_next_run_until_a_person_decides():
    run(job(3))
    IncrementalStateManager.write_state(Path("numbers.json"), {"next": 4})
    assert refused(job(6)) == "STATE_FILE_CHANGED"

    a_job = job(6)
    set_cursor(a_job, a_job.streams[0], cursor_in(a_job, a_job.streams[0]), Who(by="ana", reason="it is right"))
    run(a_job)
    assert numbers(a_job) == [0, 1, 2, 4, 5]
    assert kept() == {"next": 6}
    run(job(7))


def test_without_the_file_the_table_goes_on():
    run(job(3))
    Path("numbers.json").unlink()
    run(job(5))
    assert numbers(job()) == [0, 1, 2, 3, 4]
    assert kept() == {"next": 5}


def test_a_crash_between_the_commit_and_the_file_is_no_change_by_somebody_else():
    run(job(3))
    old, mark = Path("numbers.json").read_bytes(), Path(".numbers.json.mirror").read_bytes()
    run(job(5))
    new = Path(".numbers.json.mirror").read_bytes()
    Path("numbers.json").write_bytes(old)
    assert refused(job(5)) is None, "killed after the mark"
    assert kept() == {"next": 5}

    Path("numbers.json").write_bytes(old)
    Path(".numbers.json.mirror").write_bytes(mark)
    run(job(6))
    assert (kept(), numbers(job()), mark != new) == ({"next": 6}, [0, 1, 2, 3, 4, 5], True)


def test_a_reset_reads_from_the_beginning_whatever_the_file_says():
    run(job(3))
    a_job = job(4)
    reset(a_job, a_job.streams[0], Who(by="ana", reason="again"))
    run(a_job)
    assert numbers(a_job) == [0, 0, 1, 1, 2, 2, 3]
    assert kept() == {"next": 4}


def test_two_streams_do_not_share_a_file():
    run(job(3))
    assert refused(job(3, name="other", table="other")) == "STATE_FILE_TAKEN"


def test_the_default_file_is_only_kept_up_where_the_earlier_system_left_one():
    a_job = job(3, path="")
    run(a_job)
    default = path_of(a_job, a_job.streams[0])
    assert str(default).startswith(".local/state/acme/")
    assert not default.exists()

    default.parent.mkdir(parents=True)
    default.write_text('{"next": 2}')
    later = job(4, path="", table="later")
    run(later)
    assert (numbers(later), kept(default)) == ([2, 3], {"next": 4})


def test_a_file_that_cannot_be_written_is_a_warning_as_the_commit_has_landed(caplog):
    Path(".numbers.json.lock").mkdir()
    with caplog.at_level(logging.WARNING, "dativo_dagster"):
        run(job(3))
    assert "does not show the last commit" in caplog.text
    assert numbers(job()) == [0, 1, 2]


def test_a_built_in_source_has_no_state_file():
    a_job = load_job(_csv())
    with pytest.raises(ConfigurationError) as caught:
        cursor_in(a_job, a_job.streams[0])
    assert caught.value.error_code == "BAD_CURSOR"


def _csv():
    path = Path("csv.yaml").absolute()
    path.write_text(
        "source: {connector: csv, files: ['*.csv'], incremental: file_modified_time}\n"
        "target: {connector: parquet, path: out, table: a.b}\n"
        "contract: {name: c, schema: [{name: n, type: int64}]}\n"
    )
    return path
