"""The account of AWS that a place uses: its clients, and the bucket for rows on their way."""

from __future__ import annotations

import contextlib
import hashlib
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dativo_dagster.functions.claims import claims
from dativo_dagster.functions.cloud import KEPT_ALIVE
from dativo_dagster.functions.staging import Staging
from dativo_dagster.launchers.aws_lambda.refusals import refusals
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from dativo_dagster.launchers.aws_lambda.config import Config

_READ_SECONDS = 910
"""Longer than the longest invocation: an answer must not get lost because its host hung up."""
_AT_ONCE = 64
_TENANTS = "tenants"
_TAG_CHARACTERS = 256


class Account:
    """What the credentials of this machine reach, as boto3 finds them."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._clients: dict[str, Any] = {}

    @cached_property
    def region(self) -> str:
        """Name the region of functions and bucket."""
        found = self.config.region or self._session.region_name
        if found is None:
            message = "no region of AWS is known; give the place a `region`, or set AWS_REGION"
            raise ConfigurationError(message, "FUNCTION_REFUSED")
        return str(found)

    @cached_property
    def id(self) -> str:
        """Tell the number of the account."""
        with refusals("the identity of the account"):
            return str(self.client("sts").get_caller_identity()["Account"])

    @property
    def partition(self) -> str:
        """Name the part of AWS that the region is of, as ARNs begin with it: ``aws``, ``aws-cn``, ``aws-us-gov``."""
        return str(self.client("sts").meta.partition)

    def client(self, service: str) -> Any:
        """Give a client that asks again where AWS says so; each is opened once, and any thread may use it."""
        if service not in self._clients:
            self._clients[service] = self._open(service)
        return self._clients[service]

    def invoker(self) -> Any:
        """Open a client for invocations: it waits for the longest, and tries nothing twice."""
        from botocore.config import Config as Settings

        client = self._open(
            "lambda",
            Settings(
                connect_timeout=10,
                read_timeout=_READ_SECONDS,
                retries={"max_attempts": 0},
                max_pool_connections=_AT_ONCE,
            ),
        )
        # botocore's own `tcp_keepalive` leaves the times to the system: two hours, where a NAT gateway waits 350 s.
        client._endpoint.http_session._socket_options[:] = KEPT_ALIVE  # noqa: SLF001 - there is no setting for it
        return client

    @cached_property
    def root(self) -> str:
        """Give the URL of the staging folder of all tenants; our own bucket is made when it is not there."""
        if not self.config.staging:
            with refusals(f"bucket {self._own_bucket}"):
                self._make(self._own_bucket)
        return self.root_url

    @property
    def root_url(self) -> str:
        """Give the same URL; nothing is made."""
        return f"{(self.config.staging or f's3://{self._own_bucket}').rstrip('/')}/{_TENANTS}"

    @property
    def root_tag(self) -> str:
        """Give it as a value of tags; one that cannot be written whole names no folder, so that none is mistaken."""
        held = tag(self.root_url)
        return held if held == self.root_url else hashlib.sha256(self.root_url.encode()).hexdigest()

    def staging(self, tenant: str) -> Staging:
        """Give the staging folder of a tenant."""
        return self.staging_at(f"{self.root}/{tenant_key(tenant)}")

    def staging_url(self, tenant: str) -> str:
        """Give the URL of the staging folder of a tenant; nothing is made."""
        return f"{self.root_url}/{tenant_key(tenant)}"

    def stagings(self, root: str = "") -> list[Staging]:
        """List the staging folders that are there, below our root or another; nothing is made."""
        at = urlsplit(root or self.root_url)
        bucket, prefix = at.netloc, f"{at.path.lstrip('/')}/"
        client = self.client("s3")
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
        with refusals(f"bucket {bucket}"), contextlib.suppress(client.exceptions.NoSuchBucket):
            return [
                self.staging_at(f"s3://{bucket}/{found['Prefix'].rstrip('/')}")
                for page in pages
                for found in page.get("CommonPrefixes", ())
            ]
        return []

    def claims(self, root: str = "") -> dict[str, str]:
        """Give the functions that somebody has open, and their tenants, as the folders below a root tell."""
        return dict(claim for staging in self.stagings(root) for claim in claims(staging))

    def staging_at(self, url: str) -> Staging:
        """Give the staging folder at a URL."""
        place = {"region": self.region, **_endpoint(self.config.endpoint_url)}
        inner = self.config.function_endpoint_url or self.config.endpoint_url
        # Without keys: the host has those of its machine, and the function those of its role.
        return Staging(url=url, connection={"s3": place}, options={"region": self.region, **_endpoint(inner)})

    @cached_property
    def _own_bucket(self) -> str:
        return f"dativo-staging-{self.id}-{self.region}"

    def _make(self, bucket: str) -> None:
        client = self.client("s3")
        if _has(client, bucket, self.id):
            return
        # us-east-1 is the one region that must not be named.
        where = {} if self.region == "us-east-1" else {"LocationConstraint": self.region}
        with contextlib.suppress(client.exceptions.BucketAlreadyOwnedByYou):
            client.create_bucket(Bucket=bucket, **({"CreateBucketConfiguration": where} if where else {}))
        shut = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
        client.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=dict.fromkeys(shut, True))
        rule = {
            "ID": "dativo",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "Expiration": {"Days": 1},
            # Parts of a file whose function was ended are in no listing, and would be paid for for ever.
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
        }
        client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})

    @cached_property
    def _session(self) -> Any:
        import boto3

        return boto3.session.Session()

    def _open(self, service: str, settings: Any = None) -> Any:
        return self._session.client(
            service, region_name=self.region, endpoint_url=self.config.endpoint_url, config=settings
        )


def plain(text: str) -> str:
    """Give text as names of AWS may hold it."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-") or "x"


def tag(text: str) -> str:
    """Give text as values of tags may hold it."""
    return re.sub(r"[^\w .:/=+@-]", "_", text)[:_TAG_CHARACTERS]


def tenant_key(tenant: str) -> str:
    """Name a tenant in names of AWS; no two tenants share one."""
    return f"{plain(tenant)[:20]}-{hashlib.sha256(tenant.encode()).hexdigest()[:8]}"


def _endpoint(url: str | None) -> dict[str, str]:
    return {"endpoint": url} if url else {}


def _has(client: Any, bucket: str, owner: str) -> bool:
    """Look for the bucket; one of that name in another account is refused."""
    from botocore.exceptions import ClientError

    try:
        client.head_bucket(Bucket=bucket, ExpectedBucketOwner=owner)
    except ClientError as error:
        if error.response["Error"]["Code"] != "404":
            raise
        return False
    return True
