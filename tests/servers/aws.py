"""AWS (ministack) in a container: Lambda runs functions in containers beside it, IAM evaluates their roles.

ministack listens on loopback of this machine and in a network of its own, so that functions reach its S3, too.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
import tarfile
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.servers.docker import LABEL, locked, remove
from tests.servers.process import free_port

REGION, KEY, ACCOUNT = "us-east-1", "test", "000000000000"
IMAGE = "dativo-test-ministack:1.5.33"
RUNTIME_IMAGE = "public.ecr.aws/lambda/python:3.11"  # what ministack starts for python3.11
START_SECONDS = 180.0
CONTENT = "dativo.test.content"
"""On an image: the hash of what it is built from."""
_PIP = "pip install --no-cache-dir --disable-pip-version-check"
_MINISTACK = f"""FROM python:3.11-slim-bookworm
RUN {_PIP} ministack==1.5.33 docker==7.2.0
ENTRYPOINT ["ministack"]
"""
# The kill comes at once: each update or removal of a function waits for its containers to stop.
_PYTHON = f"""FROM python:3.11-slim-bookworm
RUN {_PIP} awslambdaric==4.2.2 boto3==1.43.106 && mkdir -p /var/runtime /var/task /opt
COPY bootstrap /var/runtime/bootstrap
COPY lambda_runtime.py /lambda_runtime.py
ENV LAMBDA_TASK_ROOT=/var/task
WORKDIR /var/task
STOPSIGNAL SIGKILL
ENTRYPOINT ["python3", "/lambda_runtime.py"]
"""
_BOOTSTRAP = b'#!/bin/sh\ncd /var/task\nPYTHONPATH=/opt/python exec python3 -m awslambdaric "$_HANDLER"\n'
DOCS = Path(__file__).parents[2] / "docs" / "places-aws.md"
_COARSE = ["lambda:ListLayers", "lambda:CreateFunction"]
"""To ministack listing versions is listing layers, and what is created has no name yet; AWS is finer in both."""
TRUST = (
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, '
    '"Action": "sts:AssumeRole"}]}'
)


@dataclass(frozen=True)
class AwsServer:
    """A running server; ``inner`` is its address for functions."""

    endpoint: str
    inner: str
    region: str = REGION

    @property
    def place(self) -> dict[str, Any]:
        """Give the options of a place `aws_lambda` here."""
        return {
            "runtime": "python3.11",
            "region": self.region,
            "endpoint_url": self.endpoint,
            "function_endpoint_url": self.inner,
            "timeout_seconds": 60,
        }

    @property
    def staged(self) -> list[str]:
        """List what lies in the bucket that a place makes for rows on their way, but for claims.

        A fixture of other tests may have a function open meanwhile. That claims go has tests of its own.
        """
        bucket = f"dativo-staging-{ACCOUNT}-{self.region}"
        return [key for key in self.keys(bucket) if not self._is_claim(bucket, key)]

    def _is_claim(self, bucket: str, key: str) -> bool:
        if not key.endswith("/owner.json"):
            return False
        body = self.client("s3").get_object(Bucket=bucket, Key=key)["Body"]
        return "function" in json.loads(body.read())

    def keys(self, bucket: str) -> list[str]:
        """List the objects of a bucket."""
        found = self.client("s3").list_objects_v2(Bucket=bucket)
        return [each["Key"] for each in found.get("Contents", ())]

    @property
    def functions(self) -> set[str]:
        """Name the functions that there are."""
        return {each["FunctionName"] for each in self.client("lambda").list_functions()["Functions"]}

    def client(self, service: str, region: str | None = None) -> Any:
        """Open a boto3 client of the account's owner that tries nothing twice."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=region or self.region,
            aws_access_key_id=KEY,
            aws_secret_access_key=KEY,
            config=Config(connect_timeout=60, read_timeout=120, retries={"max_attempts": 0}),
        )

    def role(self, policy: Mapping[str, Any] | None = None) -> str:
        """Make a role that functions may take on and that may do what the policy says, and give its ARN."""
        name, iam = f"role-{uuid.uuid4().hex[:12]}", self.client("iam")
        made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
        if policy is not None:
            iam.put_role_policy(RoleName=name, PolicyName="given", PolicyDocument=json.dumps(policy))
        return str(made["Role"]["Arn"])

    def user(self, policy: Mapping[str, Any]) -> dict[str, str]:
        """Make a user who may do what the policy says and nothing else; gives the variables of its credentials."""
        name, iam = f"user-{uuid.uuid4().hex[:12]}", self.client("iam")
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="given", PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


def documented(region: str, role: str = "") -> list[dict[str, Any]]:
    """Give the policies that the documents show: of a host, of one that makes and removes all, and of a function."""
    facts = {"REGION": region, "ACCOUNT": ACCOUNT, "BUCKET": "rows-on-their-way", "FOLDER": "dativo"}
    text = DOCS.read_text()
    for name, value in {**facts, "ROLE": role.rpartition("/")[2]}.items():
        text = re.sub(rf"\b{name}\b", value, text)
    found: list[dict[str, Any]] = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]
    found[0]["Statement"].append({"Effect": "Allow", "Action": _COARSE, "Resource": "*"})
    return found


def together(*policies: Mapping[str, Any]) -> dict[str, Any]:
    """Make one policy of several."""
    return {"Version": "2012-10-17", "Statement": [one for policy in policies for one in policy["Statement"]]}


@contextlib.contextmanager
def serve(engine: Any, memory: str = "512m") -> Iterator[AwsServer]:
    """Run ministack in ``engine``; the functions' containers go with it."""
    build(engine, IMAGE, _MINISTACK)
    runtime = Path(__file__).with_name("lambda_runtime.py").read_bytes()
    build(engine, RUNTIME_IMAGE, _PYTHON, {"bootstrap": _BOOTSTRAP, "lambda_runtime.py": runtime})
    name, port = f"dativo-aws-{uuid.uuid4().hex[:12]}", free_port()
    server = AwsServer(endpoint=f"http://127.0.0.1:{port}", inner=f"http://{name}:4566")
    network = engine.networks.create(name, labels={LABEL: name})
    try:
        container = engine.containers.run(
            IMAGE,
            name=name,
            detach=True,
            network=name,
            labels={LABEL: name},
            ports={"4566/tcp": ("127.0.0.1", port)},
            volumes={"/var/run/docker.sock": {"bind": "/var/run/docker.sock", "mode": "rw"}},
            environment=_settings(server, name, memory),
        )
        _wait(server, container)
        yield server
    finally:
        remove(engine, label=f"{LABEL}={name}")
        remove(engine, network=name)
        network.remove()


def _settings(server: AwsServer, network: str, memory: str) -> dict[str, str]:
    return {
        "BIND_HOST": "0.0.0.0",
        "GATEWAY_PORT": "4566",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "SERVICES": "s3,lambda,iam,sts,logs",
        "MINISTACK_REGION": server.region,
        "LAMBDA_EXECUTOR": "docker",
        "LAMBDA_STRICT": "1",  # a missing image is an error and no run in ministack itself
        "LAMBDA_DOCKER_FLAGS": f"--memory {memory}",
        "MINISTACK_DOCKER_TIMEOUT": "120",  # it gives up after ten seconds, which a busy disk takes for a large layer
        "AUTH": "true",
        "DOCKER_NETWORK": network,
        "AWS_ENDPOINT_URL": server.inner,
    }


def _wait(server: AwsServer, container: Any) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            server.client("lambda").list_functions()
        except (BotoCoreError, ClientError):  # noqa: PERF203 - it is asked until it answers
            if time.monotonic() > end:
                pytest.fail(f"ministack did not start:\n{container.logs(tail=50).decode(errors='replace')}")
            time.sleep(0.1)
        else:
            return


def build(engine: Any, tag: str, dockerfile: str, files: Mapping[str, bytes] | None = None) -> None:
    """Build an image unless the engine has it from the same files and base; one process at a time does."""
    base = engine.images.get(dockerfile.split()[1]).id
    files = {"Dockerfile": dockerfile.encode(), **(files or {})}
    facts = [base, *((name, hashlib.sha256(data).hexdigest()) for name, data in sorted(files.items()))]
    content = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    with locked("test-images"):
        if content in {image.labels.get(CONTENT) for image in engine.images.list(tag)}:
            return
        context = io.BytesIO()
        with tarfile.open(fileobj=context, mode="w") as archive:
            for name, data in files.items():
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(data), 0o755
                archive.addfile(entry, io.BytesIO(data))
        context.seek(0)
        labels = {CONTENT: content}
        engine.images.build(fileobj=context, custom_context=True, tag=tag, rm=True, network_mode="host", labels=labels)
