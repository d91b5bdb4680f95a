from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

import dativo_dagster
from dativo_dagster.config.document import parse_document, read_document
from dativo_dagster.config.kinds import is_job
from dativo_dagster.config.recipe import BUILT_IN
from dativo_dagster.config.schema import job_schema, recipe_schema, runner_schema, write_schemas

COMMITTED = Path(dativo_dagster.__file__).parent / "schemas"
EXAMPLES = Path(dativo_dagster.__file__).parents[1] / "jobs"
SHORT = """\
source: {connector: csv, files: [a.csv], skip_rows: "${N:-1}"}
target: {connector: iceberg, table: a.b, mode: append}
contract: a.yaml
"""


def errors(schema: dict, text: str) -> list[str]:
    validator = jsonschema.Draft202012Validator(schema)
    return [f"{list(e.absolute_path)} {e.message}" for e in validator.iter_errors(parse_document(text, Path("f")).data)]


@pytest.fixture(scope="module")
def job() -> dict:
    return job_schema(built_in=True)


def test_the_committed_schemas_are_those_that_the_code_makes(tmp_path):
    write_schemas(tmp_path)
    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert made == {path.name: path.read_text() for path in COMMITTED.iterdir()}
    assert set(made) == {f"{kind}.schema.json" for kind in ("job", "contract", "recipe", "runner")}


@pytest.mark.parametrize("path", sorted(COMMITTED.glob("*.json")), ids=lambda path: path.name)
def test_a_schema_is_a_schema(path):
    jsonschema.Draft202012Validator.check_schema(json.loads(path.read_text()))


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_every_example_is_valid(job, path):
    document = read_document(path)
    assert is_job(document.data)
    jsonschema.Draft202012Validator(job).validate(document.data)


def test_every_built_in_recipe_is_valid():
    validator = jsonschema.Draft202012Validator(recipe_schema())
    for path in BUILT_IN.glob("*.yaml"):
        validator.validate(read_document(path).data)


@pytest.mark.parametrize(
    "text",
    [
        SHORT,
        SHORT.replace("files: [a.csv]", "files: a.csv"),
        SHORT.replace("files: [a.csv]", "files: [{file: a.csv, object: x}], chunk_size: 5"),
        SHORT.replace("connector: csv", "connector: csv, custom_reader: x.py:X, whatever: 1"),
        SHORT + "validation: warn\nschedule: '@daily'\nretry: {max_attempts: 3}\n",
        SHORT.replace("contract: a.yaml", "contract: {schema: [{name: a}]}"),
        "source: {connector: csv}\ntarget: {connector: iceberg}\nstreams: [{name: a, contract: x}]\n",
        "tenant_id: a\nsource_connector: csv\nasset_path: x\nsource: {anything: 1}\n",
    ],
)
def test_what_loads_is_valid(job, text):
    assert errors(job, text) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SHORT + "tenat: x\n", "'tenat' was unexpected"),
        (SHORT + "validation: {mod: warn}\n", "is not valid under any"),
        (SHORT + "validation: wran\n", "is not valid under any"),
        (SHORT + "schedule: {cron: '@daily', timezon: UTC}\n", "is not valid under any"),
        (SHORT.replace("files", "fils"), "'fils' was unexpected"),
        (SHORT.replace("files: [a.csv], ", ""), "'files' is a required property"),
        (SHORT.replace("connector: csv", "connector: cvs"), "'cvs' is not one of"),
        (SHORT.replace("append", "apend"), "'apend' is not valid"),
        (SHORT.replace("table: a.b, ", ""), "'table' is a required property"),
        (SHORT.replace("contract: a.yaml", ""), "'contract' is a required property"),
        (SHORT.replace("contract: a.yaml", "contract: {schema: [{nam: a}]}"), "is not valid under any"),
        (SHORT + "catalog: {}\n", "is not valid under any"),
        ("tenant_id: a\nasset_pat: x\n", "'asset_path' is a required property"),
    ],
)
def test_what_does_not_load_is_told_in_the_editor(job, text, message):
    found = errors(job, text)
    assert any(message in line for line in found), found


def test_both_shapes_of_a_runner_file_are_valid():
    bare = "mode: orchestrated\norchestrator: {schedules: [{name: a, config: b, cron: '@daily'}]}\n"
    wrapped = "runner: {mode: oneshot}\n"
    assert [errors(runner_schema(), text) for text in (bare, wrapped)] == [[], []]
    assert errors(runner_schema(), "runner: {mode: x}\n")


def test_connectors_of_other_distributions_are_in_the_schema_of_this_machine_only():
    assert job_schema() == job_schema(built_in=True)
