"""The servers as fixtures, one of each a session (and xdist worker), started when first asked for."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.servers import gcs as gcs_server
from tests.servers import s3 as s3_server


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3_server.S3Server]:
    """Real S3 (SeaweedFS) with bucket ``lake`` and an Iceberg REST catalog."""
    with s3_server.serve(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def s3_prefix() -> str:
    """A prefix in the bucket that no other test uses; without a slash at the end."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def gcs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[gcs_server.GcsServer]:
    """Google Cloud Storage (fake-gcs-server) with bucket ``lake``."""
    with gcs_server.serve(tmp_path_factory.mktemp("gcs")) as server:
        yield server


@pytest.fixture
def gcs_prefix() -> str:
    """A prefix in the bucket that no other test uses; without a slash at the end."""
    return f"test-{uuid.uuid4().hex[:12]}"
