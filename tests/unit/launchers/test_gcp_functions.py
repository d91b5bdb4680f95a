"""What Google Cloud Functions would refuse is refused before any call, and names and labels are as it takes them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from dativo_dagster.functions.package import pack
from dativo_dagster.functions.prices import gcp_price
from dativo_dagster.launchers.gcp_functions.config import Config
from dativo_dagster.launchers.gcp_functions.naming import Named, named
from dativo_dagster.launchers.gcp_functions.source import source
from dativo_dagster.owner import Owner, owner_of
from dativo_ingest.exceptions import ConfigurationError
from dativo_ingest.model import PluginRef

PACKAGE = pack({"main.py": b""})


def name(tenant: str = "acme", **options: Any) -> Named:
    return named(Owner(tenant=tenant, job="orders", stream="Order Lines"), PACKAGE, Config.model_validate(options))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"image": "python:3.12"}, "an `image` is not taken"),
        ({"runtime": "python39"}, "older"),
        ({"runtime": "nodejs22"}, "runtime"),
        ({"memory_mb": 127}, "memory_mb"),
        ({"memory_mb": 32_769}, "memory_mb"),
        ({"timeout_seconds": 3601}, "timeout_seconds"),
        ({"environment": {"PORT": "1"}}, "PORT"),
        ({"environment": {"X_GOOGLE_A": "1"}}, "X_GOOGLE_A"),
        ({"environment": {"A": "x" * 32 * 1024}}, "32,769 bytes"),
        ({"staging": "s3://rows"}, "staging"),
        ({"min_instances": 3, "max_instances": 2}, "min_instances = 3 is more than max_instances = 2"),
        ({"labels": {"Team": "data"}}, "Team"),
        ({"labels": {"team": "Data"}}, "team"),
        ({"labels": {"team": "x" * 64}}, "team"),
        ({"labels": {"1st": "x"}}, "1st"),
        ({"labels": {"dativo_tenant": "other"}}, "dativo_tenant"),
        ({"labels": {f"n{number}": "" for number in range(59)}}, "more than 58"),
        ({"concurrency": 8}, "concurrency"),
    ],
)
def test_what_google_would_refuse_is_refused_before_any_call(options, said):
    with pytest.raises(ValidationError, match=re.escape(said)):
        Config.model_validate(options)


def test_the_runtime_of_the_earlier_system_is_understood():
    assert Config(runtime="python3.11").runtime == Config(runtime="python311").runtime == "python311"


@pytest.mark.parametrize("tenant", ["acme", "ACME", "Ärzte & Co", "x" * 200, "-", ""])
def test_names_and_labels_are_as_google_takes_them(tenant):
    given = name(tenant)
    for each in (given, name(tenant, keep=False)):
        assert re.fullmatch(r"[a-z](?:[-a-z0-9]{0,47}[a-z0-9])?", each.id)
    for key, value in given.labels.items():
        assert re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", key)
        assert re.fullmatch(r"[a-z0-9_-]{0,63}", value)


def test_tenants_that_look_alike_have_functions_and_labels_of_their_own():
    tenants = ["acme", "ACME", "Acme", "acme ", "acme!", "acme?", "x" * 64 + "1", "x" * 64 + "2"]
    assert len({name(tenant).id for tenant in tenants}) == len(tenants)
    assert len({name(tenant).labels["dativo_tenant"] for tenant in tenants}) == len(tenants)


def test_one_function_serves_the_streams_of_a_plugin_and_one_that_is_not_kept_serves_nobody_else():
    lines = {"tenant": "acme", "job": "orders", "stream": {"name": "lines"}}
    packed = (PACKAGE, Config())
    assert named(owner_of(lines), *packed).id == named(owner_of({**lines, "stream": {"name": "heads"}}), *packed).id
    assert name(keep=False).id != name(keep=False).id


@pytest.mark.parametrize("same", [{"api_endpoint": "http://localhost:1"}, {"start_seconds": 5}])
def test_how_a_host_reaches_it_makes_no_other_function(same):
    assert name(**same).id == name().id


def test_a_secret_is_in_no_name_and_no_label():
    told = named(owner_of({"tenant": "acme", "source": {"credentials": {"key": "hunter2"}}}), PACKAGE, Config())
    assert "hunter2" not in str(told)


def test_a_library_that_the_runtime_cannot_load_is_refused_before_it_is_sent(tmp_path):
    file = tmp_path / "lib.so"
    file.write_bytes(b"no library")
    with pytest.raises(ConfigurationError, match=r"lib\.so is no library of Linux"):
        source(PluginRef(path=str(file), name="create_reader", kind="native"), (), "python312")


def test_requirements_come_after_what_the_sdk_needs(tmp_path):
    import io
    import zipfile

    file: Path = tmp_path / "reader.py"
    file.write_text("class Reader: pass\n")
    packed = source(PluginRef(path=str(file), name="Reader"), ["requests==2.32.5"], "python312")
    with zipfile.ZipFile(io.BytesIO(packed.data)) as archive:
        wanted = archive.read("requirements.txt").decode().splitlines()
    assert wanted[-1] == "requests==2.32.5"
    assert any(line.startswith("functions-framework") for line in wanted)


def test_the_price_counts_the_processors_that_come_with_the_memory():
    small, large = gcp_price("europe-west1", 512), gcp_price("europe-west1", 4096)
    assert small is not None
    assert large is not None
    assert small.of(10, 512) == pytest.approx(10 * (0.5 * 0.0000025 + 0.333 * 0.000024) + 0.0000004)
    assert large.of(10, 4096) == pytest.approx(10 * (4 * 0.0000025 + 2 * 0.000024) + 0.0000004)
    assert gcp_price("mars-1", 512) is None
