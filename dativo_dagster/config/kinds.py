"""What a YAML file in a folder of jobs is: a job, ours or the earlier system's, or a file that may lie beside jobs.

It is taken for a job when it has one of `JOB_KEYS` at the top and none of `OTHER_KEYS`, when it has one of
`LEGACY_KEYS`, or when it names the job schema in ``$schema``. Contracts, recipes, runner files and data may lie beside
jobs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LEGACY_KEYS = frozenset(
    {
        "tenant_id",
        "source_connector",
        "target_connector",
        "source_connector_path",
        "target_connector_path",
        "asset_path",
    }
)
JOB_KEYS = frozenset({"source", "target", "streams", "contract"})
OTHER_KEYS = frozenset({"schema", "asset", "apiVersion", "default_engine", "runner", "orchestrator"})


def is_legacy(data: Mapping[str, Any]) -> bool:
    """Tell the form of a job."""
    return not LEGACY_KEYS.isdisjoint(data)


def is_job(data: Any) -> bool:
    """Tell a job from the other YAML files that lie beside it."""
    if not isinstance(data, Mapping):
        return False
    if is_legacy(data) or "job.schema.json" in str(data.get("$schema", "")):
        return True
    return not JOB_KEYS.isdisjoint(data) and OTHER_KEYS.isdisjoint(data)
