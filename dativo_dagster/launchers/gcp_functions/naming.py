"""Names and labels of functions: they tell tenant and content, and never two tenants share one."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from secrets import token_hex
from typing import TYPE_CHECKING

from dativo_dagster.owner import Owner, host_label

if TYPE_CHECKING:
    from dativo_dagster.functions.package import Package
    from dativo_dagster.launchers.gcp_functions.config import Config

MARK = "dativo"
"""The label that everything of ours has."""
_LONGEST_LABEL = 63
_DIGITS = 12
_TENANT_IN_NAME = 20
"""Of 49 characters, which the service of Cloud Run may have that Google makes of a function, under the same name."""
_NO_SETTING = frozenset({"keep", "api_endpoint", "transport", "start_seconds", "idle_seconds", "staging_options"})


@dataclass(frozen=True, kw_only=True)
class Named:
    """A function before it is there: its id in the project, its description, and its labels."""

    id: str
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


def named(owner: Owner, package: Package, config: Config) -> Named:
    """Name a function by its tenant, its content and its settings; one that is not kept is of this opening alone.

    The description has what a label may not hold: the process that it goes with, and its staging folder.
    """
    settings = config.model_dump(mode="json", exclude=set(_NO_SETTING))
    content = json.dumps([owner.tenant, package.hash, settings], sort_keys=True)
    digest = hashlib.sha256(content.encode()).hexdigest()
    tenant = re.sub("[^a-z0-9]+", "-", owner.tenant.lower())[:_TENANT_IN_NAME].strip("-") or "tenant"
    own = "" if config.keep else f"-{token_hex(4)}"
    labels = {
        **config.labels,
        MARK: "1",
        "dativo_tenant": label(owner.tenant),
        "dativo_job": label(owner.job),
        "dativo_stream": label(owner.stream),
        "dativo_hash": digest[:_LONGEST_LABEL],
        "dativo_keep": str(config.keep).lower(),
    }
    host = "kept" if config.keep else host_label()
    description = f"{host} {config.staging or ''}".rstrip()
    return Named(id=f"{MARK}-{tenant}-{digest[:_DIGITS]}{own}", description=description, labels=labels)


def label(text: str) -> str:
    """Give text as Google takes it for a label; what had to be changed ends in a hash, so that it stays unique."""
    plain = re.sub("[^a-z0-9_-]", "_", text.lower())
    if plain == text and len(plain) <= _LONGEST_LABEL:
        return plain
    digest = hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
    return f"{plain[: _LONGEST_LABEL - _DIGITS - 1]}-{digest}"
