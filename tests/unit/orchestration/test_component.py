from __future__ import annotations

import dagster as dg
import pytest

from dativo_dagster.orchestration.build import build_definitions

PROJECT = '[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "shop_of_tests"\n'
COMPONENT = "type: dativo_dagster.orchestration.component.JobFolder\nattributes:\n  path: jobs\n"


# Dagster copies check definitions of components by an own beta parameter.
@pytest.mark.filterwarnings("ignore:Parameter `execution_type`")
def test_a_dg_project_gets_from_the_component_what_the_code_location_has(folder, write_job, monkeypatch):
    write_job()
    root = folder.parent
    (root / "pyproject.toml").write_text(PROJECT)
    defs_folder = root / "shop_of_tests" / "defs"
    (defs_folder / "ingest").mkdir(parents=True)
    for package in (defs_folder, defs_folder.parent):
        (package / "__init__.py").touch()
    (defs_folder / "ingest" / "defs.yaml").write_text(COMPONENT)
    monkeypatch.syspath_prepend(root)

    loaded = dg.load_from_defs_folder(path_within_project=root)

    ours = build_definitions(folder).resolve_asset_graph()
    assert loaded.resolve_asset_graph().get_all_asset_keys() == ours.get_all_asset_keys()
    assert loaded.resolve_job_def("ingest__acme__orders")
