"""What an invocation costs, estimated: for `model.Usage`, never for a bill.

List prices in US dollars, without free tiers, discounts, further tiers, storage and traffic, as they were published in
2025; they may have changed since. A region whose price was not looked up has no estimate: better none than a wrong one.

- https://aws.amazon.com/lambda/pricing/ - the first tier, US East
- https://cloud.google.com/run/pricing - services that are billed by request, regions of tier 1. Cloud Run bills Cloud
  Functions of the second generation
- https://cloud.google.com/run/docs/locations - which regions those are
"""

from __future__ import annotations

from dataclasses import dataclass

AS_OF = "2025"
_LAMBDA_GB_SECOND = {"x86_64": 0.0000166667, "arm64": 0.0000133334}
_LAMBDA_REQUEST = 0.20 / 1_000_000
_LAMBDA_REGIONS = frozenset({"us-east-1", "us-east-2"})

_RUN_VCPU_SECOND, _RUN_GB_SECOND, _RUN_REQUEST = 0.000024, 0.0000025, 0.40 / 1_000_000
_RUN_REGIONS = frozenset({"us-central1", "us-east1", "us-east4", "us-west1", "europe-west1", "europe-west4"})


@dataclass(frozen=True, kw_only=True)
class Price:
    """US dollars for a GB of memory and for a processor, each for a second, and for a request."""

    gb_second: float
    request: float
    vcpu_second: float = 0.0

    def of(self, seconds: float, memory_mb: int, vcpus: float = 1.0) -> float:
        """Estimate the price of one invocation; a function of less than one processor costs less than this."""
        return seconds * (self.gb_second * memory_mb / 1024 + self.vcpu_second * vcpus) + self.request


def lambda_price(region: str, architecture: str) -> Price | None:
    """Give the price of AWS Lambda; ``architecture`` is x86_64 or arm64."""
    gb_second = _LAMBDA_GB_SECOND.get(architecture)
    if region not in _LAMBDA_REGIONS or gb_second is None:
        return None
    return Price(gb_second=gb_second, request=_LAMBDA_REQUEST)


def gcp_price(region: str) -> Price | None:
    """Give the price of Cloud Functions of the second generation."""
    if region not in _RUN_REGIONS:
        return None
    return Price(gb_second=_RUN_GB_SECOND, request=_RUN_REQUEST, vcpu_second=_RUN_VCPU_SECOND)
