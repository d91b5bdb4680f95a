"""Functions of AWS Lambda, deployed and invoked where roles and containers are real."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from dativo_dagster.functions.cloud import Limits
from dativo_dagster.functions.package import pack
from dativo_dagster.functions.staging import Staging
from dativo_dagster.launchers.aws_lambda.config import Config
from dativo_dagster.launchers.aws_lambda.deploying import Made, deploy
from dativo_dagster.launchers.aws_lambda.invoking import PAYLOAD_BYTES, LambdaFunction
from dativo_ingest.exceptions import ConfigurationError, DativoError, RateLimitError, SandboxError, TransientError
from tests.waiting import until

if TYPE_CHECKING:
    from tests.servers.aws import AwsServer

pytestmark = [pytest.mark.integration, pytest.mark.docker, pytest.mark.xdist_group("lambda")]

MAIN = b"""
import os, time
def handler(event, context):
    verb = event["verb"]
    if verb == "exit":
        os._exit(3)
    if verb == "hang":
        time.sleep(60)
    if verb == "fill":
        held = [b"x" * (1 << 20) for _ in range(2000)]
    if verb == "raise":
        raise ValueError("no such order")
    return {"verb": verb, "variable": os.environ.get("COLOUR")}
"""
STAGING = Staging(url="s3://nothing-goes-there/here")
SECONDS = 10
"""What a function has for a call; the emulator counts its start, too."""
CONFIG = Config(runtime="python3.11", memory_mb=256, timeout_seconds=SECONDS, environment={"COLOUR": "blue"})


@pytest.fixture(scope="module")
def made(aws: AwsServer) -> Made:
    return Made(
        tenant="acme",
        plugin="/jobs/plugins/orders.py",
        runtime="python3.11",
        handler="main.handler",
        role_arn=aws.role(),
        package=pack({"main.py": MAIN}),
    )


@pytest.fixture(scope="module")
def function(aws: AwsServer, made: Made) -> LambdaFunction:
    client = aws.client("lambda")
    limits = Limits(request_bytes=PAYLOAD_BYTES, reply_bytes=PAYLOAD_BYTES, seconds=SECONDS, memory_mb=256)
    return LambdaFunction(client, deploy(client, made, CONFIG, STAGING), limits)


def ask(function: LambdaFunction, verb: str) -> Any:
    return function.invoke(json.dumps({"verb": verb}).encode())


def test_a_function_answers_and_tells_what_it_cost(function: LambdaFunction) -> None:
    answer = ask(function, "spec")
    assert json.loads(answer.payload) == {"verb": "spec", "variable": "blue"}
    assert answer.seconds > 0


def test_the_log_of_a_call_tells_what_memory_it_took(function: LambdaFunction) -> None:
    def told() -> bool:
        answer = ask(function, "spec")
        return answer.peak_mb == 256 and "START RequestId" in answer.log

    until(told, 60)  # the emulator reads the log when it answers, which may be before the engine has written it


def test_what_is_deployed_already_is_not_deployed_again(aws: AwsServer, made: Made, function: LambdaFunction) -> None:
    client = aws.client("lambda")
    before = client.get_function_configuration(FunctionName=function.function)
    assert deploy(client, made, CONFIG, STAGING) == function.function
    after = client.get_function_configuration(FunctionName=function.function)
    assert (after["RevisionId"], after["LastModified"]) == (before["RevisionId"], before["LastModified"])


def test_hosts_that_deploy_the_same_at_once_share_one_function(aws: AwsServer, made: Made) -> None:
    mine = replace(made, tenant="together")
    with ThreadPoolExecutor(3) as threads:
        names = list(threads.map(lambda _: deploy(aws.client("lambda"), mine, CONFIG, STAGING), range(3)))
    assert len(set(names)) == 1


@pytest.mark.parametrize(
    ("verb", "kind", "code"),
    [
        ("hang", TransientError, "FUNCTION_TIMEOUT"),
        ("exit", SandboxError, "FUNCTION_CRASHED"),
        ("fill", SandboxError, "PLUGIN_OUT_OF_MEMORY"),
    ],
)
def test_a_function_that_does_not_end_by_itself_is_told_apart_and_the_next_call_works(
    function: LambdaFunction, verb: str, kind: type[DativoError], code: str
) -> None:
    with pytest.raises(kind) as caught:
        ask(function, verb)
    assert caught.value.error_code == code
    assert json.loads(ask(function, "spec").payload)["verb"] == "spec"


def test_what_the_entry_file_raises_is_told_with_its_lines(function: LambdaFunction) -> None:
    with pytest.raises(SandboxError, match="ValueError: no such order") as caught:
        ask(function, "raise")
    assert "main.py" in caught.value.details["remote_traceback"]
    assert not caught.value.retryable


def test_a_package_that_is_too_large_for_a_call_goes_by_the_bucket(
    aws: AwsServer, made: Made, aws_place: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, large = aws.client("lambda"), replace(made, tenant="large")
    aws.client("s3").create_bucket(Bucket="packages")
    reach = {"s3": {"region": aws.region, "endpoint": aws_place["endpoint_url"]}}
    monkeypatch.setattr("dativo_dagster.launchers.aws_lambda.deploying.DIRECT_BYTES", len(made.package.data) - 1)
    name = deploy(client, large, CONFIG, Staging(url="s3://packages/tenants/large", connection=reach))
    limits = Limits(request_bytes=PAYLOAD_BYTES, reply_bytes=PAYLOAD_BYTES, seconds=SECONDS, memory_mb=256)
    assert json.loads(ask(LambdaFunction(client, name, limits), "spec").payload)["verb"] == "spec"
    assert aws.keys("packages") == []


def test_a_call_that_is_throttled_may_be_tried_again(aws: AwsServer, function: LambdaFunction) -> None:
    client = aws.client("lambda")
    client.put_function_concurrency(FunctionName=function.function, ReservedConcurrentExecutions=0)
    try:
        with pytest.raises(RateLimitError) as caught:
            ask(function, "spec")
    finally:
        client.delete_function_concurrency(FunctionName=function.function)
    assert (caught.value.error_code, caught.value.retryable) == ("FUNCTION_THROTTLED", True)


def test_a_function_that_is_gone_is_named(aws: AwsServer, function: LambdaFunction) -> None:
    gone = LambdaFunction(aws.client("lambda"), "dativo-gone", function.limits)
    with pytest.raises(SandboxError, match=r"dativo-gone .*ResourceNotFoundException"):
        ask(gone, "spec")


def test_a_role_that_there_is_not_is_refused_with_the_words_of_aws(aws: AwsServer, made: Made) -> None:
    bad = replace(made, role_arn="arn:aws:iam::000000000000:role/nobody-has-it")
    with pytest.raises(ConfigurationError) as caught:
        deploy(aws.client("lambda"), bad, CONFIG, STAGING)
    assert caught.value.error_code == "FUNCTION_REFUSED"
