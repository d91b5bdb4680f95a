"""The role of a tenant's functions: they may write their log and use their tenant's staging folder, nothing else.

A function that is not kept has a role of its own, which goes with it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dativo_dagster.launchers.aws_lambda.account import tag, tenant_key
from dativo_dagster.launchers.aws_lambda.refusals import refusals
from dativo_dagster.owner import host_label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dativo_dagster.launchers.aws_lambda.account import Account

_POLICY = "dativo"
_NETWORK = [
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
]
"""What joining a VPC takes: https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html"""
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}


def path_of(account: Account) -> str:
    """Give the path that the roles of a region are under: so they are found without reading any other."""
    return f"/dativo/{account.region}/"


def role(account: Account, tenant: str, staging: str, own: str = "") -> str:
    """Give the ARN of the role for a staging folder; it is made when it is not there.

    Args:
        account: The account.
        tenant: Whose functions take it on.
        staging: The URL of the folder that they use.
        own: Sets one apart that lives only as long as its function.

    Raises:
        AuthenticationError: ``FUNCTION_DENIED``: these credentials may not make roles. Give the place a `role_arn`.
    """
    name, client = _name(account, tenant, staging, own), account.client("iam")
    with refusals(f"role {name}"):
        found = _get(client, name)
        if found is None:
            tags = {"dativo": "1", "dativo.tenant": tag(tenant), "dativo.host": host_label()}
            found = _make(client, name, path_of(account), {**tags, "dativo.keep": str(not own).lower()})
        # Again each time: a host that died may have made the role without it.
        policy = json.dumps(_allowed(account, tenant, staging))
        client.put_role_policy(RoleName=name, PolicyName=_POLICY, PolicyDocument=policy)
    return found


def find(account: Account, tenant: str, staging: str) -> str | None:
    """Give the ARN of the role that kept functions have, as `role` names it; None when it is not there."""
    name = _name(account, tenant, staging, "")
    with refusals(f"role {name}"):
        return _get(account.client("iam"), name)


def remove(account: Account, name: str) -> None:
    """Remove a role that `role` made; it may be gone already."""
    client = account.client("iam")
    with contextlib.suppress(client.exceptions.NoSuchEntityException):
        client.delete_role_policy(RoleName=name, PolicyName=_POLICY)
    with contextlib.suppress(client.exceptions.NoSuchEntityException):
        client.delete_role(RoleName=name)


def _name(account: Account, tenant: str, staging: str, own: str) -> str:
    facts = [tenant, staging, account.region, bool(account.config.subnets), own]
    digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]
    return f"dativo-{tenant_key(tenant)}-{digest}"


def _get(client: Any, name: str) -> str | None:
    try:
        return str(client.get_role(RoleName=name)["Role"]["Arn"])
    except client.exceptions.NoSuchEntityException:
        return None


def _make(client: Any, name: str, path: str, tags: Mapping[str, str]) -> str:
    try:
        made = client.create_role(
            RoleName=name,
            Path=path,
            AssumeRolePolicyDocument=json.dumps(_TRUST),
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        )
    except client.exceptions.EntityAlreadyExistsException:  # another host was faster
        made = client.get_role(RoleName=name)
    return str(made["Role"]["Arn"])


def _allowed(account: Account, tenant: str, staging: str) -> dict[str, Any]:
    bucket, prefix = urlsplit(staging).netloc, urlsplit(staging).path.strip("/")
    aws = f"arn:{account.partition}"
    logs = f"{aws}:logs:{account.region}:{account.id}:log-group:/aws/lambda/dativo-{tenant_key(tenant)}-*"
    network = [{"Effect": "Allow", "Action": _NETWORK, "Resource": "*"}] if account.config.subnets else []
    return {
        "Version": "2012-10-17",
        "Statement": [
            *network,
            {
                "Effect": "Allow",
                "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
                "Resource": [logs, f"{logs}:*"],
            },
            {
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
                "Resource": f"{aws}:s3:::{bucket}/{prefix}/*",
            },
            {
                "Effect": "Allow",
                "Action": "s3:ListBucket",  # without it an object that is not there yet would be a refusal
                "Resource": f"{aws}:s3:::{bucket}",
                "Condition": {"StringLike": {"s3:prefix": f"{prefix}/*"}},
            },
        ],
    }
