"""A commit of which nobody knows whether it landed, and a real REST catalog behind a proxy that makes it so."""

from __future__ import annotations

import json
import uuid
from itertools import product

import pytest
import requests

from dativo_dagster.config.load import load_job
from dativo_dagster.pipeline.jobs import run_job
from tests.reliability import oracle
from tests.reliability.deliveries import MODES, Desk, Target
from tests.reliability.extent import FULL
from tests.servers import iceberg_proxy
from tests.servers.iceberg_proxy import FAULTS

pytestmark = pytest.mark.integration

SOME = [
    *(("append", (fault,)) for fault in FAULTS),
    ("append", ("late", "lost")),
    ("append", ("conflict",) * 3),
    ("overwrite", ("cut", "stale")),
    ("merge", ("lost",)),
    ("merge", ("stale", "late")),
    ("scd2", ("cut",)),
]
ALL = [(mode, faults) for mode in MODES for faults in [*((f,) for f in FAULTS), *product(FAULTS, FAULTS)]]


@pytest.fixture(scope="module")
def proxy(s3):
    with iceberg_proxy.serve(s3.iceberg_uri) as running:
        yield running


@pytest.fixture
def lake(s3, proxy, tmp_path):
    """Give a target whose commits go through the proxy, and whose rows are read behind it."""
    catalog = {name: value for name, value in s3.iceberg_rest.items() if name not in s3.fileio}
    options = {"catalog": {**catalog, "uri": proxy.uri}, "connection": {"s3": s3.connection}}

    def fetch(uri):
        bucket, _, key = uri.partition("://")[2].partition("/")
        found = tmp_path / "fetched" / key
        found.parent.mkdir(parents=True, exist_ok=True)
        found.write_bytes(s3.client().get_object(Bucket=bucket, Key=key)["Body"].read())
        return found

    def lying(desk):
        namespace, _, name = desk.table.partition(".")
        asked = {"grant_type": "client_credentials", "client_id": s3.access_key, "client_secret": s3.secret_key}
        with requests.Session() as session:
            token = session.post(f"{s3.iceberg_uri}/v1/oauth/tokens", data=asked, timeout=30).json()["access_token"]
            session.headers["Authorization"] = f"Bearer {token}"
            config = session.get(f"{s3.iceberg_uri}/v1/config", params={"warehouse": catalog["warehouse"]}, timeout=30)
            prefix = {**config.json()["defaults"], **config.json()["overrides"]}.get("prefix", "")
            place = "/".join(filter(None, (s3.iceberg_uri, "v1", prefix, "namespaces", namespace, "tables", name)))
            metadata = session.get(place, timeout=30).json()["metadata"]
        return oracle.by_metadata(metadata, desk.mode.columns, fetch)

    return Target("iceberg", "".join(f", {key}: {json.dumps(value)}" for key, value in options.items()), lying)


@pytest.mark.parametrize(("mode", "faults"), ALL if FULL else SOME)
def test_a_commit_lands_once_whatever_the_network_makes_of_it(mode, faults, lake, proxy, tmp_path):
    desk = Desk(tmp_path, MODES[mode], lake, table=f"n{uuid.uuid4().hex[:12]}.things")
    desk.lay_out()
    for version, rows in ((1, desk.mode.before), (2, desk.mode.after)):
        desk.deliver(version)
        proxy.faults.extend(faults)
        (result,) = run_job(load_job(tmp_path / "job.yaml")).streams
        assert result.status == "committed", result.error
        assert len(proxy.faults) < len(faults), "no fault was met"
        proxy.faults.clear()
        lying = desk.lying()
        assert lying.rows == rows
        assert len(lying.tokens) == len(set(lying.tokens)) == version
    assert proxy.held == []
