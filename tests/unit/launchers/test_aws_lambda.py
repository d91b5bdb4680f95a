"""What AWS Lambda would refuse is refused before any call, and what it answers is told in our errors."""

from __future__ import annotations

import base64
import io
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from pydantic import ValidationError

from dativo_dagster.functions.cloud import Limits
from dativo_dagster.functions.package import pack
from dativo_dagster.functions.staging import Staging
from dativo_dagster.launchers.aws_lambda.account import Account
from dativo_dagster.launchers.aws_lambda.config import Config
from dativo_dagster.launchers.aws_lambda.deploying import Made, deploy, function_name
from dativo_dagster.launchers.aws_lambda.invoking import LambdaFunction
from dativo_dagster.launchers.aws_lambda.role import role
from dativo_ingest.exceptions import (
    AuthenticationError,
    ConfigurationError,
    DativoError,
    RateLimitError,
    TransientError,
)
from dativo_ingest.exceptions import ConnectionError as UnreachableError

IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/orders:1"
STAGING = Staging(url="s3://rows/tenants/acme")
ROLE = "arn:aws:iam::000000000000:role/one"


def made(**changes: Any) -> Made:
    facts = {
        "tenant": "acme",
        "plugin": "/jobs/orders.py",
        "runtime": "python3.12",
        "handler": "main.handler",
        "role_arn": ROLE,
        "package": pack({"main.py": b""}),
    }
    return Made(**{**facts, **changes})


@pytest.fixture
def client() -> Any:
    return boto3.client("lambda", region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"memory_mb": 127}, "memory_mb"),
        ({"memory_mb": 10241}, "memory_mb"),
        ({"timeout_seconds": 901}, "timeout_seconds"),
        ({"ephemeral_storage_mb": 511}, "ephemeral_storage_mb"),
        ({"runtime": "python2.7"}, "is no runtime of AWS Lambda that runs plugins"),
        ({"environment": {"AWS_REGION": "x"}}, "AWS_REGION"),
        ({"environment": {"_HANDLER": "x"}}, "_HANDLER"),
        ({"environment": {"A": "x" * 4096}}, "4097 bytes"),
        ({"subnets": ["subnet-1"]}, "security_groups"),
        ({"image": "python:3.12"}, "image"),
        ({"image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/orders"}, "image"),
        ({"image": IMAGE, "requirements": ["x"], "runtime": "python3.12"}, "take out runtime, requirements"),
        ({"inline_mb": 4}, "inline_mb"),
    ],
)
def test_what_aws_would_refuse_is_refused_before_any_call(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Config(**options)


def test_packages_are_resolved_for_the_system_of_the_runtime() -> None:
    assert Config().system("python3.11").glibc == (2, 26)
    assert Config(architecture="arm64").system("python3.13").platforms[0] == "manylinux_2_34_aarch64"


def test_a_function_is_named_by_all_that_it_is_made_of() -> None:
    names = {
        function_name(made(), Config()),
        function_name(made(tenant="other"), Config()),
        function_name(made(plugin="/jobs/other.py"), Config()),
        function_name(made(package=pack({"main.py": b"1"})), Config()),
        function_name(made(), Config(memory_mb=512)),
        function_name(made(layers=("arn:1",)), Config()),
        function_name(made(role_arn=f"{ROLE}s"), Config()),
    }
    assert len(names) == 7
    assert function_name(made(), Config(keep=False)) in names
    assert function_name(made(plugin="/elsewhere/orders.py"), Config()) in names


def test_tenants_that_look_alike_when_shortened_never_share_a_function() -> None:
    long = "a" * 80
    names = {function_name(made(tenant=tenant), Config()) for tenant in (f"{long}1", f"{long}2", "a b", "a-b")}
    assert len(names) == 4
    assert all(len(name) <= 64 for name in names)


@pytest.mark.parametrize(
    "refused",
    [
        "The role defined for the function cannot be assumed by Lambda.",
        "The provided execution role does not have permissions to call CreateNetworkInterface on EC2",
    ],
)
def test_a_role_that_is_not_known_everywhere_yet_is_tried_again_and_a_function_made_meanwhile_is_taken(
    client: Any, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    monkeypatch.setattr("dativo_dagster.launchers.aws_lambda.deploying.time.sleep", lambda _: None)
    with Stubber(client) as answers:
        answers.add_client_error("get_function_configuration", "ResourceNotFoundException")
        answers.add_client_error("create_function", "InvalidParameterValueException", refused)
        answers.add_client_error("create_function", "ResourceConflictException")
        answers.add_response("get_function", {"Configuration": {"State": "Active"}})
        assert deploy(client, made(), Config(), STAGING) == function_name(made(), Config())
        answers.assert_no_pending_responses()


def test_a_function_that_is_active_is_not_waited_for(client: Any) -> None:
    with Stubber(client) as answers:
        answers.add_response("get_function_configuration", {"State": "Active"})
        assert deploy(client, made(), Config(), STAGING) == function_name(made(), Config())
        answers.assert_no_pending_responses()


@pytest.mark.parametrize("state", ["Failed", "Inactive"])
def test_a_function_that_could_not_start_or_was_put_to_sleep_is_deployed_anew(client: Any, state: str) -> None:
    with Stubber(client) as answers:
        answers.add_response("get_function_configuration", {"State": state})
        answers.add_response("delete_function", {})
        answers.add_response("create_function", {})
        answers.add_response("get_function", {"Configuration": {"State": "Active"}})
        assert deploy(client, made(), Config(), STAGING) == function_name(made(), Config())
        answers.assert_no_pending_responses()


def test_a_function_that_does_not_become_active_is_told_with_the_words_of_aws(client: Any) -> None:
    with Stubber(client) as answers:
        answers.add_response("get_function_configuration", {"State": "Pending"})
        answers.add_response("get_function", {"Configuration": {"State": "Failed", "StateReason": "no subnet"}})
        with pytest.raises(TransientError, match="no subnet") as caught:
            deploy(client, made(), Config(start_seconds=1), STAGING)
    assert caught.value.error_code == "FUNCTION_NOT_READY"


@pytest.mark.parametrize("code", ["AccessDeniedException", "ExpiredTokenException", "ExpiredToken", "403"])
def test_a_host_that_may_not_deploy_is_told_where_the_policy_is(client: Any, code: str) -> None:
    with Stubber(client) as answers:
        answers.add_client_error("get_function_configuration", code, "not authorized")
        with pytest.raises(AuthenticationError, match=r"docs/places-aws\.md"):
            deploy(client, made(), Config(), STAGING)


@pytest.mark.parametrize(
    ("answered", "status", "kind", "code"),
    [
        ("ThrottlingException", 429, RateLimitError, "FUNCTION_THROTTLED"),
        ("ServiceException", 500, UnreachableError, "FUNCTION_UNREACHABLE"),
        ("OperationAborted", 409, UnreachableError, "FUNCTION_UNREACHABLE"),
        ("InvalidParameterValueException", 400, ConfigurationError, "FUNCTION_REFUSED"),
    ],
)
def test_trouble_of_aws_is_no_mistake_of_the_job(
    client: Any, answered: str, status: int, kind: type[DativoError], code: str
) -> None:
    with Stubber(client) as answers:
        answers.add_client_error("get_function_configuration", answered, http_status_code=status)
        with pytest.raises(kind) as caught:
            deploy(client, made(), Config(), STAGING)
    assert (caught.value.error_code, caught.value.retryable) == (code, kind is not ConfigurationError)
    assert "function function" not in caught.value.message


@pytest.mark.parametrize(
    ("answered", "kind", "code"),
    [
        ("TooManyRequestsException", RateLimitError, "FUNCTION_THROTTLED"),
        ("AccessDeniedException", AuthenticationError, "FUNCTION_DENIED"),
        ("ServiceException", DativoError, "FUNCTION_REFUSED"),
    ],
)
def test_what_aws_answers_is_told_in_our_errors(client: Any, answered: str, kind: type[DativoError], code: str) -> None:
    function = LambdaFunction(client, "one", LIMITS)
    with Stubber(client) as answers:
        answers.add_client_error("invoke", answered)
        with pytest.raises(kind) as caught:
            function.invoke(b"{}")
    assert caught.value.error_code == code


def test_an_invocation_is_never_sent_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    asked: list[bytes] = []

    def hang_up() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                asked.append(connection.recv(65536))

    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as threads:
        listening = threads.submit(hang_up)
        account = Account(Config(region="us-east-1", endpoint_url=f"http://127.0.0.1:{server.getsockname()[1]}"))
        with pytest.raises(UnreachableError):
            LambdaFunction(account.invoker(), "one", LIMITS).invoke(b"{}")
        server.shutdown(socket.SHUT_RDWR)
        listening.result(5)
    assert len(asked) == 1
    assert account.invoker().meta.config.read_timeout > 900


def test_the_connection_of_a_long_invocation_outlives_the_silence_that_a_nat_gateway_allows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    with socket.create_server(("127.0.0.1", 0)) as server:
        invoker = Account(
            Config(region="us-east-1", endpoint_url=f"http://127.0.0.1:{server.getsockname()[1]}")
        ).invoker()
        pool = invoker._endpoint.http_session._manager.connection_from_url(invoker.meta.endpoint_url)
        connection = pool._get_conn()
        connection.connect()
        options = connection.sock
        assert options.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert options.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) < 350
        connection.close()


@pytest.mark.parametrize(("region", "begin"), [("eu-west-1", "arn:aws:"), ("cn-north-1", "arn:aws-cn:")])
def test_a_role_names_what_it_may_use_as_its_part_of_aws_does(
    region: str, begin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    account = Account(Config(region=region))
    iam, put = account.client("iam"), []
    iam.meta.events.register("provide-client-params.iam.PutRolePolicy", lambda params, **_: put.append(params))
    there = {**dict.fromkeys(("Path", "RoleName", "RoleId"), "x" * 16), "Arn": ROLE, "CreateDate": "2026-01-01"}
    with Stubber(account.client("sts")) as sts, Stubber(iam) as roles:
        sts.add_response("get_caller_identity", {"Account": "123456789012"})
        roles.add_response("get_role", {"Role": there})
        roles.add_response("put_role_policy", {})
        assert role(account, "acme", "s3://rows/tenants/acme") == ROLE
    for statement in json.loads(put[0]["PolicyDocument"])["Statement"]:
        named = statement["Resource"]
        assert all(each.startswith(begin) for each in ([named] if isinstance(named, str) else named))


def test_what_is_missing_is_named_where_a_call_is_denied(client: Any) -> None:
    said = "User: u is not authorized to perform: lambda:InvokeFunction on resource: r because no policy allows it"
    with Stubber(client) as answers:
        answers.add_client_error("invoke", "AccessDeniedException", said)
        with pytest.raises(AuthenticationError, match="lambda:InvokeFunction") as caught:
            LambdaFunction(client, "one", LIMITS).invoke(b"{}")
    assert caught.value.details["action"] == "lambda:InvokeFunction"


@pytest.mark.parametrize("said", [b"", b"no json", b"[" * 10_000, b"[7]", b'{"errorType": 7, "stackTrace": 7}'])
def test_an_end_that_a_plugin_tells_instead_of_the_runtime_is_a_crash(client: Any, said: bytes) -> None:
    with Stubber(client) as answers:
        answers.add_response("invoke", {"FunctionError": "Unhandled", "Payload": io.BytesIO(said)})
        with pytest.raises(DativoError) as caught:
            LambdaFunction(client, "one", LIMITS).invoke(b"{}")
    assert caught.value.error_code == "FUNCTION_CRASHED"


def test_the_report_tells_what_was_billed_and_whether_the_instance_was_new(client: Any) -> None:
    log = b"REPORT RequestId: 1\tBilled Duration: 123 ms\tMax Memory Used: 77 MB\tInit Duration: 250.00 ms"
    report = base64.b64encode(log).decode()
    with Stubber(client) as answers:
        answers.add_response("invoke", {"StatusCode": 200, "Payload": io.BytesIO(b"{}"), "LogResult": report})
        answer = LambdaFunction(client, "one", LIMITS).invoke(b"{}")
    assert (answer.seconds, answer.peak_mb, answer.started) == (0.123, 77, True)


LIMITS = Limits(request_bytes=100, reply_bytes=100, seconds=3, memory_mb=256)
