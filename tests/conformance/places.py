"""Where the suite runs a plugin, and what of this machine it is given there."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dativo_dagster.storage.portable import portable
from tests.servers import provided
from tests.servers.aws import KEY, AwsServer

if TYPE_CHECKING:
    import pytest

    from dativo_ingest.protocols import Reader
    from dativo_ingest.testing.cases import OpenReader, Place

HERE = ("local", "process")
WITH_FOLDERS = (*HERE, "docker")
"""Where a plugin can be given folders of this machine; a function reaches buckets and servers."""
EVERYWHERE = (*WITH_FOLDERS, "gcp_functions")
ALSO_AT_AWS = (*EVERYWHERE, "aws_lambda")
"""Its functions are in a network of their own: they see their bucket, and no server of this machine."""
GROUPS = {"docker": "docker", "gcp_functions": "cloud_functions", "aws_lambda": "lambda"}
"""The `xdist_group` of the places that need a server."""


@dataclass(frozen=True)
class Bucket:
    """A folder of a bucket for files of a source: its URI, how the host puts a file there and the plugin reaches it."""

    uri: str
    put: Callable[[str, bytes], Any]
    connection: dict[str, Any]


@dataclass(frozen=True)
class Where:
    """A place, with what its options say of the servers of this session.

    Attributes:
        options: What goes under ``place`` beside the launcher.
        bucket: Where files of a source are; None where a plugin is given folders.
    """

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    bucket: Bucket | None = None

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
    """Start what a place needs; ``native`` says that it is for a library in Rust."""
    folder = request.getfixturevalue("suite_folder")
    if name == "docker":
        request.getfixturevalue("base_images")
    if name == "gcp_functions":
        return _google(request.getfixturevalue("google"), request.getfixturevalue("gcs"), folder)
    if name == "aws_lambda":
        options = request.getfixturevalue("aws_place")
        if native:
            _make_provided(request.getfixturevalue("base_images"))
            options = {**options, "runtime": "provided.al2023"}
        return Where(name, options, _bucket_of(request.getfixturevalue("aws"), folder))
    return Where(name)


def _google(cloud: Any, gcs: Any, folder: str) -> Where:
    uri, reach = f"gs://{gcs.bucket}/{folder}", {"endpoint": gcs.endpoint, "anonymous": True}
    options = {**cloud.options, "staging": f"{uri}/staging/", "staging_options": reach, "timeout_seconds": 60}
    bucket = Bucket(uri, lambda path, content: gcs.put(f"{folder}{path}", content), {"gcs": gcs.connection})
    return Where("gcp_functions", options, bucket)


@functools.cache
def _bucket_of(aws: AwsServer, name: str) -> Bucket:
    """Make a bucket: functions see its server by another address."""
    client = aws.client("s3")
    client.create_bucket(Bucket=name)

    def put(path: str, content: bytes) -> None:
        client.put_object(Bucket=name, Key=path.lstrip("/"), Body=content)

    keys = {"access_key_id": KEY, "secret_access_key": KEY}
    return Bucket(f"s3://{name}", put, {"s3": {"endpoint": aws.inner, "region": aws.region, **keys}})


@functools.cache
def _make_provided(engine: Any) -> None:
    provided.make_images(engine)


class Kept:
    """One opened reader for all checks that do not look at openings: a container costs half a second.

    Attributes:
        fresh: Whether the next check gets readers of its own.
    """

    def __init__(self, open_reader: OpenReader) -> None:
        self.open_reader, self.fresh = open_reader, False
        self._opened: Any = None
        self._reader: Reader | None = None

    @contextmanager
    def opened(self) -> Iterator[Reader]:
        """Give the reader; one that a check failed with is not used again."""
        if self.fresh:
            with self.open_reader() as own:
                yield own
            return
        if self._reader is None:
            self._opened = self.open_reader()
            self._reader = self._opened.__enter__()
        try:
            yield self._reader
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the reader."""
        opened, self._opened, self._reader = self._opened, None, None
        if opened is not None:
            opened.__exit__(None, None, None)
