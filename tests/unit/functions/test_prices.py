"""An estimate is that of the published list, or there is none."""

from __future__ import annotations

import pytest

from dativo_dagster.functions.prices import gcp_price, lambda_price


def test_an_hour_of_a_gigabyte_on_lambda_costs_what_the_list_says():
    assert lambda_price("us-east-1", "x86_64").of(3600, 1024) == pytest.approx(0.0600002, abs=1e-6)
    assert lambda_price("us-east-1", "arm64").of(3600, 512) == pytest.approx(0.0240002, abs=1e-6)
    assert lambda_price("us-east-1", "x86_64").of(0, 1024) == pytest.approx(0.0000002)


@pytest.mark.parametrize(("memory_mb", "vcpus"), [(512, 0.333), (2048, 1), (2049, 2), (32_768, 8)])
def test_an_hour_on_cloud_run_costs_its_memory_and_its_processors(memory_mb, vcpus):
    wanted = 3600 * (vcpus * 0.000024 + memory_mb / 1024 * 0.0000025) + 0.0000004
    assert gcp_price("europe-west1", memory_mb).of(3600, memory_mb) == pytest.approx(wanted)


@pytest.mark.parametrize("region", ["", "af-south-1", "europe-west3", "asia-east2"])
def test_a_region_of_another_price_has_no_estimate(region):
    assert lambda_price(region, "x86_64") is None
    assert gcp_price(region, 1024) is None


def test_a_processor_of_another_price_has_no_estimate():
    assert lambda_price("us-east-1", "riscv") is None
