"""``dativo places``, and what ``dativo plan`` says of places. The place here keeps its things in a folder."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import BaseModel, ConfigDict

from dativo_dagster import registry
from dativo_dagster.telemetry import warn_once
from dativo_ingest.exceptions import AuthenticationError
from dativo_ingest.model import Leftover
from dativo_ingest.opening import open_reader

log = logging.getLogger("dativo_dagster.shed")
READER = """
from dativo_ingest import BaseReader

class Numbers(BaseReader):
    def extract(self, state_manager=None):
        yield [{"id": 1, "email": "a@x"}]
"""


class Shed:
    """A place that keeps what runs leave in a folder; a file `stuck` in it cannot be removed."""

    class Config(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True)
        folder: str
        memory_mb: int = 1

        def openings(self):
            yield f"{self.folder} to read"

    class Launcher:
        def __init__(self, config):
            self.folder = Path(config.folder)

        def reader(self, plugin, config):
            warn_once(log, "the shed of %s is damp", plugin.name)
            return open_reader(plugin, config)

        def is_made(self, plugin, config):
            warn_once(log, "the shed of %s is damp", plugin.name)
            return (self.folder / "made").exists()

        def leftovers(self, older_than):
            if not self.folder.exists():
                raise AuthenticationError(f"no key to {self.folder}", "AUTH_FAILED")
            names = sorted(file.name for file in self.folder.iterdir())
            return [Leftover(kind="box", name=n, owner="acme/people", why="its host is gone", bytes=3) for n in names]

        def remove(self, leftover):
            if leftover.name == "stuck":
                raise OSError("it is stuck")
            (self.folder / leftover.name).unlink()


@pytest.fixture
def shed(desk, monkeypatch):
    module = ModuleType("stand_in_shed")
    module.Config, module.Launcher = Shed.Config, Shed.Launcher
    monkeypatch.setitem(sys.modules, "stand_in_shed", module)
    line = registry.Entry(module="stand_in_shed", summary="a shed", extra="wood")
    monkeypatch.setitem(registry.ENTRIES, "launchers", {**_without_docker(), "shed": line})
    registry.entries.cache_clear()
    folder = desk.path / "shed"
    folder.mkdir()
    yield folder
    registry.entries.cache_clear()


def _without_docker():
    return {name: line for name, line in registry.ENTRIES["launchers"].items() if name != "docker"}


@pytest.fixture
def job(desk, shed):
    """A job with a plugin in the shed."""

    def made(place=f"{{launcher: shed, folder: {shed}}}", more=""):
        file = desk.job()
        (file.parent / "api.py").write_text(READER)
        lines = file.read_text().splitlines()
        lines[2] = f"source: {{custom_reader: api.py:Numbers, place: {place}}}"
        file.write_text("\n".join(lines) + f"\n{more}\n")
        return file

    return made


def test_list_says_what_there_is_and_what_can_be_used(desk, shed):
    found = {place["name"]: place for place in desk("places", "list", "--json").json["places"]}
    assert found["process"]["usable"] is True
    assert found["shed"]["usable"] is None
    assert found["shed"]["extra"] == "wood"
    [line] = [line for line in desk("places", "list").out.splitlines() if "a shed" in line]
    assert line.split()[:3] == ["shed", "not", "known"]
    assert line.endswith("only a job names its account; `dativo places gc JOB --dry-run` asks it, and makes nothing")


def test_list_says_why_a_place_cannot_be_used(desk, monkeypatch, shed):
    line = registry.Entry(module="no_such_package_of_ours", extra="gone")
    monkeypatch.setitem(registry.ENTRIES["launchers"], "far", line)
    registry.entries.cache_clear()
    [far] = [place for place in desk("places", "list", "--json").json["places"] if place["name"] == "far"]
    assert far["usable"] is False
    assert "MISSING_EXTRA" in far["why"]
    assert "dativo-dagster[gone]" in far["why"]


def test_gc_removes_what_the_places_of_jobs_keep(desk, shed, job):
    job()
    (shed / "one").touch()
    (shed / "two").touch()
    dry = desk("places", "gc", "--dry-run")
    assert (dry.code, dry.out.splitlines()[-1]) == (0, "2 things found; leave --dry-run out to remove them")
    assert len(list(shed.iterdir())) == 2
    answer = desk("places", "gc", "--config", "jobs", "--json").json
    assert [(each["leftover"]["name"], each["removed"]) for each in answer["done"]] == [("one", True), ("two", True)]
    assert list(shed.iterdir()) == []


def test_what_two_places_of_one_account_keep_is_told_once(desk, shed, job):
    file = job()
    other = file.read_text().replace("people", "others").replace("{launcher: shed", "{launcher: shed, memory_mb: 9")
    (file.parent / "others.yaml").write_text(other)
    (shed / "stuck").touch()
    dry = desk("places", "gc", "--dry-run")
    assert (dry.code, dry.out.splitlines()[-1]) == (0, "1 thing found; leave --dry-run out to remove them")
    assert desk("places", "gc").err.count("it is stuck") == 1


def test_gc_of_another_place_leaves_them(desk, shed, job):
    file = job()
    (shed / "one").touch()
    assert desk("places", "gc", "--config", str(file), "--place", "local").out == "0 things removed\n"
    assert "did you mean 'shed'" in desk("places", "gc", "--place", "shet").err
    assert list(shed.iterdir())


def test_the_engine_of_this_machine_is_not_asked_for_what_one_job_left_elsewhere(desk, shed, job, monkeypatch):
    file = job()
    docker = registry.Entry(module="stand_in_shed", summary="an engine")
    lines = {**registry.ENTRIES["launchers"], "docker": docker}  # it has no folder: to ask it is an error
    monkeypatch.setitem(registry.ENTRIES, "launchers", lines)
    registry.entries.cache_clear()
    assert desk("places", "gc", "--config", str(file)).code == 0
    for asked in (("places", "gc"), ("places", "gc", "--config", str(file), "--place", "docker")):
        answer = desk(*asked)
        assert answer.code == 2
        assert answer.err.splitlines()[-1].startswith("docker: ")


def test_what_cannot_be_removed_hinders_nothing_and_is_told(desk, shed, job):
    job()
    for name in ("one", "stuck", "two"):
        (shed / name).touch()
    answer = desk("places", "gc")
    assert (answer.code, answer.out.splitlines()[-1]) == (2, "2 things removed")
    assert "shed stuck: " in answer.err
    assert "it is stuck" in answer.err


def test_a_place_that_refuses_us_is_told(desk, shed, job):
    job()
    shed.rmdir()
    answer = desk("places", "gc")
    assert answer.code == 2
    assert "shed: AUTH_FAILED: no key to" in answer.err


def test_a_job_that_contradicts_itself_is_told(desk, shed, job):
    job("process", "plugins: {sandbox: {}}")
    answer = desk("places", "gc", "--json")
    assert answer.code == 2
    assert [problem["error_code"] for problem in answer.json["problems"]] == ["PLACE_CONFLICT"]


def test_a_library_of_ours_that_is_not_built_hinders_nothing(desk, shed, job):
    file = job()
    place = f"api.py:Numbers, place: {{launcher: shed, folder: {shed}}}"
    (file.parent / "fast.yaml").write_text(
        file.read_text().replace(place, "native:never_built").replace("people", "fast")
    )
    (shed / "one").touch()
    answer = desk("places", "gc")
    assert (answer.code, answer.out.splitlines()[-1]) == (0, "1 thing removed")
    assert "never_built" not in answer.err


def test_a_folder_without_jobs_has_nothing_to_tidy(desk, shed):
    assert desk("places", "gc").out == "0 things removed\n"


def test_a_plan_says_where_each_plugin_runs_and_why(desk, shed, job):
    file = job("process")
    assert "  source api.py:Numbers runs in process: the job says `place`\n" in desk("plan", str(file)).out
    assert "\n  reads 1 unit; skips 0 unchanged\n" in desk("plan", str(file)).out  # its bytes are not known
    [stream] = desk("plan", str(file), "--json").json["streams"]
    assert stream["places"] == {"source": {"launcher": "process", "why": "the job says `place`"}}


def test_a_plan_does_not_make_the_place_of_a_source_unless_told_to(desk, shed, job):
    file = job()
    told = desk("plan", str(file))
    assert (told.code, "is known once it is deployed" in told.out, "commits as" in told.out) == (0, True, False)
    [stream] = desk("plan", str(file), "--json").json["streams"]
    assert (stream["deployed"], stream["window"], stream["table"]) == (False, None, "shop.people")
    assert stream["places"]["source"]["launcher"] == "shed"
    [stream] = desk("plan", str(file), "--deploy", "--json").json["streams"]
    assert stream["window"]["units"]
    (shed / "made").touch()
    [stream] = desk("plan", str(file), "--json").json["streams"]
    assert stream["window"]["units"]


def test_a_command_is_told_a_warning_of_a_place_once_though_it_opens_the_plugin_more_than_once(desk, shed, job):
    file = job()
    (shed / "made").touch()
    assert [desk("plan", str(file)).err.count("is damp") for _ in range(2)] == [1, 1]


def test_a_plan_that_asks_nobody_says_still_what_the_table_refuses(desk, shed, job):
    file = job()
    assert desk("run", str(file)).code == 0
    file.write_text(file.read_text().replace("name: id, type: int64", "name: id, type: boolean"))
    told = desk("plan", str(file))
    assert told.code == 2
    assert "is known once it is deployed" in told.out
    assert "column id: int64 -> boolean; `target.evolution` says no" in told.out


def test_a_plan_says_what_a_job_gives_to_a_plugin_beyond_its_place(desk, shed, job):
    file = job()
    assert f"    the job gives it {shed} to read\n" in desk("plan", str(file)).out
    [stream] = desk("plan", str(file), "--json").json["streams"]
    assert stream["places"]["source"]["gives"] == [f"{shed} to read"]


def test_a_plan_without_plugins_says_nothing_of_places(desk):
    [stream] = desk("plan", str(desk.job()), "--json").json["streams"]
    assert "places" not in stream


def test_a_plan_whose_place_does_not_answer_says_which_it_was(desk, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///there/is/none")
    file = desk.job()
    (file.parent / "api.py").write_text(READER)
    file.write_text(file.read_text().replace("connector: csv", "custom_reader: api.py:Numbers, place: docker"))
    answer = desk("plan", str(file))
    assert answer.code == 2
    assert "source api.py:Numbers runs in docker: the job says `place`\n" in answer.err
    assert "DOCKER_UNAVAILABLE" in answer.err
