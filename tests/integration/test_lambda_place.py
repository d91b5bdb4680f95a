"""A plugin in the place aws_lambda behaves as it does here: with the role, the layer and the bucket that it makes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dativo_dagster.launchers.aws_lambda import Config, Launcher
from dativo_ingest.exceptions import DativoError
from dativo_ingest.model import PluginRef, Stream
from dativo_ingest.opening import open_reader
from tests.servers.aws import KEY, AwsServer, serve

pytestmark = [pytest.mark.integration, pytest.mark.docker, pytest.mark.xdist_group("aws")]

READER = """
from dativo_ingest.plugins import BaseReader

class Reader(BaseReader):
    def extract(self, state_manager=None):
        for number in range(3):
            yield [{"id": number * 10 + row, "name": f"n{row}"} for row in range(10)]

class Broken(BaseReader):
    def extract(self, state_manager=None):
        raise RuntimeError("the source is on fire")
        yield
"""
CONFIG = {
    "tenant": "acme",
    "job": "orders",
    "source": {"type": "custom"},
    "stream": {"name": "lines"},
    "base": os.fspath("."),
}


@pytest.fixture(scope="module")
def aws(docker_engine: Any, base_images: None) -> Iterator[AwsServer]:
    with serve(docker_engine, memory="512m") as server:
        yield server


@pytest.fixture
def launcher(aws: AwsServer, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Launcher]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY)
    options = {
        "runtime": "python3.11",
        "region": aws.region,
        "endpoint_url": aws.endpoint,
        "function_endpoint_url": aws.inner,
        "timeout_seconds": 60,
    }
    return lambda **changed: Launcher(Config.model_validate({**options, **changed}))


@pytest.fixture
def plugin(tmp_path: Path) -> Callable[[str], PluginRef]:
    file = tmp_path / "reader.py"
    file.write_text(READER)
    return lambda name: PluginRef(path=str(file), name=name)


def rows(opened: AbstractContextManager[Any]) -> list[dict[str, Any]]:
    with opened as reader:
        stream = Stream(name="lines")
        window = reader.split(stream, None)
        read = [batch for unit in window.units for batch in reader.read(stream, unit)]
        found: list[dict[str, Any]] = pa.concat_tables([pa.table(batch) for batch in read]).to_pylist()
        return found


def staged(aws: AwsServer) -> list[str]:
    found = aws.client("s3").list_objects_v2(Bucket=f"dativo-staging-000000000000-{aws.region}")
    return [each["Key"] for each in found.get("Contents", ())]


def test_a_reader_gives_the_rows_that_it_gives_here_and_leaves_no_row_in_the_staging_folder(
    launcher: Callable[..., Launcher], plugin: Callable[[str], PluginRef], aws: AwsServer
) -> None:
    here = rows(open_reader(plugin("Reader"), CONFIG))
    there = rows(launcher().reader(plugin("Reader"), CONFIG))
    assert len(here) == 30
    assert there == here
    assert staged(aws) == []


def test_an_error_of_the_plugin_comes_with_its_class_and_its_traceback(
    launcher: Callable[..., Launcher], plugin: Callable[[str], PluginRef]
) -> None:
    with pytest.raises(DativoError, match="the source is on fire") as raised:
        rows(launcher().reader(plugin("Broken"), CONFIG))
    assert "reader.py" in raised.value.details["remote_traceback"]


def test_the_role_may_use_the_folder_of_its_tenant_and_nothing_else(
    launcher: Callable[..., Launcher], plugin: Callable[[str], PluginRef], aws: AwsServer
) -> None:
    with launcher().reader(plugin("Reader"), CONFIG) as reader:
        name = reader.deployed.functions.function
        folder = reader.deployed.staging.url.removeprefix("s3://")
    role = aws.client("lambda").get_function_configuration(FunctionName=name)["Role"].rpartition("/")[2]
    policy = aws.client("iam").get_role_policy(RoleName=role, PolicyName="dativo")["PolicyDocument"]
    policy = json.loads(policy) if isinstance(policy, str) else policy
    resources = {tuple(s["Action"] if isinstance(s["Action"], list) else [s["Action"]]): s for s in policy["Statement"]}
    assert resources[("s3:GetObject", "s3:PutObject", "s3:DeleteObject")]["Resource"] == f"arn:aws:s3:::{folder}/*"
    assert "*" not in {s["Resource"] for s in policy["Statement"] if isinstance(s["Resource"], str)}


def test_a_function_that_is_not_kept_goes_with_its_opening(
    launcher: Callable[..., Launcher], plugin: Callable[[str], PluginRef], aws: AwsServer
) -> None:
    before = names(aws)
    with launcher(keep=False).reader(plugin("Reader"), CONFIG):
        assert len(names(aws) - before) == 1
    assert names(aws) == before


def test_what_is_old_is_found_and_removed_to_the_last_layer_and_role(
    launcher: Callable[..., Launcher], plugin: Callable[[str], PluginRef], aws: AwsServer
) -> None:
    mine = launcher()
    with mine.reader(plugin("Reader"), {**CONFIG, "tenant": "leaver"}) as reader:
        name = reader.deployed.functions.function
    now = datetime.now(timezone.utc)
    assert mine.leftovers(now - timedelta(hours=1)) == []
    old = mine.leftovers(now + timedelta(hours=1))
    assert ("function", name, "leaver/orders") in {(left.kind, left.name, left.owner) for left in old}
    assert {left.kind for left in old} == {"function", "layer", "role"}
    for left in old:
        mine.remove(left)
        mine.remove(left)
    assert mine.leftovers(now + timedelta(hours=1)) == []
    assert names(aws) == set()


def names(aws: AwsServer) -> set[str]:
    return {each["FunctionName"] for each in aws.client("lambda").list_functions()["Functions"]}
