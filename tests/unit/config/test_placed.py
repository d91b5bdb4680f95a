"""A setting of a place that is wrong is told where it stands, with what is nearest."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dativo_dagster.config.load import load_job
from dativo_ingest.exceptions import ConfigurationError

JOB = """\
source:
  custom_reader: api.py:Reader
{source}
target: {{connector: parquet, path: out, table: n.numbers}}
contract: {{name: numbers, schema: [{{name: n, type: int64}}]}}
{more}
"""


@pytest.fixture
def mistakes(tmp_path):
    """Give what is wrong in a job, without its path."""

    def found(source="", more=""):
        path = tmp_path / "job.yaml"
        path.write_text(JOB.format(source=source, more=more))
        try:
            load_job(path, strict_environment=False)
        except ConfigurationError as error:
            return error.message.replace(f"{path}:", "").splitlines()
        return []

    return found


def test_an_option_of_a_place(mistakes):
    assert mistakes("  place: {launcher: process, memroy_mb: 3}") == [
        "3:30: source.place.memroy_mb: unknown key 'memroy_mb'; did you mean 'memory_mb'?"
    ]
    [said] = mistakes("  place: procss")
    assert said == "3:10: source.place: there is no place 'procss'; did you mean 'process'?"
    [said] = mistakes("  place: {launcher: docker, requirements: requests}")
    assert said == "3:43: source.place.requirements: write a list here, such as [a, b]"


CLOUD = "  engine:\n    cloud_execution:\n      enabled: true\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("memroy_mb: 3", "6:7: source.engine.cloud_execution.memroy_mb: unknown key 'memroy_mb'; did you mean"),
        (
            "provider: asw",
            "6:17: source.engine.cloud_execution.provider: there is no provider 'asw'; did you mean 'aws'",
        ),
        ("memory_mb: much", "6:18: source.engine.cloud_execution.memory_mb: "),
        ("timeout_seconds: 0", "6:24: source.engine.cloud_execution.timeout_seconds: "),
        ("aws: [1]", "6:12: source.engine.cloud_execution.aws: write a mapping here"),
        ("environment_variables: x", "6:30: source.engine.cloud_execution.environment_variables: write a mapping"),
    ],
)
def test_cloud_execution(mistakes, line, said):
    [found] = mistakes(f"{CLOUD}      {line}")
    assert found.startswith(said)


def test_cloud_execution_that_is_no_block(mistakes):
    [found] = mistakes("  engine: {cloud_execution: yes please}")
    assert found.startswith("3:29: source.engine.cloud_execution: write a mapping here")


def test_a_variable_that_is_not_set_yet_is_nobodys_mistake(mistakes):
    assert mistakes(f"{CLOUD}      memory_mb: ${{MEMORY_OF_IT}}\n      provider: ${{CLOUD_OF_IT}}") == []


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ("memory_limt: 1g", "plugins.sandbox.memory_limt: unknown key 'memory_limt'; did you mean 'memory_limit'?"),
        ("memory_limit: much", "plugins.sandbox.memory_limit: 'much' is no size; write"),
        ("cpu_limit: 2", "plugins.sandbox.cpu_limit: "),
        ("cpu_limit: 0", "plugins.sandbox.cpu_limit: "),
        ("timeout: 0", "plugins.sandbox.timeout: "),
        ("network_disabled: perhaps", "plugins.sandbox.network_disabled: "),
    ],
)
def test_the_sandbox_of_a_job(mistakes, said, wrong):
    [found] = mistakes(more=f"plugins:\n  sandbox:\n    {said}")
    assert found.startswith("8:")
    assert found.partition(": ")[2].startswith(wrong)


def test_a_sandbox_as_the_earlier_system_has_it_is_right(mistakes):
    said = "cpu_limit: 0.5, memory_limit: 512m, network_disabled: true, timeout: 60, seccomp_profile: p.json"
    assert mistakes(more=f"plugins: {{sandbox: {{enabled: true, {said}, container_image: mine}}}}") == []


def test_no_client_of_a_cloud_or_an_engine_is_imported(tmp_path):
    cloud = JOB.format(source=f"{CLOUD}      provider: gcp\n      gcp: {{project_id: p}}", more="")
    (tmp_path / "cloud.yaml").write_text(cloud)
    sandbox = JOB.format(source="  place: {launcher: docker, cpus: 1}", more="plugins: {sandbox: {memory_limit: 1g}}")
    (tmp_path / "sandbox.yaml").write_text(sandbox)
    code = (
        "import sys; from pathlib import Path; from dativo_dagster.config.load import load_job\n"
        f"for path in Path({str(tmp_path)!r}).iterdir(): load_job(path)\n"
        "print(sorted({'docker', 'boto3', 'botocore', 'google.auth', 'obstore'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_what_the_place_would_refuse_is_told_where_the_earlier_systems_words_say_it(mistakes):
    cloud = CLOUD + "      memory_mb: 64\n      timeout_seconds: 1200\n      environment_variables: {AWS_REGION: x}"
    found = [line.split(": ")[:2] for line in mistakes(cloud)]
    assert found == [
        ["6:18", "source.engine.cloud_execution.memory_mb"],
        ["7:24", "source.engine.cloud_execution.timeout_seconds"],
        ["8:30", "source.engine.cloud_execution.environment_variables"],
    ]


def test_two_places_of_one_plugin_contradict_each_other(mistakes):
    [said] = mistakes("  place: docker\n" + CLOUD)
    assert said.startswith("5:5: source.engine.cloud_execution: the plugin has a `place` already; take out one")
    assert mistakes("  place: docker\n" + CLOUD.replace("true", "false")) == []


@pytest.mark.parametrize("place", ["[docker]", "{memory_mb: 3}", "3", ""])
def test_a_place_of_the_wrong_shape_is_one_mistake(mistakes, place):
    assert len(mistakes(f"  place: {place}")) == 1


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("  place: aws_lambda", "3:10: source.place: "),
        ("  place: {launcher: gcp_functions}", "3:10: source.place: "),
        ("  place: process", "3:10: source.place: "),
        (CLOUD, "4:5: source.engine.cloud_execution: "),
    ],
)
def test_a_sandbox_is_not_lost_beside_a_place_that_is_no_container(mistakes, source, told):
    [said] = mistakes(source, "plugins: {sandbox: {network_disabled: true}}")
    assert said.startswith(f"{told}`plugins.sandbox` of the job puts its plugins into a container, and in ")
    assert mistakes(source, "plugins: {sandbox: {enabled: false, network_disabled: true}}") == []


def test_a_sandbox_is_no_contradiction_where_no_plugin_is_elsewhere(mistakes):
    sandbox = "plugins: {sandbox: {}}"
    assert mistakes("  place: docker", sandbox) == []
    assert mistakes(CLOUD.replace("true", "false"), sandbox) == []
    assert mistakes(CLOUD.replace("true", "${ENABLED_OF_IT}"), sandbox) == []
