"""Where the suite runs a plugin, and what of this machine it is given there."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dativo_dagster.storage.portable import portable
from tests.conformance import people
from tests.servers import provided
from tests.servers.aws import KEY, RUNTIME_IMAGE, AwsServer
from tests.servers.docker import LABEL

if TYPE_CHECKING:
    import pytest

    from dativo_ingest.testing.cases import Place
    from tests.servers.s3 import S3Server

HERE = ("local", "process")
WITH_FOLDERS = (*HERE, "docker")
"""Where a plugin can be given folders of this machine; a function reaches buckets and servers."""
EVERYWHERE = (*WITH_FOLDERS, "gcp_functions", "aws_lambda")
GROUPS = {"docker": "docker", "gcp_functions": "cloud_functions", "aws_lambda": "lambda"}
"""The `xdist_group` of the places that need a server."""


@dataclass(frozen=True)
class Bucket:
    """A folder of a bucket: its URI, how the host puts files there and finds them, and how the plugin reaches it.

    Attributes:
        files: Gives the files whose paths start as is told, with their content.
    """

    uri: str
    put: Callable[[str, bytes], Any]
    connection: dict[str, Any]
    files: Callable[[str], dict[str, bytes]] = lambda _: {}


@dataclass(frozen=True)
class Where:
    """A place, with what its options say of the servers of this session.

    Attributes:
        options: What goes under ``place`` beside the launcher.
        bucket: Where files of a source are; None where a plugin is given folders.
        target: Gives the bucket, of S3, for a writer that commits by itself; None where it is given folders.
        people: Serves the API of `people` where the plugin can reach it.
    """

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    bucket: Bucket | None = None
    target: Callable[[], Bucket] | None = None
    people: Callable[[], AbstractContextManager[str]] = people.here

    @property
    def connection(self) -> dict[str, Any]:
        """Give what goes under ``connection`` of a source that reads files."""
        return self.bucket.connection if self.bucket else {}

    @property
    def object_store(self) -> dict[str, str]:
        """Give the same as a library in Rust is told it."""
        return portable({"connection": self.connection})

    def url(self, path: str) -> str:
        """Name a file as the plugin finds it."""
        return f"{self.bucket.uri}{path}" if self.bucket else path

    def at(self, *folders: Path, network: bool = False) -> Place:
        """Give the place with what a subject needs: folders that it reads, or servers on loopback."""
        if self.name == "docker":
            given = {"mounts": [str(f) for f in folders], "network": "host" if network else "none"}
            return {"launcher": self.name, **given}
        return {"launcher": self.name, **self.options} if self.options else self.name


def where(name: str, request: pytest.FixtureRequest, *, native: bool = False) -> Where:
    """Start what a place needs; ``native`` says that its host is to be the one of libraries in Rust."""
    if name == "docker":
        request.getfixturevalue("base_images")
    if name == "gcp_functions":
        return _google(request)
    if name == "aws_lambda":
        return _amazon(request, native=native)
    return Where(name)


def _google(request: pytest.FixtureRequest) -> Where:
    cloud, gcs, folder = map(request.getfixturevalue, ("google", "gcs", "suite_folder"))
    uri, reach = f"gs://{gcs.bucket}/{folder}", {"endpoint": gcs.endpoint, "anonymous": True}
    options = {**cloud.options, "staging": f"{uri}/staging/", "staging_options": reach, "timeout_seconds": 60}
    bucket = Bucket(uri, lambda path, content: gcs.put(f"{folder}{path}", content), {"gcs": gcs.connection})
    return Where("gcp_functions", options, bucket, target=lambda: _s3(request.getfixturevalue("s3"), folder))


def _s3(server: S3Server, folder: str) -> Bucket:
    def files(path: str) -> dict[str, bytes]:
        return {key.removeprefix(folder): server.get(key) for key in server.keys(f"{folder}{path}")}

    connection = {"s3": server.connection}
    return Bucket(f"s3://{server.bucket}/{folder}", lambda p, c: server.put(f"{folder}{p}", c), connection, files)


def _amazon(request: pytest.FixtureRequest, *, native: bool) -> Where:
    aws, options, engine = map(request.getfixturevalue, ("aws", "aws_place", "base_images"))
    if native:
        _make_provided(engine)
        options = {**options, "runtime": "provided.al2023"}
    bucket = _bucket_of(aws, request.getfixturevalue("suite_folder"))
    network = aws.inner.removeprefix("http://").partition(":")[0]
    served = partial(people.beside, engine, RUNTIME_IMAGE, network, {LABEL: network})
    return Where("aws_lambda", options, bucket, target=lambda: bucket, people=served)


@functools.cache
def _bucket_of(aws: AwsServer, name: str) -> Bucket:
    """Make a bucket: functions see its server by another address."""
    client = aws.client("s3")
    client.create_bucket(Bucket=name)

    def put(path: str, content: bytes) -> None:
        client.put_object(Bucket=name, Key=path.lstrip("/"), Body=content)

    def files(path: str) -> dict[str, bytes]:
        found = [key for key in aws.keys(name) if key.startswith(path.lstrip("/"))]
        return {f"/{key}": client.get_object(Bucket=name, Key=key)["Body"].read() for key in found}

    keys = {"access_key_id": KEY, "secret_access_key": KEY}
    connection = {"s3": {"endpoint": aws.inner, "region": aws.region, **keys}}
    return Bucket(f"s3://{name}", put, connection, files)


@functools.cache
def _make_provided(engine: Any) -> None:
    provided.make_images(engine)
