"""What a Python plugin imports from an index of packages, as a layer: published once for each tenant and content."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dativo_dagster.launchers.aws_lambda.account import tenant_key
from dativo_dagster.launchers.aws_lambda.deploying import uploaded
from dativo_dagster.launchers.aws_lambda.refusals import refusals

if TYPE_CHECKING:
    from dativo_dagster.functions.package import Package
    from dativo_dagster.launchers.aws_lambda.account import Account

FOLDER = "python/"
"""Where a runtime of Python looks for packages in a layer."""


def layer(account: Account, tenant: str, package: Package, runtime: str, architecture: str) -> str:
    """Give the ARN of the layer that holds a package; it is published when it is not there."""
    if found := published(account, tenant, package):
        return found
    name = _name(tenant, package)
    with refusals(f"layer {name}"), uploaded(package, account.staging(tenant), tenant) as there:
        made = account.client("lambda").publish_layer_version(
            LayerName=name,
            Description="dativo: packages of plugins",
            Content=there,
            CompatibleRuntimes=[runtime],
            CompatibleArchitectures=[architecture],
        )
    return str(made["LayerVersionArn"])


def published(account: Account, tenant: str, package: Package) -> str:
    """Give the ARN of the layer that holds a package; nothing where there is none."""
    name = _name(tenant, package)
    with refusals(f"layer {name}"):
        there = account.client("lambda").list_layer_versions(LayerName=name).get("LayerVersions")
    return str(there[0]["LayerVersionArn"]) if there else ""


def _name(tenant: str, package: Package) -> str:
    return f"dativo-{tenant_key(tenant)}-{package.hash[:16]}"
