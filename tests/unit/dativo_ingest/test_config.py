from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import dativo_ingest
from dativo_ingest.config import (
    AssetDefinition,
    JobConfig,
    PluginConfig,
    PluginSandboxConfig,
    RetryConfig,
    RunnerConfig,
    SourceConfig,
    TargetConfig,
    TeamModel,
)
from dativo_ingest.exceptions import ConfigurationError
from dativo_ingest.validator import ConnectorValidator


def test_what_was_not_given_is_none_and_further_keys_are_kept():
    source = SourceConfig(type="custom", connection={"base_url": "x"}, region="eu")
    assert (source.type, source.connection, source.region) == ("custom", {"base_url": "x"}, "eu")
    assert (source.credentials, source.objects, source.incremental, source.tables) == (None, None, None, None)
    assert source.get("credentials", {}) == {}
    with pytest.raises(AttributeError):
        _ = source.there_is_none


def test_it_turns_into_a_dict_and_back_in_pydantics_words():
    source = SourceConfig(type="custom", objects=["a"], region="eu")
    assert source.dict() == source.model_dump()
    assert source.model_dump(exclude_none=True) == {"type": "custom", "objects": ["a"], "region": "eu"}
    assert SourceConfig.model_validate(source.model_dump()) == source
    assert source.model_copy(update={"type": "other"}).type == "other"
    assert source.type == "custom"


def test_two_of_them_share_no_defaults():
    one, two = PluginConfig(sandbox={"timeout": 5}), PluginConfig(sandbox={})
    assert isinstance(one.sandbox, PluginSandboxConfig)
    assert (one.sandbox.timeout, two.sandbox.timeout) == (5, 300)
    deep = SourceConfig(connection={"a": {"b": 1}})
    deep.model_copy(deep=True).connection["a"]["b"] = 2
    assert deep.connection["a"]["b"] == 1


def test_its_repr_tells_no_secret():
    shown = repr(SourceConfig(type="x", credentials={"token": "hunter2"}, connection={"dsn": "hunter2"}, dsn="hunter2"))
    assert "hunter2" not in shown
    assert "type='x'" in shown


def test_an_asset_has_a_team_with_attributes():
    asset = AssetDefinition(
        name="people",
        schema=[{"name": "id", "type": "integer"}],
        team={"owner": "a@b.c"},
        compliance={"retention_days": 3},
    )
    assert isinstance(asset.team, TeamModel)
    assert asset.team.owner == "a@b.c"
    assert asset.compliance.retention_days == 3
    assert asset.model_dump(exclude_none=True)["team"] == {"owner": "a@b.c"}
    assert AssetDefinition(team=TeamModel(owner="x")).team.owner == "x"


def test_the_defaults_of_the_host_models_are_the_kept_ones():
    retry = RetryConfig()
    assert (retry.max_retries, retry.max_delay_seconds, retry.backoff_multiplier) == (3, 300, 2.0)
    assert list(retry.retryable_exit_codes) == [1, 2]
    assert TargetConfig().engine is None


JOB = """
tenant: acme
source: {connector: csv, files: [{path: people.csv}]}
target: {connector: parquet, table: people, path: out}
contract: {name: people, schema: [{name: id, type: integer}]}
"""


def test_the_platform_loads_jobs_assets_and_runners_through_the_old_paths(tmp_path):
    (tmp_path / "job.yaml").write_text(JOB)
    (tmp_path / "asset.yaml").write_text(
        "name: people\nversion: 1.0.0\nsource_type: csv\nobject: people\nteam: {owner: a@b.c}\n"
        "schema: [{name: id, type: integer}]\n"
    )
    (tmp_path / "runner.yaml").write_text("runner: {orchestrator: {schedules: []}}\n")
    assert JobConfig.from_yaml(tmp_path / "job.yaml").tenant == "acme"
    asset = AssetDefinition.from_yaml(str(tmp_path / "asset.yaml"))
    assert (asset.name, asset.schema[0]["name"], asset.team.owner) == ("people", "id", "a@b.c")
    assert RunnerConfig.from_yaml(tmp_path / "runner.yaml").schedules == ()
    ConnectorValidator.validate_connector_type("csv")
    with pytest.raises(ConfigurationError, match="did you mean"):
        ConnectorValidator.validate_connector_type("cvs")


def test_without_the_platform_they_say_that_it_is_missing(tmp_path):
    (tmp_path / "dativo_ingest").symlink_to(Path(dativo_ingest.__path__[0]))
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from dativo_ingest import cli, config, exceptions, validator
for use in (lambda: config.JobConfig.from_yaml("j"), lambda: config.RunnerConfig.from_yaml("r"),
            lambda: config.AssetDefinition.from_yaml("a"),
            lambda: validator.ConnectorValidator.validate_connector_type("csv")):
    try:
        use()
    except exceptions.ConfigurationError as error:
        assert error.error_code == "PLATFORM_MISSING", error
    else:
        raise AssertionError
sys.exit(cli.main(["run"]))
"""
    done = subprocess.run([sys.executable, "-S", "-I", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("pip install dativo-dagster")) == (2, 1), done.stderr


def test_the_command_line_is_the_platforms(capsys):
    from dativo_ingest import cli

    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out
