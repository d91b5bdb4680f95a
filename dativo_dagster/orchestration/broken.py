"""Job files that cannot be loaded: each stays visible, as an asset that says why, and hides no other."""

# Without postponed annotations: Dagster wants the type of `context`, not its name.
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from dativo_dagster.orchestration.events import check_result
from dativo_dagster.orchestration.naming import BROKEN, broken_key
from dativo_ingest.exceptions import DativoError
from dativo_ingest.model import CheckResult

LOADS = "loads"


@dataclass(frozen=True, kw_only=True)
class Broken:
    """One job file that has no assets, and why."""

    file: Path
    name: str
    error: DativoError

    @property
    def key(self) -> dg.AssetKey:
        """Name the asset that stands for the file."""
        return broken_key(self.name)

    @property
    def outcome(self) -> CheckResult:
        """Give the failed check ``loads``."""
        return CheckResult(name=LOADS, passed=False, message=self.error.message, code=self.error.error_code)

    def spec(self) -> dg.AssetSpec:
        """Make the asset: its description is the error."""
        return dg.AssetSpec(
            self.key,
            description=f"This job file cannot be loaded.\n\n```\n{self.error.message}\n```",
            group_name=BROKEN,
            kinds={"yaml"},
            metadata={
                "error": self.error.message,
                "code": self.error.error_code,
                "file": dg.MetadataValue.path(self.file),
            },
        )


def loads_checks(broken: Sequence[Broken]) -> list[dg.AssetChecksDefinition]:
    """Make the checks ``loads``, failed as long as the code location holds the files as they were; none for none."""
    if not broken:
        return []
    by_key = {b.key: b for b in broken}
    specs = [dg.AssetCheckSpec(LOADS, asset=key, description="The job file can be loaded.") for key in by_key]

    @dg.multi_asset_check(name=f"{BROKEN}_checks", specs=specs, can_subset=True)
    def step(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        for check in context.selected_asset_check_keys:
            yield check_result(check.asset_key, by_key[check.asset_key].outcome)

    return [step]
