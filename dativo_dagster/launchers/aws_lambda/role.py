"""The role of a tenant's functions: they may write their log and use their tenant's staging folder, nothing else."""

from __future__ import annotations

import contextlib
import hashlib
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dativo_dagster.launchers.aws_lambda.account import tenant_key
from dativo_dagster.launchers.aws_lambda.refusals import refusals

if TYPE_CHECKING:
    from dativo_dagster.launchers.aws_lambda.account import Account

_POLICY = "dativo"
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}


def path_of(account: Account) -> str:
    """Give the path that the roles of a region are under: so they are found without reading any other."""
    return f"/dativo/{account.region}/"


def role(account: Account, tenant: str, staging: str) -> str:
    """Give the ARN of the role for a staging folder; it is made when it is not there.

    Raises:
        AuthenticationError: ``FUNCTION_DENIED``: these credentials may not make roles. Give the place a `role_arn`.
    """
    digest = hashlib.sha256(json.dumps([tenant, staging, account.region]).encode()).hexdigest()[:12]
    name, client = f"dativo-{tenant_key(tenant)}-{digest}", account.client("iam")
    with refusals(f"role {name}"):
        found = _get(client, name)
        if found is None:
            found = _make(client, name, path_of(account))
        # Again each time: a host that died may have made the role without it.
        policy = json.dumps(_allowed(account, tenant, staging))
        client.put_role_policy(RoleName=name, PolicyName=_POLICY, PolicyDocument=policy)
    return found


def remove(account: Account, name: str) -> None:
    """Remove a role that `role` made; it may be gone already."""
    client = account.client("iam")
    with contextlib.suppress(client.exceptions.NoSuchEntityException):
        client.delete_role_policy(RoleName=name, PolicyName=_POLICY)
    with contextlib.suppress(client.exceptions.NoSuchEntityException):
        client.delete_role(RoleName=name)


def _get(client: Any, name: str) -> str | None:
    try:
        return str(client.get_role(RoleName=name)["Role"]["Arn"])
    except client.exceptions.NoSuchEntityException:
        return None


def _make(client: Any, name: str, path: str) -> str:
    try:
        made = client.create_role(
            RoleName=name,
            Path=path,
            AssumeRolePolicyDocument=json.dumps(_TRUST),
            Tags=[{"Key": "dativo", "Value": "1"}],
        )
    except client.exceptions.EntityAlreadyExistsException:  # another host was faster
        made = client.get_role(RoleName=name)
    return str(made["Role"]["Arn"])


def _allowed(account: Account, tenant: str, staging: str) -> dict[str, Any]:
    bucket, prefix = urlsplit(staging).netloc, urlsplit(staging).path.strip("/")
    logs = f"arn:aws:logs:{account.region}:{account.id}:log-group:/aws/lambda/dativo-{tenant_key(tenant)}-*"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
                "Resource": [logs, f"{logs}:*"],
            },
            {
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
                "Resource": f"arn:aws:s3:::{bucket}/{prefix}/*",
            },
            {
                "Effect": "Allow",
                "Action": "s3:ListBucket",  # without it an object that is not there yet would be a refusal
                "Resource": f"arn:aws:s3:::{bucket}",
                "Condition": {"StringLike": {"s3:prefix": f"{prefix}/*"}},
            },
        ],
    }
