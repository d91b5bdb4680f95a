"""The servers as fixtures, one of each a session (and xdist worker), started when first asked for."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import gcs as gcs_server
from tests.servers import mariadb as mariadb_server
from tests.servers import postgres as postgres_server
from tests.servers import s3 as s3_server
from tests.servers.iceberg import IcebergCatalog


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


@pytest.fixture(scope="session")
def pg() -> Iterator[postgres_server.PostgresServer]:
    """PostgreSQL; ``pg.create_database()`` gives the URL of an empty database."""
    with postgres_server.serve() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[mariadb_server.MariaDbServer]:
    """MariaDB; ``mariadb.create_database()`` gives the name of an empty database."""
    with mariadb_server.serve() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres", "rest"])
def iceberg_catalog(
    request: pytest.FixtureRequest, s3: s3_server.S3Server, s3_prefix: str, tmp_path: Path
) -> IcebergCatalog:
    """Each kind of catalog in turn, with tables on S3. What a job needs of it is ``.catalog`` and ``.connection``."""
    if request.param == "rest":
        properties = {name: value for name, value in s3.iceberg_rest.items() if name not in s3.fileio}
    else:
        uri = f"sqlite:///{tmp_path}/catalog.db"
        if request.param == "postgres":
            uri = request.getfixturevalue("pg").create_database()
        properties = {"type": "sql", "uri": uri, "warehouse": f"s3://{s3.bucket}/{s3_prefix}/warehouse"}
    return IcebergCatalog(request.param, s3, properties, namespace=s3_prefix.replace("-", "_"))
