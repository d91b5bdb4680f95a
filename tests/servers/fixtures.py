"""The servers as fixtures, one of each a session (and xdist worker), started when first asked for."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers import aws as aws_server
from tests.servers import cloud_functions as cloud_functions_server
from tests.servers import docker as docker_server
from tests.servers import gcs as gcs_server
from tests.servers import mariadb as mariadb_server
from tests.servers import postgres as postgres_server
from tests.servers import s3 as s3_server
from tests.servers.iceberg import IcebergCatalog

_FIRST_BUILD_SECONDS = 900


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test in an engine the time in which the first one of a new machine builds all images."""
    for item in items:
        if item.get_closest_marker("docker"):
            item.add_marker(pytest.mark.timeout(_FIRST_BUILD_SECONDS))


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
def _cloud_functions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cloud_functions_server.CloudFunctions]:
    with cloud_functions_server.serve(tmp_path_factory.mktemp("functions")) as server:
        yield server


@pytest.fixture
def google(
    _cloud_functions: cloud_functions_server.CloudFunctions, monkeypatch: pytest.MonkeyPatch
) -> cloud_functions_server.CloudFunctions:
    """Google Cloud Functions as other tests left it; the process has the credentials of an account that may all."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(_cloud_functions.key_file))
    # The client asks one of Google's servers beside the one it was told of; nothing of a test leaves this machine.
    credentials = "google.auth.credentials.CredentialsWithRegionalAccessBoundary"
    monkeypatch.setattr(f"{credentials}._is_regional_access_boundary_lookup_required", lambda _: False)
    return _cloud_functions


@pytest.fixture
def cloud_functions(
    google: cloud_functions_server.CloudFunctions,
) -> Iterator[cloud_functions_server.CloudFunctions]:
    """Google Cloud Functions without any function, and the credentials."""
    google.reset()  # others may have left some
    yield google
    google.reset()


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


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[docker_server.Client]:
    """A client of the Docker engine, which is started where none runs."""
    with docker_server.engine() as client:
        yield client


@pytest.fixture(scope="session")
def base_images(docker_engine: docker_server.Client) -> docker_server.Client:
    """The engine with the images that ours are built from, made where they cannot be pulled."""
    docker_server.make_base_images()
    return docker_engine


@pytest.fixture(scope="session")
def docker_label(docker_engine: docker_server.Client) -> Iterator[dict[str, str]]:
    """The label for what a test makes in the engine by itself; containers that carry it are removed at the end."""
    session = uuid.uuid4().hex[:12]
    yield {docker_server.LABEL: session}
    docker_server.remove(docker_engine, label=f"{docker_server.LABEL}={session}")


@pytest.fixture(scope="session")
def aws(base_images: docker_server.Client) -> Iterator[aws_server.AwsServer]:
    """AWS with functions in containers; tests that use it have the ``xdist_group`` "lambda"."""
    with aws_server.serve(base_images) as server:
        yield server


@pytest.fixture
def aws_place(aws: aws_server.AwsServer, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Options of the place ``aws_lambda`` there; the process has the credentials of the account's owner."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", aws_server.KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", aws_server.KEY)
    return aws.place


@pytest.fixture
def gcp_place(
    cloud_functions: cloud_functions_server.CloudFunctions, gcs: gcs_server.GcsServer, gcs_prefix: str
) -> dict[str, Any]:
    """Options of the place ``gcp_functions`` there, with a staging folder of this test."""
    reach = {"endpoint": gcs.endpoint, "anonymous": True}
    return {**cloud_functions.options, "staging": f"gs://{gcs.bucket}/{gcs_prefix}/staging", "staging_options": reach}


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
