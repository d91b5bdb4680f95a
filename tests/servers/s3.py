"""SeaweedFS: S3 with real signatures, real refusals and conditional writes, and an Iceberg REST catalog beside it."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from tests.servers.process import free_port, running

REGION = "us-east-1"
KEY, SECRET = "lake-admin", "lake-admin-secret"
READ_ONLY_KEY, READ_ONLY_SECRET = "lake-reader", "lake-reader-secret"


@dataclass(frozen=True)
class S3Server:
    """A running server. Tests share the bucket and keep to a prefix of their own (fixture ``s3_prefix``)."""

    endpoint: str
    iceberg_uri: str
    bucket: str = "lake"
    table_bucket: str = "warehouse"
    region: str = REGION
    access_key: str = KEY
    secret_key: str = SECRET
    read_only_access_key: str = READ_ONLY_KEY
    read_only_secret_key: str = READ_ONLY_SECRET

    @property
    def connection(self) -> dict[str, str]:
        """Give what goes under ``connection: {s3: …}`` of a job."""
        return {
            "endpoint": self.endpoint,
            "bucket": self.bucket,
            "region": self.region,
            "access_key_id": self.access_key,
            "secret_access_key": self.secret_key,
        }

    @property
    def env(self) -> dict[str, str]:
        """Give the variables that job files and clients read."""
        return {
            "S3_ENDPOINT": self.endpoint,
            "S3_BUCKET": self.bucket,
            "S3_REGION": self.region,
            "AWS_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
        }

    @property
    def fileio(self) -> dict[str, str]:
        """Give pyiceberg's properties of the object store."""
        return {
            "s3.endpoint": self.endpoint,
            "s3.access-key-id": self.access_key,
            "s3.secret-access-key": self.secret_key,
            "s3.region": self.region,
        }

    @property
    def iceberg_rest(self) -> dict[str, str]:
        """Give pyiceberg's properties of the REST catalog, those of the object store included."""
        return {
            "type": "rest",
            "uri": self.iceberg_uri,
            "warehouse": f"s3://{self.table_bucket}/",
            "credential": f"{self.access_key}:{self.secret_key}",
            "oauth2-server-uri": f"{self.iceberg_uri}/v1/oauth/tokens",
            **self.fileio,
        }

    def client(self, service: str = "s3", *, read_only: bool = False) -> Any:
        """Open a boto3 client."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=self.read_only_access_key if read_only else self.access_key,
            aws_secret_access_key=self.read_only_secret_key if read_only else self.secret_key,
            config=Config(connect_timeout=5, read_timeout=30, retries={"max_attempts": 0}),
        )

    def put(self, key: str, body: bytes) -> str:
        """Write one object and give its URL."""
        self.client().put_object(Bucket=self.bucket, Key=key, Body=body)
        return f"s3://{self.bucket}/{key}"

    def get(self, key: str) -> bytes:
        """Read one object."""
        return bytes(self.client().get_object(Bucket=self.bucket, Key=key)["Body"].read())

    def keys(self, prefix: str = "") -> list[str]:
        """List the keys below a prefix."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[S3Server]:
    """Run SeaweedFS in ``folder``, which must be new: ``weed mini`` obeys options it finds there from last time."""
    api, iceberg = free_port(), free_port()
    server = S3Server(endpoint=f"http://127.0.0.1:{api}", iceberg_uri=f"http://127.0.0.1:{iceberg}")
    (folder / "s3.json").write_text(json.dumps({"identities": _identities(server)}))
    (folder / "data").mkdir()
    with running(
        _command(folder, server, api, iceberg),
        folder / "weed.log",
        ready=lambda: _has_buckets(server),
        env={"GOMEMLIMIT": "768MiB"},
        cwd=folder,
    ):
        yield server


def _identities(server: S3Server) -> list[dict[str, Any]]:
    return [
        {
            "name": "admin",
            "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        },
        {
            "name": "reader",
            "credentials": [{"accessKey": READ_ONLY_KEY, "secretKey": READ_ONLY_SECRET}],
            "actions": [f"Read:{server.bucket}", f"List:{server.bucket}"],
        },
    ]


def _command(folder: Path, server: S3Server, api: int, iceberg: int) -> list[str]:
    """Everything that ``mini`` would bind to all addresses, send home or put into the temporary folder is set."""
    options = {
        "dir": folder / "data",
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "bucket": server.bucket,
        "tableBucket": server.table_bucket,
        "master.telemetry": "false",
        "master.volumeSizeLimitMB": 64,
        "admin.ui": "false",
        "webdav": "false",
        "s3.port": api,
        "s3.port.grpc": free_port(),
        "s3.port.iceberg": iceberg,
        "s3.port.lance": 0,
        "s3.config": folder / "s3.json",
        "s3.autoCreateBucket": "false",
        "s3.externalUrl": server.endpoint,
        "s3.localSocket": folder / "s3.sock",
        "filer.localSocket": folder / "filer.sock",
        **{f"{part}.port": free_port() for part in ("master", "volume", "filer", "admin")},
    }
    weed = str(Path(sys.executable).with_name("weed"))
    return [weed, f"-logdir={folder}", "mini", *(f"-{name}={value}" for name, value in options.items())]


def _has_buckets(server: S3Server) -> bool:
    """The port answers before the buckets exist, so ask for them."""
    buckets = {b["Name"] for b in server.client().list_buckets()["Buckets"]}
    tables = {b["name"] for b in server.client("s3tables").list_table_buckets()["tableBuckets"]}
    return server.bucket in buckets and server.table_bucket in tables
