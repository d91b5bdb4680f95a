"""The job that tidies the places of plugins. The place here keeps its things in a folder."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import BaseModel

from dativo_dagster import registry
from dativo_dagster.orchestration.build import build_definitions
from dativo_ingest.model import Leftover


class Config(BaseModel):
    folder: str


class Launcher:
    """A place that keeps what runs leave in a folder; a file `stuck` in it cannot be removed."""

    def __init__(self, config):
        self.folder = Path(config.folder)

    def leftovers(self, older_than):
        return [Leftover(kind="box", name=file.name) for file in sorted(self.folder.iterdir())]

    def remove(self, leftover):
        if leftover.name == "stuck":
            raise OSError("it is stuck")
        (self.folder / leftover.name).unlink()


@pytest.fixture
def shed(folder, tmp_path, monkeypatch, write_job):
    """Give the folder of the place that the one plugin of the jobs runs in."""
    module = ModuleType("stand_in_shed")
    module.Config, module.Launcher = Config, Launcher
    monkeypatch.setitem(sys.modules, "stand_in_shed", module)
    others = {name: line for name, line in registry.ENTRIES["launchers"].items() if name != "docker"}
    monkeypatch.setitem(registry.ENTRIES, "launchers", {**others, "shed": registry.Entry(module="stand_in_shed")})
    registry.entries.cache_clear()
    kept = tmp_path / "shed"
    kept.mkdir()
    (folder / "numbers.yaml").write_text(
        f"source: {{custom_reader: api.py:Numbers, place: {{launcher: shed, folder: {kept}}}}}\n"
        f"target: {{connector: parquet, path: {tmp_path / 'out'}, table: n.numbers}}\n"
        "contract: {name: numbers, schema: [{name: n, type: int64}]}\n"
    )
    yield kept
    registry.entries.cache_clear()


def run(folder, instance, **config):
    job = build_definitions(folder).resolve_job_def("tidy_places")
    return job.execute_in_process(
        instance=instance, raise_on_error=False, run_config={"ops": {"tidying": {"config": config}}}
    )


def test_what_places_keep_is_removed_unless_it_is_only_asked_for(folder, instance, shed):
    (shed / "one").touch()
    assert run(folder, instance, dry_run=True).success
    assert [file.name for file in shed.iterdir()] == ["one"]
    assert run(folder, instance).success
    assert list(shed.iterdir()) == []


def test_what_cannot_be_removed_fails_the_step_after_all_others(folder, instance, shed):
    for name in ("one", "stuck", "two"):
        (shed / name).touch()
    assert not run(folder, instance).success
    assert [file.name for file in shed.iterdir()] == ["stuck"]


def test_a_place_that_nobody_knows_is_refused(folder, instance, shed):
    assert not run(folder, instance, place="shet").success
