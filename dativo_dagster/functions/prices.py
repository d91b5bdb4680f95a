"""List prices, for the estimate in `model.Usage`: without free tiers, discounts, storage and traffic.

Sources: the public price lists of AWS Lambda (first tier of duration) and of Cloud Run, which bills Cloud Functions of
the second generation (request-based, tier 1 regions). A region that is not here has no estimate: better none than a
wrong one.
"""

from __future__ import annotations

from dataclasses import dataclass

_LAMBDA_GB_SECOND = {"x86_64": 0.0000166667, "arm64": 0.0000133334}
_LAMBDA_REQUEST = 0.20 / 1_000_000
_LAMBDA_REGIONS = frozenset({"us-east-1", "us-east-2", "us-west-2", "eu-west-1"})

_RUN_VCPU_SECOND, _RUN_GB_SECOND, _RUN_REQUEST = 0.000024, 0.0000025, 0.40 / 1_000_000
_RUN_REGIONS = frozenset({"us-central1", "us-east1", "us-west1", "europe-west1"})


@dataclass(frozen=True, kw_only=True)
class Price:
    """US dollars for a GB of memory and for a processor, each for a second, and for a request."""

    gb_second: float
    request: float
    vcpu_second: float = 0.0

    def of(self, seconds: float, memory_mb: int, vcpus: float = 1.0) -> float:
        """Give the price of one invocation."""
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
