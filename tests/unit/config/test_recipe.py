from __future__ import annotations

from pathlib import Path

import pytest

from dativo_dagster.config.document import Document, parse_document, read_document
from dativo_dagster.config.mistakes import Mistakes, validated
from dativo_dagster.config.recipe import BUILT_IN, RecipeFile, built_in_recipes, laid_over, read_recipe
from dativo_ingest.exceptions import ConfigurationError


def test_the_recipes_of_the_earlier_system_are_built_in():
    assert built_in_recipes() >= {
        *("csv", "markdown_kv", "gdrive_csv", "google_sheets", "stripe", "hubspot", "postgres", "mysql"),
        *("iceberg", "s3", "minio", "gdrive_csv_airbyte", "google_sheets_airbyte"),
    }


@pytest.mark.parametrize("name", sorted(built_in_recipes()))
def test_a_built_in_recipe_is_a_recipe(name):
    mistakes = Mistakes()
    recipe = validated(RecipeFile, read_document(BUILT_IN / f"{name}.yaml"), mistakes)
    mistakes.raise_any()
    assert recipe is not None
    assert recipe.name == name


def test_a_file_goes_before_the_built_in_recipe_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("csv.yaml").write_text("name: mine\ntype: csv\n")
    assert read_recipe("csv.yaml", tmp_path, "source").data["name"] == "mine"
    assert read_recipe("connectors/csv.yaml", tmp_path, "source").data["name"] == "csv"


@pytest.mark.parametrize("named", ["nothing.yaml", "", ".", "csv.json", "../recipes"])
def test_a_recipe_that_is_not_there_is_told_with_those_that_are(tmp_path, named):
    with pytest.raises(ConfigurationError, match=r"there is no recipe .* or one of csv, ") as caught:
        read_recipe(named, tmp_path, "source")
    assert caught.value.error_code == "NO_SUCH_FILE"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", "1:1: a recipe is a mapping with name and type"),
        ("name: x", "1:1: 'type' is missing"),
        ("name: x\ntype: x\nroles: [sink]", "3:9: roles[0]: 'sink' is not one of 'source' or 'target'"),
    ],
)
def test_a_bad_recipe_is_told_with_its_place(tmp_path, text, message):
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        read_recipe(str(path), tmp_path, "source")
    assert caught.value.message == f"{path}:{message}"


def test_a_recipe_is_not_used_on_the_wrong_side(tmp_path):
    with pytest.raises(ConfigurationError, match="the recipe 'iceberg' cannot be a source; choose another") as caught:
        read_recipe("iceberg", tmp_path, "source")
    assert caught.value.error_code == "WRONG_ROLE"


def test_only_a_job_switches_an_increment_on():
    recipe = parse_document("type: a\nincremental: {strategy: created}\ndefault_engine: {type: native}", Path("r"))
    assert laid_over(None, recipe.data, "source") == {"type": "a", "engine": {"type": "native"}}


def test_places_are_those_of_the_file_that_said_it():
    recipe = parse_document("type: a\nconnection_template:\n  x: 1\n  y: 2\n", Path("r.yaml")).data
    job = parse_document("connection: {y: 3}\n", Path("j.yaml")).data
    merged = Document(Path("j.yaml"), laid_over(job, recipe, "target"))
    assert merged.data == {"type": "a", "connection": {"x": 1, "y": 3}}
    assert str(merged.mark(("connection", "x"))) == "r.yaml:3:6"
    assert str(merged.mark(("connection", "y"))) == "j.yaml:1:17"
