"""Functions, layers, roles and logs that nobody uses any more.

AWS does not tell when a function was last called, so a kept one ages from its deployment. It stays as long as somebody
has it open, which hosts tell in the staging folder: a call that still runs would lose its rights with the role. Between
the look and the removal one may come; its next try deploys the function anew. A layer, a role or a log goes once no
function of the region has it; those of functions that were not kept at once when their host is gone, others by age.
"""

from __future__ import annotations

import contextlib
import re
from datetime import datetime, timezone
from functools import cache
from typing import TYPE_CHECKING, Any

from dativo_dagster.functions.staying import is_open, tell_it_stays
from dativo_dagster.launchers.aws_lambda import role
from dativo_dagster.launchers.aws_lambda.account import tag
from dativo_dagster.launchers.aws_lambda.refusals import refusals
from dativo_dagster.owner import is_gone
from dativo_ingest.exceptions import DativoError
from dativo_ingest.model import Leftover

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from dativo_dagster.launchers.aws_lambda.account import Account

KINDS = ("function", "layer", "role", "log")
STAGING = "dativo.staging"
"""The tag with the folder in which hosts tell that they have the function open."""
_OURS = "dativo-"
_LOGS = "/aws/lambda/"
_TENANT = r"dativo-[A-Za-z0-9-]+-[0-9a-f]{8}"
_LAYER = re.compile(rf"{_TENANT}-[0-9a-f]{{16}}")
_LOG = re.compile(rf"{_LOGS}{_TENANT}-[A-Za-z0-9-]+-[0-9a-f]{{16}}")
"""Names that we give. Layers and logs have no tags, and what else begins with `dativo-` may be somebody's."""


def leftovers(account: Account, older_than: datetime) -> list[Leftover]:
    """Find them; what `remove` takes in this order goes without a refusal."""
    with refusals("what is left"):
        client, claims = account.client("lambda"), cache(account.claims)
        functions = list(_pages(client, "list_functions", "Functions"))
        old = [left for each in functions if (left := _function(account, each, older_than, claims)) is not None]
        gone = {left.name for left in old}
        used = [each for each in functions if each["FunctionName"] not in gone]
        tenants = set(map(tag, claims("").values()))
        roles = _roles(account, used, tenants, older_than)
        rest = (_layers(client, used, older_than), roles, _logs(account, used, older_than))
        return [*old, *(left for kind in rest for left in kind)]


def remove(account: Account, leftover: Leftover) -> None:
    """Remove one; it may be gone already."""
    with refusals(f"{leftover.kind} {leftover.name}"):
        if leftover.kind == "role":
            role.remove(account, leftover.name)
        elif leftover.kind == "log":
            _remove_log(account, leftover.name)
        elif leftover.kind == "layer":
            name, _, version = leftover.name.rpartition(":")
            account.client("lambda").delete_layer_version(LayerName=name, VersionNumber=int(version))
        else:
            remove_function(account.client("lambda"), leftover.name)


def remove_own(account: Account, name: str, role_arn: str) -> None:
    """Remove a function that is not kept, its log, and its role where `role` made it.

    What cannot be removed is logged: the rows are there, and `leftovers` finds it later.
    """
    try:
        with refusals(f"function {name}"):
            remove_function(account.client("lambda"), name)
            _remove_log(account, _LOGS + name)
            if not account.config.role_arn:
                role.remove(account, role_arn.rpartition("/")[2])
    except DativoError as error:
        tell_it_stays(name, "is not kept, and could not be removed", error)


def remove_function(client: Any, name: str) -> None:
    """Remove a function; it may be gone already."""
    with contextlib.suppress(client.exceptions.ResourceNotFoundException):
        client.delete_function(FunctionName=name)


def _function(
    account: Account, found: dict[str, Any], older_than: datetime, claims: Callable[[str], Collection[str]]
) -> Leftover | None:
    name = found["FunctionName"]
    if not name.startswith(_OURS):
        return None
    tags = account.client("lambda").list_tags(Resource=found["FunctionArn"]).get("Tags", {})
    if tags.get("dativo") != "1":
        return None
    since, folder = _time(found["LastModified"]), tags.get(STAGING, "")
    ours = folder == account.root_tag
    if not _over(tags, since, older_than) or is_open(name, "" if ours else folder, claims):
        return None
    return Leftover(
        kind="function",
        name=name,
        since=since.isoformat(timespec="seconds"),
        owner=f"{tags.get('dativo.tenant', '')}/{tags.get('dativo.job', '')}",
        why="its host is gone" if _host_is_gone(tags) else "it was deployed that long ago",
    )


def _layers(client: Any, functions: list[dict[str, Any]], older_than: datetime) -> Iterator[Leftover]:
    used = {layer["Arn"] for each in functions for layer in each.get("Layers", ())}
    for layer in _pages(client, "list_layers", "Layers"):
        if not _LAYER.fullmatch(layer["LayerName"]):
            continue
        for version in _pages(client, "list_layer_versions", "LayerVersions", LayerName=layer["LayerName"]):
            since = _time(version["CreatedDate"])
            if version["LayerVersionArn"] not in used and since < older_than:
                name = f"{layer['LayerName']}:{version['Version']}"
                yield _unused("layer", name, since)


def _roles(
    account: Account, functions: list[dict[str, Any]], tenants: set[str], older_than: datetime
) -> Iterator[Leftover]:
    """Find roles; a kept one stays while its tenant has any function open, which may be about to take it on."""
    used = {each["Role"] for each in functions}
    for found in _pages(account.client("iam"), "list_roles", "Roles", PathPrefix=role.path_of(account)):
        if found["Arn"] in used:
            continue
        said = account.client("iam").list_role_tags(RoleName=found["RoleName"])["Tags"]
        tags = {each["Key"]: each["Value"] for each in said}
        tenant = tags.get("dativo.tenant", "")
        wanted = tags.get("dativo.keep") == "true" and tenant in tenants
        if not wanted and _over(tags, found["CreateDate"], older_than):
            yield _unused("role", found["RoleName"], found["CreateDate"], tenant)


def _logs(account: Account, functions: list[dict[str, Any]], older_than: datetime) -> Iterator[Leftover]:
    used = {_LOGS + each["FunctionName"] for each in functions}
    for found in _pages(account.client("logs"), "describe_log_groups", "logGroups", logGroupNamePrefix=_LOGS + _OURS):
        since = datetime.fromtimestamp(found["creationTime"] / 1000, timezone.utc)
        if _LOG.fullmatch(found["logGroupName"]) and found["logGroupName"] not in used and since < older_than:
            yield _unused("log", found["logGroupName"], since)


def _remove_log(account: Account, name: str) -> None:
    client = account.client("logs")
    with contextlib.suppress(client.exceptions.ResourceNotFoundException):
        client.delete_log_group(logGroupName=name)


def _over(tags: Mapping[str, str], since: datetime, older_than: datetime) -> bool:
    """Tell whether something is left over: what is not kept once its host is gone, all else by age."""
    gone = _host_is_gone(tags)
    return since < older_than if gone is None else gone


def _host_is_gone(tags: Mapping[str, str]) -> bool | None:
    """Tell whether the host of what is not kept is gone; None of what is kept, and where that cannot be told."""
    return None if tags.get("dativo.keep") == "true" else is_gone(tags.get("dativo.host", ""))


def _unused(kind: str, name: str, since: datetime, owner: str = "") -> Leftover:
    when = since.isoformat(timespec="seconds")
    return Leftover(kind=kind, name=name, since=when, owner=owner, why="no function uses it")


def _time(text: str) -> datetime:
    """Read a time of AWS Lambda: ISO 8601 with ``+0000``."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")


def _pages(client: Any, operation: str, items: str, **asked: Any) -> Iterator[dict[str, Any]]:
    for page in client.get_paginator(operation).paginate(**asked):
        yield from page.get(items, ())
