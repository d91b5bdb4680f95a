"""What a user sees: the demo in the UI of a running `dagster dev`, by a real browser."""

from __future__ import annotations

import pytest

from tests.waiting import until

pytestmark = [pytest.mark.ui, pytest.mark.timeout(300), pytest.mark.xdist_group("ui")]

ASSET = "assets/demo/geo/world_cities"
MADE = """{assetNodeOrError(assetKey: {path: ["demo", "geo", "world_cities"]}) {... on AssetNode {
  assetMaterializations(limit: 1) {runId}
}}}"""
CHECKS = ("ascii_name_required", "country_code_pattern", "geoname_id_unique", "latitude_range")


def test_the_materialize_button_moves_the_cities_and_the_page_tells_how_it_went(ui, page, tmp_path):
    page.open(f"{ui.url}/{ASSET}")
    page.click("Materialize")
    page.wait_for("Launched run")
    until(lambda: ui.query(MADE)["assetNodeOrError"]["assetMaterializations"], 180)
    page.open(f"{ui.url}/{ASSET}")  # in a window that nobody looks at, Dagster's pages do not refresh themselves
    for words in ("199,550", "decimal(8,5)", "Name in the place's own language", "non-nullable", "rows_rejected"):
        page.wait_for(words)
    page.picture(tmp_path / "asset.png")
    page.open(f"{ui.url}/{ASSET}?view=checks")
    for name in CHECKS:
        page.wait_for(name)
    page.picture(tmp_path / "checks.png")
    assert (tmp_path / "asset.png").stat().st_size > 50_000


def test_the_graph_shows_every_example_downstream_of_its_source(ui, page):
    page.open(f"{ui.url}/asset-groups")
    for group in ("acme", "demo", "shop"):
        page.wait_for(group)


def test_a_bad_job_file_is_shown_with_its_mistake_beside_the_good_ones(ui, page):
    broken = ui.home.parent / "jobs" / "broken.yaml"
    broken.write_text("tenant: demo\nsource: {connector: csvv, files: a.csv}\n")
    try:
        ui.query('mutation {reloadRepositoryLocation(repositoryLocationName: "dativo") {__typename}}')
        page.open(f"{ui.url}/assets/broken_jobs/broken_x2eyaml")
        page.wait_for("csvv")
        page.open(f"{ui.url}/{ASSET}")
        page.wait_for("Materialize")
    finally:
        broken.unlink()
        ui.query('mutation {reloadRepositoryLocation(repositoryLocationName: "dativo") {__typename}}')


SECRETIVE = """\
name: secretive
tenant: shop
source:
  custom_reader: plugins/json_api_reader.py:JSONAPIReader
  credentials: {token: canary-of-the-ui}
  objects: [users]
  place: {launcher: process, memory_mb: 512, environment: {API_TOKEN: canary-of-the-ui}}
target: {connector: iceberg, table: web.secretive}
contract: {name: secretive, schema: [{name: id, type: int64}]}
"""
READER = "reader__plugins_json_api_reader_JSONAPIReader"


def test_a_plugin_is_a_resource_that_shows_its_configuration_and_no_secret(ui, page, tmp_path):
    job = ui.home.parent / "jobs" / "secretive.yaml"
    job.write_text(SECRETIVE)
    try:
        ui.query('mutation {reloadRepositoryLocation(repositoryLocationName: "dativo") {__typename}}')
        page.open(f"{ui.url}/locations/__repository__@dativo/resources")
        page.wait_for("writer__iceberg")
        page.wait_for(READER)
        page.open(f"{ui.url}/locations/__repository__@dativo/resources/{READER}")
        for words in ("plugins/json_api_reader.py:JSONAPIReader", "process", "memory_mb", '"API_TOKEN": "***"'):
            page.wait_for(words)
        shown = page.text()
        page.picture(tmp_path / "resource.png")
        page.open(f"{ui.url}/assets/shop/web/secretive")
        page.wait_for("credentials")
        assert "canary" not in shown + page.text()
    finally:
        job.unlink()
        ui.query('mutation {reloadRepositoryLocation(repositoryLocationName: "dativo") {__typename}}')
