"""What a runtime cannot run is refused before anything is packed or sent."""

from __future__ import annotations

import logging
import uuid
from pathlib import Path

import pytest

from dativo_dagster.functions.package import Package
from dativo_dagster.launchers.aws_lambda import Launcher, building
from dativo_dagster.launchers.aws_lambda.account import Account, tenant_key
from dativo_dagster.launchers.aws_lambda.building import build, tags
from dativo_dagster.launchers.aws_lambda.config import Config
from dativo_dagster.owner import running
from dativo_ingest.exceptions import ConfigurationError
from dativo_ingest.model import PluginRef
from tests.clibrary import c_library

CLASS = PluginRef(path="/jobs/orders.py", name="Reader")


def test_a_class_is_not_sent_to_a_runtime_without_python(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), running(str(uuid.uuid4())):
        for _ in range(2):  # to plan, and to read
            with pytest.raises(ConfigurationError, match="has no Python"):
                build(Account(Config(runtime="provided.al2")), "acme", CLASS)
    assert caplog.text.count("end of life") == 1


def test_what_is_no_library_is_not_sent(tmp_path: Path) -> None:
    file = tmp_path / "lib.so"
    file.write_bytes(b"MZ")
    with pytest.raises(ConfigurationError) as caught:
        build(Account(Config()), "acme", PluginRef(path=str(file), name="create_reader", kind="native"))
    assert caught.value.error_code == "LIBRARY_UNREADABLE"


def test_a_library_of_the_older_abi_goes_to_the_runtime_with_python_of_the_same_system(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plugins = {
        name: PluginRef(path=str(c_library(name)), name="create_reader", kind="native") for name in ("old", "v1")
    }
    monkeypatch.setattr(building, "dependencies", lambda *_: Package(bytes, "", 0))
    monkeypatch.setattr(building, "layer", lambda *_: "arn:layer")
    for runtime, python in ((None, "python3.12"), ("provided.al2", "python3.11"), ("python3.13", "python3.13")):
        built = build(Account(Config(runtime=runtime)), "acme", plugins["old"])
        assert (built.runtime, built.plugin.path) == (python, f"plugin/{Path(plugins['old'].path).name}")
    monkeypatch.setattr(building, "BOOTSTRAP", Path("/nowhere/lambda_bootstrap"))
    with pytest.raises(ConfigurationError, match="lambda_bootstrap") as caught:
        build(Account(Config()), "acme", plugins["v1"])
    assert caught.value.error_code == "PLUGIN_NOT_FOUND", "it may be there where the job runs"


def test_no_two_tenants_share_a_name() -> None:
    assert len({tenant_key(tenant) for tenant in ("a b", "a-b", "a_b", "", "x")}) == 5


def test_tags_say_whose_a_function_is_in_letters_that_aws_takes() -> None:
    said = tags({"tenant": "acme", "job": "a|b", "stream": {"name": "lines"}}, "0a", keep=False)
    assert (said["dativo"], said["dativo.job"], said["dativo.keep"]) == ("1", "a_b", "false")
    assert said["dativo.hash"] == "0a"


@pytest.mark.parametrize("name", ["make_reader", "create_writer"])
def test_a_name_that_a_library_does_not_have_is_refused_as_in_every_place_before_anybody_is_asked(name: str) -> None:
    plugin = PluginRef(path=str(c_library("v1")), name=name, kind="native")
    with (
        pytest.raises(
            ConfigurationError, match=f"{name}: a library .* has one reader; write .*:create_reader"
        ) as caught,
        Launcher(Config()).deployed("reader", plugin, {}),
    ):
        pass
    assert caught.value.error_code == "WRONG_ROLE"
