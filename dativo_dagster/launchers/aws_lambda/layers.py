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
    name = f"dativo-{tenant_key(tenant)}-{package.hash[:16]}"
    client = account.client("lambda")
    with refusals(f"layer {name}"):
        there = client.list_layer_versions(LayerName=name).get("LayerVersions")
        if there:
            return str(there[0]["LayerVersionArn"])
    with refusals(f"layer {name}"), uploaded(package, account.staging(tenant), tenant) as there:
        made = client.publish_layer_version(
            LayerName=name,
            Description="dativo: packages of plugins",
            Content=there,
            CompatibleRuntimes=[runtime],
            CompatibleArchitectures=[architecture],
        )
    return str(made["LayerVersionArn"])
