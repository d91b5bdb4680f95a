"""What an invocation costs, estimated: for `model.Usage`, never for a bill.

List prices in US dollars, without free tiers, discounts, further tiers, storage and traffic, as they were published in
2025; they may have changed since. A region whose price was not looked up has no estimate: better none than a wrong one.

- https://aws.amazon.com/lambda/pricing/ - the first tier, US East
- https://cloud.google.com/run/pricing - services that are billed by request, regions of tier 1. Cloud Run bills Cloud
  Functions of the second generation
- https://cloud.google.com/run/docs/locations - which regions those are
- https://cloud.google.com/functions/docs/configuring/memory - how many processors a function has by its memory
"""

from __future__ import annotations

from dataclasses import dataclass

_LAMBDA_GB_SECOND = {"x86_64": 0.0000166667, "arm64": 0.0000133334}
_LAMBDA_REQUEST = 0.20 / 1_000_000
_LAMBDA_REGIONS = frozenset({"us-east-1", "us-east-2"})

_RUN_VCPU_SECOND, _RUN_GB_SECOND, _RUN_REQUEST = 0.000024, 0.0000025, 0.40 / 1_000_000
_RUN_REGIONS = frozenset(
    {
        *("us-central1", "us-east1", "us-east4", "us-east5", "us-south1", "us-west1"),
        *("europe-north1", "europe-southwest1", "europe-west1", "europe-west4", "europe-west8", "europe-west9"),
        *("asia-east1", "asia-northeast1", "asia-northeast2", "me-west1"),
    }
)
_RUN_VCPUS = ((128, 0.083), (256, 0.167), (512, 0.333), (1024, 0.583), (2048, 1), (8192, 2), (16_384, 4), (32_768, 8))
"""Processors of a function with so many MiB; between two of them it may be the larger one."""


@dataclass(frozen=True, kw_only=True)
class Price:
    """US dollars for a GB of memory and for all processors, each for a second, and for a request."""

    gb_second: float
    request: float
    second: float = 0.0

    def of(self, seconds: float, memory_mb: int) -> float:
        """Estimate the price of one invocation."""
        return seconds * (self.gb_second * memory_mb / 1024 + self.second) + self.request


def lambda_price(region: str, architecture: str) -> Price | None:
    """Give the price of AWS Lambda; ``architecture`` is x86_64 or arm64."""
    gb_second = _LAMBDA_GB_SECOND.get(architecture)
    if region not in _LAMBDA_REGIONS or gb_second is None:
        return None
    return Price(gb_second=gb_second, request=_LAMBDA_REQUEST)


def gcp_price(region: str, memory_mb: int) -> Price | None:
    """Give the price of Cloud Functions of the second generation."""
    if region not in _RUN_REGIONS:
        return None
    vcpus = next((count for memory, count in _RUN_VCPUS if memory_mb <= memory), _RUN_VCPUS[-1][1])
    return Price(gb_second=_RUN_GB_SECOND, request=_RUN_REQUEST, second=_RUN_VCPU_SECOND * vcpus)
