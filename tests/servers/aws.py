"""AWS (ministack) in a container: Lambda runs functions in containers beside it, IAM evaluates their roles.

ministack listens on loopback of this machine and in a network of its own, so that functions reach its S3, too.
"""

from __future__ import annotations

import contextlib
import io
import tarfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.servers.docker import LABEL, remove
from tests.servers.process import free_port

REGION, KEY = "us-east-1", "test"
IMAGE = "dativo-test-ministack:1.5.33"
RUNTIME_IMAGE = "public.ecr.aws/lambda/python:3.11"  # what ministack starts for python3.11
START_SECONDS = 60.0
_PIP = "pip install --no-cache-dir --disable-pip-version-check"
_MINISTACK = f"""FROM python:3.11-slim-bookworm
RUN {_PIP} ministack==1.5.33 docker
ENTRYPOINT ["ministack"]
"""
# The kill comes at once: each update or removal of a function waits for its containers to stop.
_PYTHON = f"""FROM python:3.11-slim-bookworm
RUN {_PIP} awslambdaric boto3 && mkdir -p /var/runtime /var/task /opt
COPY bootstrap /var/runtime/bootstrap
COPY lambda_runtime.py /lambda_runtime.py
ENV LAMBDA_TASK_ROOT=/var/task
WORKDIR /var/task
STOPSIGNAL SIGKILL
ENTRYPOINT ["python3", "/lambda_runtime.py"]
"""
_BOOTSTRAP = '#!/bin/sh\ncd /var/task\nPYTHONPATH=/opt/python exec python3 -m awslambdaric "$_HANDLER"\n'
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

    def client(self, service: str) -> Any:
        """Open a boto3 client of the account's owner that tries nothing twice."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=KEY,
            aws_secret_access_key=KEY,
            config=Config(connect_timeout=5, read_timeout=120, retries={"max_attempts": 0}),
        )

    def role(self) -> str:
        """Make a role that functions may take on and that may do nothing, and give its ARN."""
        made = self.client("iam").create_role(RoleName=f"role-{uuid.uuid4().hex[:12]}", AssumeRolePolicyDocument=TRUST)
        return str(made["Role"]["Arn"])


@contextlib.contextmanager
def serve(engine: Any, memory: str = "256m") -> Iterator[AwsServer]:
    """Run ministack in ``engine``; the functions' containers go with it."""
    _build(engine, IMAGE, {"Dockerfile": _MINISTACK})
    runtime = Path(__file__).with_name("lambda_runtime.py").read_text()
    _build(engine, RUNTIME_IMAGE, {"Dockerfile": _PYTHON, "bootstrap": _BOOTSTRAP, "lambda_runtime.py": runtime})
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
        container.stop(timeout=30)  # it removes the containers of functions
    finally:
        remove(engine, f"{LABEL}={name}")
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


def _build(engine: Any, tag: str, files: dict[str, str]) -> None:
    """Build an image; layers that the engine has are not made again."""
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text.encode()), 0o755
            archive.addfile(entry, io.BytesIO(text.encode()))
    context.seek(0)
    engine.images.build(fileobj=context, custom_context=True, tag=tag, rm=True, network_mode="host")
