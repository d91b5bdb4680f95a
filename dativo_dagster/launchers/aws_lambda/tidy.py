"""Functions, layers and roles that nobody uses any more.

AWS does not tell when a function was last called, so a kept one ages from its deployment. One that is removed while a
job has it is deployed anew by the job's next try. A layer or a role goes once no function of the region has it.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from dativo_dagster.launchers.aws_lambda import role
from dativo_dagster.launchers.aws_lambda.refusals import refusals
from dativo_dagster.owner import is_gone
from dativo_ingest.model import Leftover

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dativo_dagster.launchers.aws_lambda.account import Account

KINDS = ("function", "layer", "role")
_OURS = "dativo-"


def leftovers(account: Account, older_than: datetime) -> list[Leftover]:
    """Find them; what `remove` takes in this order goes without a refusal."""
    with refusals("what is left"):
        client = account.client("lambda")
        functions = list(_pages(client, "list_functions", "Functions"))
        old = [left for each in functions if (left := _function(client, each, older_than)) is not None]
        gone = {left.name for left in old}
        used = [each for each in functions if each["FunctionName"] not in gone]
        return [*old, *_layers(client, used, older_than), *_roles(account, used, older_than)]


def remove(account: Account, leftover: Leftover) -> None:
    """Remove one; it may be gone already."""
    with refusals(f"{leftover.kind} {leftover.name}"):
        if leftover.kind == "role":
            role.remove(account, leftover.name)
        elif leftover.kind == "layer":
            name, _, version = leftover.name.rpartition(":")
            account.client("lambda").delete_layer_version(LayerName=name, VersionNumber=int(version))
        else:
            remove_function(account.client("lambda"), leftover.name)


def remove_function(client: Any, name: str) -> None:
    """Remove a function; it may be gone already."""
    try:
        client.delete_function(FunctionName=name)
    except client.exceptions.ResourceNotFoundException:
        return


def _function(client: Any, found: dict[str, Any], older_than: datetime) -> Leftover | None:
    name = found["FunctionName"]
    tags = client.list_tags(Resource=found["FunctionArn"]).get("Tags", {}) if name.startswith(_OURS) else {}
    if tags.get("dativo") != "1":
        return None
    since = _time(found["LastModified"])
    gone = None if tags.get("dativo.keep") == "true" else is_gone(tags.get("dativo.host", ""))
    if gone is False or (gone is None and since >= older_than):
        return None
    return Leftover(
        kind="function",
        name=name,
        since=since.isoformat(timespec="seconds"),
        owner=f"{tags.get('dativo.tenant', '')}/{tags.get('dativo.job', '')}",
        why="its host is gone" if gone else "it was deployed that long ago",
    )


def _layers(client: Any, functions: list[dict[str, Any]], older_than: datetime) -> Iterator[Leftover]:
    used = {layer["Arn"] for each in functions for layer in each.get("Layers", ())}
    for layer in _pages(client, "list_layers", "Layers"):
        if not layer["LayerName"].startswith(_OURS):
            continue
        for version in _pages(client, "list_layer_versions", "LayerVersions", LayerName=layer["LayerName"]):
            since = _time(version["CreatedDate"])
            if version["LayerVersionArn"] not in used and since < older_than:
                name = f"{layer['LayerName']}:{version['Version']}"
                yield _unused("layer", name, since)


def _roles(account: Account, functions: list[dict[str, Any]], older_than: datetime) -> Iterator[Leftover]:
    used = {each["Role"] for each in functions}
    for found in _pages(account.client("iam"), "list_roles", "Roles", PathPrefix=role.path_of(account)):
        if found["Arn"] not in used and found["CreateDate"] < older_than:
            yield _unused("role", found["RoleName"], found["CreateDate"])


def _unused(kind: str, name: str, since: datetime) -> Leftover:
    return Leftover(
        kind=kind,
        name=name,
        since=since.isoformat(timespec="seconds"),
        owner="",
        why="no function uses it",
    )


def _time(text: str) -> datetime:
    """Read a time of AWS Lambda: ISO 8601 with ``+0000``."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")


def _pages(client: Any, operation: str, items: str, **asked: Any) -> Iterator[dict[str, Any]]:
    for page in client.get_paginator(operation).paginate(**asked):
        yield from page.get(items, ())
