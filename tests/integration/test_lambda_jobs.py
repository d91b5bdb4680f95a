"""Whole jobs whose plugins run in AWS Lambda: as the earlier system says it, and one whose host is killed."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dativo_dagster.config.load import load_job
from dativo_dagster.pipeline.places import tidied_places, tidy
from tests.seeds import PYTHON_IN_LAMBDA
from tests.servers.aws import ACCOUNT, documented, together
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.docker, pytest.mark.xdist_group("lambda")]

COMMAND = [sys.executable, "-m", "dativo_dagster.cli"]
PLUGINS = """
import logging, os, time
import pyarrow as pa
from dativo_ingest import BaseReader

class MyAPIReader(BaseReader):
    def extract(self, state_manager=None):
        logging.getLogger("my_api").info("asking %s", self.source_config.connection["base_url"])
        known = self.source_config.credentials["api_key"] == "k-canary-7719"
        yield [{"id": n, "place": os.environ["AWS_LAMBDA_FUNCTION_NAME"], "level": os.environ["LOG_LEVEL"],
                "known": known} for n in range(2000)]

class Hanging(BaseReader):
    def extract(self, state_manager=None):
        import iniconfig  # of the layer
        for number in range(2):
            yield pa.record_batch({"id": [number]})
            time.sleep(1.2)
        time.sleep(600)
"""
# Of another document of the earlier system: more settings of the same place.
MORE = """\
        security_groups: ["sg-xxx"]
        subnets: ["subnet-xxx"]
      environment_variables:
        LOG_LEVEL: "INFO"
"""
REST = """\
tenant: acme
name: users
target: {connector: parquet, path: lake, table: shop.users}
contract:
  name: users
  schema:
    - {name: id, type: int64, required: true}
    - {name: place, type: string}
    - {name: level, type: string}
    - {name: known, type: boolean}
"""
HANGING = """\
tenant: acme
name: hanging
source: {custom_reader: "plugins/my_api_reader.py:Hanging", place: PLACE}
target: {connector: parquet, path: lake, table: shop.hanging}
contract: {name: hanging, schema: [{name: id, type: int64}]}
"""


@pytest.fixture
def desk(tmp_path, monkeypatch, aws_place):
    """Give a folder with the plugin, and be there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "my_api_reader.py").write_text(PLUGINS)
    return tmp_path


def test_the_example_of_the_earlier_system_loads_and_runs(desk, aws, aws_place, monkeypatch):
    monkeypatch.setenv("API_KEY", "k-canary-7719")
    # What the earlier system's job lacks: the endpoints of our server, and the number of its account.
    role = aws.role(allowed(aws))
    said = PYTHON_IN_LAMBDA.replace("arn:aws:iam::123456789012:role/lambda-role", role)
    for name in ("region", "endpoint_url", "function_endpoint_url"):
        said += f"        {name}: {aws_place[name]}\n"
    (desk / "users.yaml").write_text(said + MORE + REST)

    dativo("validate", "users.yaml")
    there = aws.client("lambda").list_functions()["Functions"]
    assert "is known once it is deployed" in dativo("plan", "users.yaml").stdout
    assert aws.client("lambda").list_functions()["Functions"] == there
    ran = dativo("run", "users.yaml", "--json")
    done = json.loads(ran.stdout)
    [result] = done["streams"]
    assert result["status"] == "committed"

    table = pq.read_table(desk / "lake")
    assert sorted(table["id"].to_pylist()) == list(range(2000))
    assert (set(table["level"].to_pylist()), set(table["known"].to_pylist())) == ({"INFO"}, {True})
    (name,) = set(table["place"].to_pylist())
    (read,) = [used for used in result["usage"] if used["verb"] == "read"]
    assert (read["place"], read["function"], read["memory_mb"], read["attempt"]) == ("aws_lambda", name, 512, 1)
    assert read["seconds"] > 0
    lines = [json.loads(line) for line in ran.stderr.splitlines() if line.startswith("{")]
    (line,) = [line for line in lines if line["message"] == "asking https://api.example.com"]
    assert {key: line[key] for key in ("run", "stream", "unit", "verb", "attempt", "place")} == {
        "run": done["run_id"],
        "stream": "users",
        "unit": read["unit"],
        "verb": "read",
        "attempt": 1,
        "place": "aws_lambda",
    }
    assert "k-canary-7719" not in ran.stderr

    made = aws.client("lambda").get_function(FunctionName=name)
    facts, tags = made["Configuration"], made["Tags"]
    assert (facts["Role"], facts["Timeout"], facts["Runtime"]) == (role, 300, "python3.11")
    assert facts["VpcConfig"]["SubnetIds"] == ["subnet-xxx"]
    assert facts["VpcConfig"]["SecurityGroupIds"] == ["sg-xxx"]
    assert (tags["dativo.tenant"], tags["dativo.job"], tags["dativo.stream"]) == ("acme", "users", "users")
    [planned] = json.loads(dativo("plan", "users.yaml", "--json").stdout)["streams"]
    assert [unit["id"] for unit in planned["window"]["units"]] == [read["unit"]]
    assert aws.staged == []


def test_what_a_killed_host_leaves_is_found_and_removed_with_the_documented_rights(desk, aws, aws_place, monkeypatch):
    # In a region of its own: nothing of other tests is there to be collected.
    place = {"launcher": "aws_lambda", **aws_place, "region": "eu-west-1", "keep": False, "inline_mb": 0}
    place["requirements"] = ["iniconfig==2.1.0"]
    (desk / "hanging.yaml").write_text(HANGING.replace("PLACE", json.dumps(place)))
    for name, value in aws.user(together(*documented("eu-west-1")[:2])).items():
        monkeypatch.setenv(name, value)
    assert "is known once it is deployed" in dativo("plan", "hanging.yaml").stdout
    with (desk / "out").open("wb") as out:
        process = subprocess.Popen([*COMMAND, "run", "hanging.yaml"], stdout=out, stderr=out)
    until(lambda: "batch_extracted" in (desk / "out").read_text() or process.poll() is not None, 180)
    try:
        assert process.poll() is None, (desk / "out").read_text()
        assert collected(days=7) == []  # it is alive
    finally:
        process.kill()
        process.wait()
    assert collected(days=7) == ["function", "role", "staged", "staged"]
    # Its last lines come when it is gone.
    logs = aws.client("logs", region="eu-west-1")
    until(lambda: logs.describe_log_groups()["logGroups"], 180)
    assert collected(days=0) == ["layer", "log"]
    assert collected(days=0) == []
    assert aws.keys(f"dativo-staging-{ACCOUNT}-eu-west-1") == []


def dativo(*command):
    """Run a command of ours that must end well."""
    done = subprocess.run([*COMMAND, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def allowed(aws):
    """Give the policy of a role that reaches all of the staging bucket."""
    bucket = f"arn:aws:s3:::dativo-staging-{ACCOUNT}-{aws.region}"
    actions = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"]
    may = {"Effect": "Allow", "Action": actions, "Resource": [bucket, f"{bucket}/*"]}
    return {"Version": "2012-10-17", "Statement": [may]}


def collected(days):
    """Collect what is older, as `dativo places gc` does, and give the kinds of what was removed."""
    (place,) = tidied_places([load_job(Path("hanging.yaml"))], "aws_lambda")
    done = list(tidy(place, older_than=datetime.now(timezone.utc) - timedelta(days=days)))
    assert all(each.removed for each in done), done
    return sorted(each.leftover.kind for each in done)
