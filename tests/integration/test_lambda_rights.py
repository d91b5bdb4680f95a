"""Who may do what in AWS: the policies of the documents suffice, and what is missing is named."""

from __future__ import annotations

import json

import pytest

from dativo_dagster.launchers.aws_lambda import Config, Launcher
from dativo_ingest.exceptions import AuthenticationError
from dativo_ingest.model import PluginRef
from tests.servers.aws import documented, together

pytestmark = [pytest.mark.integration, pytest.mark.docker, pytest.mark.xdist_group("lambda")]

READER = """
from dativo_ingest.plugins import BaseReader

class Reader(BaseReader):
    def extract(self, state_manager=None):
        yield [{"id": 1}]
"""
READ = {"job": "orders", "source": {"type": "custom"}, "stream": {"name": "lines"}, "base": "."}


@pytest.fixture
def launcher(aws_place):
    """Give launchers."""
    return lambda **changed: Launcher(Config.model_validate({**aws_place, **changed}))


@pytest.fixture
def plugin(tmp_path):
    """Give a reader."""
    (tmp_path / "rights.py").write_text(READER)
    return PluginRef(path=str(tmp_path / "rights.py"), name="Reader")


def without(policy, action):
    """Give a policy that does not allow an action."""
    statements = [{**each, "Action": [one for one in each["Action"] if one != action]} for each in policy["Statement"]]
    return {**policy, "Statement": statements}


def as_user(aws, monkeypatch, policy):
    """Have the credentials of somebody who may do this and nothing else."""
    for name, value in aws.user(policy).items():
        monkeypatch.setenv(name, value)


def test_the_documented_policies_suffice_with_a_role_and_a_bucket_that_are_given(aws, launcher, plugin, monkeypatch):
    aws.client("s3").create_bucket(Bucket="rows-on-their-way")
    role = aws.role(documented(aws.region)[-1])
    options = {"role_arn": role, "staging": "s3://rows-on-their-way/dativo"}
    config, policy = {**READ, "tenant": "given"}, documented(aws.region, role)[0]

    as_user(aws, monkeypatch, without(policy, "lambda:CreateFunction"))
    with pytest.raises(AuthenticationError, match="lambda:CreateFunction") as refused:
        launcher(**options).reader(plugin, config).__enter__()
    assert refused.value.details["action"] == "lambda:CreateFunction"

    as_user(aws, monkeypatch, policy)
    with launcher(**options).reader(plugin, config) as reader:
        assert reader.check().passed
    as_user(aws, monkeypatch, without(policy, "lambda:InvokeFunction"))
    with launcher(**options).reader(plugin, config) as reader, pytest.raises(AuthenticationError) as refused:
        reader.check()
    assert (refused.value.error_code, refused.value.details["action"]) == ("FUNCTION_DENIED", "lambda:InvokeFunction")


def test_the_documented_policies_suffice_where_all_is_made_and_removed(aws, launcher, plugin, monkeypatch):
    before, roles = aws.functions, role_names(aws)
    as_user(aws, monkeypatch, together(*documented(aws.region)[:2]))
    with launcher(keep=False).reader(plugin, {**READ, "tenant": "made"}) as reader:
        assert reader.check().passed
        (name,) = aws.functions - before
        (role,) = role_names(aws) - roles
        facts = aws.client("lambda").get_function_configuration(FunctionName=name)
        assert facts["Role"].endswith(f"role/dativo/{aws.region}/{role}")
        may = policy_of(aws, facts["Role"])
        assert [each["Resource"] for each in may["Statement"] if "s3:PutObject" in each["Action"]] == [
            reader.deployed.staging.url.replace("s3://", "arn:aws:s3:::") + "/*"
        ]
        assert not any(each["Resource"] == "*" for each in may["Statement"])
    assert (aws.functions, role_names(aws)) == (before, roles)
    assert logs(aws, name) == []


def test_no_two_tenants_share_a_function_and_what_is_unchanged_is_used_again(aws, launcher, plugin, tmp_path):
    def opened(tenant, **options):
        with launcher(**options).reader(plugin, {**READ, "tenant": tenant}) as reader:
            facts = aws.client("lambda").get_function(FunctionName=reader.deployed.functions.function)
            assert facts["Tags"]["dativo.tenant"] == tenant
            return facts["Configuration"]

    first, again, other = opened("a b"), opened("a b"), opened("a-b")
    assert (again["FunctionName"], again["RevisionId"]) == (first["FunctionName"], first["RevisionId"])
    assert other["FunctionName"] != first["FunctionName"]
    assert other["Role"] != first["Role"]
    (tmp_path / "rights.py").write_text(READER.replace('"id": 1', '"id": 2'))
    changed = opened("a b")
    assert changed["FunctionName"] != first["FunctionName"]
    assert changed["Layers"] == first["Layers"]  # what it imports is published once


def test_a_function_in_a_vpc_has_a_role_that_may_join_it(aws, launcher, plugin):
    joined = launcher(subnets=["subnet-1"], security_groups=["sg-1"], tags={"team": "data"})
    with joined.reader(plugin, {**READ, "tenant": "vpc"}) as reader:
        found = aws.client("lambda").get_function(FunctionName=reader.deployed.functions.function)
    facts = found["Configuration"]
    assert (facts["VpcConfig"]["SubnetIds"], facts["VpcConfig"]["SecurityGroupIds"]) == (["subnet-1"], ["sg-1"])
    assert (found["Tags"]["team"], facts["State"]) == ("data", "Active")
    may = [each["Action"] for each in policy_of(aws, facts["Role"])["Statement"]]
    assert "ec2:CreateNetworkInterface" in may[0]


def policy_of(aws, role):
    """Give what a role that the place made may do."""
    found = aws.client("iam").get_role_policy(RoleName=role.rpartition("/")[2], PolicyName="dativo")["PolicyDocument"]
    return json.loads(found) if isinstance(found, str) else found


def role_names(aws):
    """Name the roles that the place made."""
    found = aws.client("iam").list_roles(PathPrefix="/dativo/")["Roles"]
    return {each["RoleName"] for each in found}


def logs(aws, name):
    """List the groups of a function's log."""
    return aws.client("logs").describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{name}")["logGroups"]
