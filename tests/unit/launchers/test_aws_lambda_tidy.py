"""What is removed from an account is ours: by its tags, or where it can have none by its name."""

from __future__ import annotations

import sys
from datetime import datetime, timezone

import pytest
from botocore.stub import Stubber

from dativo_dagster.functions.package import pack
from dativo_dagster.launchers.aws_lambda.account import Account, tenant_key
from dativo_dagster.launchers.aws_lambda.config import Config
from dativo_dagster.launchers.aws_lambda.deploying import Made, function_name
from dativo_dagster.launchers.aws_lambda.tidy import leftovers
from dativo_dagster.owner import host_label
from dativo_ingest.exceptions import AuthenticationError
from dativo_ingest.exceptions import ConnectionError as UnreachableError

MADE = Made(
    tenant="Ärzte & Co",
    plugin="/jobs/orders__.py",
    runtime="python3.12",
    handler="main.handler",
    role_arn="arn:aws:iam::000000000000:role/one",
    package=pack({"main.py": b""}),
)
LAYER = f"dativo-{tenant_key(MADE.tenant)}-{'0' * 16}"
LOG = f"/aws/lambda/{function_name(MADE, Config())}"


def account_with(monkeypatch: pytest.MonkeyPatch, claims: dict[str, dict[str, str]]) -> Account:
    """Give an account whose staging folders tell what is open; one that is not known refuses."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")

    def told(_: Account, root: str = "") -> dict[str, str]:
        if root not in claims:
            raise AuthenticationError(f"{root}: refused", "ACCESS_DENIED")
        return claims[root]

    monkeypatch.setattr(Account, "claims", told)
    return Account(Config(region="eu-west-1", staging="s3://ours"))


def test_layers_and_logs_of_others_whose_names_begin_like_ours_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    account = account_with(monkeypatch, {"": {}})
    version = {"LayerVersionArn": f"arn:aws:lambda:eu-west-1:000000000000:layer:{LAYER}:3", "Version": 3}
    logs = [{"logGroupName": name, "creationTime": 0} for name in (LOG, "/aws/lambda/dativo-webhook", LOG + "-2")]
    with (
        Stubber(account.client("lambda")) as functions,
        Stubber(account.client("iam")) as roles,
        Stubber(account.client("logs")) as groups,
    ):
        functions.add_response("list_functions", {"Functions": []})
        functions.add_response("list_layers", {"Layers": [{"LayerName": "dativo-common"}, {"LayerName": LAYER}]})
        functions.add_response(
            "list_layer_versions", {"LayerVersions": [{**version, "CreatedDate": "2020-01-01T00:00:00.000+0000"}]}
        )
        roles.add_response("list_roles", {"Roles": []})
        groups.add_response("describe_log_groups", {"logGroups": logs})
        found = leftovers(account, datetime.now(timezone.utc))
    assert [(left.kind, left.name) for left in found] == [("layer", f"{LAYER}:3"), ("log", LOG)]


def test_a_function_that_somebody_has_open_stays_with_its_role_however_old(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    account = account_with(monkeypatch, {"": {"dativo-open": "a"}, "s3://other": {"dativo-there": "b"}})
    arn, long_ago = "arn:aws:lambda:eu-west-1:000000000000:function:", datetime(2020, 1, 1, tzinfo=timezone.utc)
    deployed = [
        {
            "FunctionName": name,
            "FunctionArn": arn + name,
            "LastModified": "2020-01-01T00:00:00.000+0000",
            "Role": f"{MADE.role_arn}-{name}",
        }
        for name in ("dativo-open", "dativo-there", "dativo-unseen", "dativo-idle")
    ]
    roles_there = [
        {
            "RoleName": name,
            "RoleId": "AROA" + "0" * 16,
            "Path": "/dativo/eu-west-1/",
            "Arn": f"{MADE.role_arn}-{name}",
            "CreateDate": long_ago,
        }
        for name in ("dativo-open", "dativo-idle", "dativo-new", "dativo-own")
    ]
    with (
        Stubber(account.client("lambda")) as functions,
        Stubber(account.client("iam")) as roles,
        Stubber(account.client("logs")) as groups,
    ):
        functions.add_response("list_functions", {"Functions": deployed})
        for staging in (
            {"dativo.staging": "s3://ours/tenants"},
            {"dativo.staging": "s3://other"},
            {"dativo.staging": "s3://refused"},
            {},
        ):
            functions.add_response("list_tags", {"Tags": {"dativo": "1", "dativo.keep": "true", **staging}})
        functions.add_response("list_layers", {"Layers": []})
        roles.add_response("list_roles", {"Roles": roles_there})
        for tenant, keep in (("b", "true"), ("a", "true"), ("a", "false")):
            tags = [{"Key": "dativo.tenant", "Value": tenant}, {"Key": "dativo.keep", "Value": keep}]
            roles.add_response("list_role_tags", {"Tags": tags})
        groups.add_response("describe_log_groups", {"logGroups": []})
        found = leftovers(account, datetime.now(timezone.utc))
    left = [(each.kind, each.name) for each in found]
    assert left == [("function", "dativo-idle"), ("role", "dativo-idle"), ("role", "dativo-own")]
    assert "dativo-unseen stays: nobody can see in s3://refused whether it is open" in caplog.text


def test_a_folder_that_no_tag_can_hold_is_not_taken_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    for folder in ("s3://b/our's", "s3://b/" + "x" * 250):
        account = Account(Config(region="eu-west-1", staging=folder))
        with pytest.raises(UnreachableError, match="bucket"):  # so what has it open is not known, and it stays
            account.claims(account.root_tag)
    assert Account(Config(staging="s3://b/ours")).root_tag == "s3://b/ours/tenants"


def test_an_old_function_that_was_not_kept_is_left_over_for_its_host_and_not_for_its_age(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account = account_with(monkeypatch, {"": {}})
    found = {
        "FunctionName": "dativo-own",
        "FunctionArn": "arn:aws:lambda:eu-west-1:000000000000:function:dativo-own",
        "LastModified": "2020-01-01T00:00:00.000+0000",
        "Role": MADE.role_arn,
    }
    nobody = f"{host_label().rsplit('/', 2)[0]}/{sys.maxsize}/1"  # no process has that number
    with (
        Stubber(account.client("lambda")) as functions,
        Stubber(account.client("iam")) as roles,
        Stubber(account.client("logs")) as groups,
    ):
        functions.add_response("list_functions", {"Functions": [found]})
        functions.add_response("list_tags", {"Tags": {"dativo": "1", "dativo.keep": "false", "dativo.host": nobody}})
        functions.add_response("list_layers", {"Layers": []})
        roles.add_response("list_roles", {"Roles": []})
        groups.add_response("describe_log_groups", {"logGroups": []})
        [left] = leftovers(account, datetime.now(timezone.utc))
    assert (left.name, left.why) == ("dativo-own", "its host is gone")
