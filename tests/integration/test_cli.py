"""The command as a process of its own: signals, pipes, terminals, and a job whose every credential is a secret."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.servers import vault as vault_server
from tests.servers.process import free_port
from tests.waiting import until

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "dativo_dagster.cli"]

JOB = """\
name: people
tenant: acme
source: {connector: csv, files: ["data/*.csv"], incremental: file_modified_time}
target: {connector: parquet, warehouse: lake, table: shop.people}
contract: {name: people, schema: [{name: id, type: int64, required: true}, {name: email, type: string}]}
validation: quarantine
"""
S3_JOB = """\
name: people
tenant: acme
source: {connector: csv, files: ["data/*.csv"]}
target:
  connector: parquet
  warehouse: "s3://${LAKE_BUCKET}/${PREFIX}"
  table: shop.people
  connection:
    s3:
      endpoint: "${S3_ENDPOINT}"
      bucket: "${LAKE_BUCKET}"
      region: "${LAKE_REGION:-us-east-1}"
      access_key_id: "${LAKE_KEY}"
      secret_access_key: "${LAKE_SECRET}"
contract: {name: people, schema: [{name: id, type: int64}, {name: email, type: string}]}
"""


@pytest.fixture
def desk(tmp_path):
    (tmp_path / "jobs").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "jobs" / "people.yaml").write_text(JOB)
    (tmp_path / "data" / "a.csv").write_text("id,email\n" + "".join(f"{i},{i}@x\n" for i in range(1000)))
    return tmp_path


def environment(**more):
    dropped = ("DATIVO_", "AWS_", "VAULT_", "DAGSTER_HOME", "NO_COLOR")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


def dativo(desk, *arguments, **more):
    return subprocess.run(
        [*COMMAND, *arguments], cwd=desk, env=environment(**more), capture_output=True, text=True, check=False
    )


def on_a_terminal(desk, *arguments, **more):
    """Give the exit code and all that a terminal of 100 columns shows."""
    inside, outside = pty.openpty()
    env = environment(TERM="xterm", COLUMNS="100", **more)
    process = subprocess.Popen([*COMMAND, *arguments], cwd=desk, env=env, stdout=outside, stderr=outside)
    os.close(outside)
    shown = b""
    while process.poll() is None or select.select([inside], [], [], 0)[0]:
        if select.select([inside], [], [], 0.1)[0]:
            try:
                shown += os.read(inside, 65536)
            except OSError:  # Linux says so when the other end is closed
                break
    os.close(inside)
    return process.wait(), shown.decode()


def test_a_small_job_runs_and_its_second_run_finds_nothing_new(desk):
    first, second = dativo(desk, "run", "people", "--json"), dativo(desk, "run", "people", "--json")
    assert (first.returncode, second.returncode) == (0, 0)
    assert [json.loads(run.stdout)["streams"][0]["status"] for run in (first, second)] == ["committed", "nothing_new"]
    assert all(json.loads(line)["timestamp"] for line in first.stderr.splitlines())


def test_a_terminal_shows_a_bar_and_colours_and_no_json(desk):
    code, shown = on_a_terminal(desk, "run", "people")
    assert code == 0
    assert "\r\x1b[Kpeople  " in shown
    assert "\x1b[32mok\x1b[0m" in shown
    assert "timestamp" not in shown


def test_a_terminal_tells_an_error_once(desk):
    (desk / "jobs" / "people.yaml").write_text(JOB.replace("quarantine", "strict"))
    (desk / "data" / "a.csv").write_text("id,email\none,1@x\n")
    code, shown = on_a_terminal(desk, "run", "people")
    assert code != 0
    assert shown.count("[VALIDATION_FAILED]") == 1
    assert "ERROR" not in shown


def test_a_terminal_without_colour_has_none(desk):
    code, shown = on_a_terminal(desk, "run", "people", NO_COLOR="1")
    assert code == 0
    assert re.findall(r"\x1b\[[\d;]*m", shown) == []


def test_a_reader_who_goes_away_ends_the_command_quietly(desk):
    inside, outside = os.pipe()
    os.close(inside)
    process = subprocess.Popen([*COMMAND, "schema"], cwd=desk, env=environment(), stdout=outside, stderr=-1, text=True)
    os.close(outside)
    assert (process.communicate()[1], process.returncode) == ("", 141)


def test_ctrl_c_is_one_line_and_leaves_nothing_visible(desk):
    (desk / "data" / "b.csv").write_bytes(b"id,email\n" + b"1,someone@example.com\n" * 10_000_000)
    process = subprocess.Popen(
        [*COMMAND, "run", "people"],
        cwd=desk,
        env=environment(),
        stdout=-1,
        stderr=-1,
        text=True,
        start_new_session=True,
    )
    while "job_started" not in (line := process.stderr.readline()):
        assert line, "ended before it started"
    until(lambda: list((desk / "lake").rglob(".dativo-*")) or process.poll() is not None, 150)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=150)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert err.rstrip().splitlines()[-1].startswith("interrupted; ")
    assert not list((desk / "lake").rglob("*.parquet"))


def test_every_credential_of_a_job_can_be_a_secret_of_vault(desk, s3, s3_prefix):
    (desk / "jobs" / "people.yaml").write_text(S3_JOB)
    with vault_server.serve() as vault:
        vault.data["secret/acme/lake"] = {
            "LAKE_KEY": s3.access_key,
            "LAKE_SECRET": s3.secret_key,
            "LAKE_BUCKET": s3.bucket,
        }
        flags = ["--secret-manager", "vault", "--secret-manager-config", '{"path_template": "{tenant}/lake"}']
        env = {
            "VAULT_ADDR": vault.address,
            "VAULT_TOKEN": vault_server.TOKEN,
            "S3_ENDPOINT": s3.endpoint,
            "PREFIX": s3_prefix,
        }
        answers = [
            dativo(desk, "check", "people", *flags, **env),
            dativo(desk, "run", "people", "--json", *flags, **env),
            dativo(desk, "run", "people", **env),
        ]
    assert [a.returncode for a in answers] == [0, 0, 2]
    assert json.loads(answers[1].stdout)["streams"][0]["counts"]["written"] == 1000
    assert "LAKE_KEY is not set" in answers[2].stderr
    assert not any(s3.secret_key in a.stdout + a.stderr for a in answers)


def test_a_wrong_key_is_told_without_showing_it(desk, s3, s3_prefix):
    (desk / "jobs" / "people.yaml").write_text(S3_JOB)
    env = {
        "S3_ENDPOINT": s3.endpoint,
        "PREFIX": s3_prefix,
        "LAKE_BUCKET": s3.bucket,
        "LAKE_KEY": s3.access_key,
        "DATIVO_SECRET__ACME__LAKE_SECRET": "canary-7f3a-wrong",
    }
    for command in (["run", "people"], ["run", "people", "--debug"], ["check", "people", "--json", "--verbose"]):
        answer = dativo(desk, *command, **env)
        assert answer.returncode == 2
        assert "ACCESS_DENIED" in answer.stdout + answer.stderr
        assert "canary" not in answer.stdout + answer.stderr


@pytest.mark.slow
def test_start_runs_dagster_with_the_schedules_of_the_runner_file(desk):
    schedule = "{name: nightly, config: jobs/people.yaml, cron: '0 2 * * *', max_concurrent_runs: 2}"
    (desk / "runner.yaml").write_text(f"runner: {{orchestrator: {{schedules: [{schedule}]}}}}\n")
    port = free_port()
    process = subprocess.Popen(
        [*COMMAND, "start", "orchestrated", "--runner-config", "runner.yaml", "--port", str(port)],
        cwd=desk,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        assert schedules_of(port, process) == [("nightly", "0 2 * * *", "ingest__acme__people", "RUNNING")]
    finally:
        os.killpg(process.pid, signal.SIGINT)
        code = process.wait(150)  # Dagster itself waits a minute for each of its processes
    assert code == 0
    limits = json.loads((desk / ".dativo" / "dagster" / "dagster.yaml").read_text())["run_coordinator"]["config"]
    assert [each["limit"] for each in limits["tag_concurrency_limits"]] == [1, 2]


def schedules_of(port, process):
    """Ask the page's API for the schedules, as soon as it answers."""
    query = """{ repositoriesOrError { ... on RepositoryConnection { nodes { schedules {
        name cronSchedule pipelineName scheduleState { status } } } } } }"""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        data=json.dumps({"query": query}).encode(),
        headers={"Content-Type": "application/json"},
    )
    for _ in range(240):
        assert process.poll() is None, "Dagster ended"
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                nodes = json.load(answer)["data"]["repositoriesOrError"].get("nodes")
        except OSError:
            nodes = None
        if nodes:
            found = [s for node in nodes for s in node["schedules"]]
            return [(s["name"], s["cronSchedule"], s["pipelineName"], s["scheduleState"]["status"]) for s in found]
        time.sleep(0.5)
    raise AssertionError("Dagster's page never answered")
