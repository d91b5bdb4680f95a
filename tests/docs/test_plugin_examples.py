"""The examples with plugins under jobs/ do what their files say, against real servers and the real libraries."""

from __future__ import annotations

import gzip
import importlib.util
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest

from dativo_dagster.pipeline.assemble import open_table
from dativo_ingest.exceptions import AuthenticationError, RateLimitError, TransientError
from dativo_ingest.testing import Answer, http_server, pages, source_config
from tests.native import native_library

PLUGINS = Path(__file__).parents[2] / "jobs" / "plugins"
START = datetime(2026, 5, 1, tzinfo=timezone.utc)
USERS = [
    {"id": n, "name": f"user {n}", "email": f"u{n}@example.com", "updated_at": (START + timedelta(hours=n)).isoformat()}
    for n in range(7)
]


@pytest.fixture
def api(monkeypatch):
    """An API with two endpoints, a token, and pages of three."""
    routes = {"/": {"objects": ["users"]}, "/users": pages(USERS, 3)}
    with http_server(routes, token="t0ken") as server:
        monkeypatch.setenv("API_URL", server.url)
        monkeypatch.setenv("API_TOKEN", "t0ken")
        yield server


@pytest.fixture
def libraries(monkeypatch):
    """The libraries that a wheel ships, as they are in the sources now."""
    folder = {native_library(name).parent for name in ("csv_reader", "parquet_writer")}
    monkeypatch.setenv("DATIVO_NATIVE", str(folder.pop()))


def rows(job):
    return [row for batch in open_table(job, job.streams[0]).scan() for row in batch.to_pylist()]


def reader(base_url, **options):
    spec = importlib.util.spec_from_file_location("json_api_reader", PLUGINS / "json_api_reader.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.JSONAPIReader(
        source_config(
            type="custom",
            connection={"base_url": base_url},
            credentials={"token": "t0ken"},
            objects=["users"],
            engine={"options": options},
        )
    )


def test_all_pages_of_the_api_are_in_the_table(run, api):
    job, results = run("users.yaml")
    assert results["users"].counts.written == len(USERS)
    assert sorted(row["id"] for row in rows(job)) == list(range(7))
    assert {r.headers["authorization"] for r in api.requests} == {"Bearer t0ken"}


def test_the_next_run_asks_the_api_for_what_is_new(run, api):
    run("users.yaml")
    before = len(api.requests)
    api.routes["/users"] = lambda request: Answer(json={"data": USERS[5:], "next": None})
    run("users.yaml")
    assert api.requests[before].query["since"] == USERS[-1]["updated_at"]


def test_a_limit_of_the_api_is_waited_for(run, api):
    three = pages(USERS, 3)
    asked = []

    def limited(request):
        asked.append(request)
        return Answer(status=429, retry_after=0) if len(asked) == 2 else three(request)

    api.routes["/users"] = limited
    _, results = run("users.yaml")
    assert results["users"].counts.written == len(USERS)
    assert len(asked) == 4


@pytest.mark.parametrize(
    ("answer", "error", "code"),
    [
        (Answer(status=401), AuthenticationError, "AUTHENTICATION_FAILED"),
        (Answer(status=429, retry_after=3600), RateLimitError, "RATE_LIMIT_EXCEEDED"),
        (Answer(status=503), TransientError, "SERVER_ERROR"),
        (Answer(body=b'{"data": ['), TransientError, "BAD_PAGE"),
        (Answer(json={"data": []}, cut=3), TransientError, "BAD_PAGE"),
    ],
    ids=["no entry", "a long wait", "the server failed", "no JSON", "cut off"],
)
def test_each_trouble_of_an_api_has_its_error(answer, error, code):
    with http_server({"/users": answer}) as server, pytest.raises(error) as caught:
        list(reader(server.url).extract())
    assert caught.value.error_code == code


def test_the_api_is_checked_and_discovered(api):
    assert reader(api.url).check_connection().success
    assert [o["name"] for o in reader(api.url).discover().objects] == ["users"]
    api.token = "another"
    assert reader(api.url).check_connection().error_code == "AUTH_FAILED"
    api.stop()
    assert reader(api.url).check_connection().error_code == "CONNECTION_ERROR"
    api.__init__({}, None)  # stopped twice would be an error, and the fixture stops it
    api.start()


@pytest.mark.integration
def test_a_job_of_the_earlier_system_with_two_plugins_writes_json_lines_to_s3(run, api, s3, monkeypatch):
    for name, value in s3.env.items():
        monkeypatch.setenv(name, value)
    job, results = run("legacy_plugins.yaml")
    (result,) = results.values()
    assert (result.error, result.status, result.counts.written) == (None, "committed", len(USERS))
    folder = open_table(job, job.streams[0]).location().removeprefix(f"s3://{s3.bucket}/")
    (manifest,) = [key for key in s3.keys(f"{folder}/") if "/manifest-" in key]
    said = json.loads(s3.get(manifest))
    lines = [s3.get(manifest.rpartition("/")[0] + "/" + name).decode() for name in said["files"]]
    assert sorted(json.loads(line)["id"] for text in lines for line in text.splitlines()) == list(range(7))
    assert said["records"] == len(USERS)


@pytest.mark.rust
def test_arrow_from_python_is_written_by_rust(run, libraries):
    job, results = run("readings.yaml")
    assert results["readings"].counts.written == 500
    assert len(rows(job)) == 500
    file = next(iter(open_table(job, job.streams[0])._load().scan().plan_files()))
    footer = pq.read_metadata(file.file.file_path.removeprefix("file://"))
    assert "parquet-rs" in footer.created_by


@pytest.mark.rust
def test_the_cities_by_way_of_rust_are_the_cities(run, libraries):
    built_in, expected = run("world_cities.yaml")
    job, results = run("rust_cities.yaml")
    ours, theirs = results["rust_cities"], expected["world_cities"]
    assert ours.counts == theirs.counts
    assert {(v.rule, v.count) for v in ours.violations} == {(v.rule, v.count) for v in theirs.violations}
    by_id = {row["geoname_id"]: row for row in rows(built_in)}
    assert {row["geoname_id"]: row for row in rows(job)} == by_id
    _, again = run("rust_cities.yaml")
    assert again["rust_cities"].status == "nothing_new"


@pytest.mark.rust
def test_what_rust_reads_is_written_by_python(run, libraries):
    _, results = run("cities_to_json.yaml")
    (result,) = results.values()
    folder = Path(".dativo/files/cities_json")
    (manifest,) = folder.glob("manifest-*.json")
    said = json.loads(manifest.read_text())
    found = sum(len(gzip.decompress((folder / name).read_bytes()).splitlines()) for name in said["files"])
    assert (found, said["records"]) == (result.counts.written, result.counts.written)
    assert found > 1000


def test_files_of_the_json_writer_that_nobody_commits_are_removed(tmp_path):
    spec = importlib.util.spec_from_file_location("json_file_writer", PLUGINS / "json_file_writer.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = SimpleNamespace(engine={"options": {"format": "json"}}, connection=None)
    writer = module.JSONFileWriter(SimpleNamespace(name="a"), config, str(tmp_path))
    made = writer.write_batch([{"n": 1, "at": START, "raw": b"\x00"}], 0)
    assert json.loads(Path(made[0]["path"]).read_text()) == [{"n": 1, "at": START.isoformat(), "raw": "AA=="}]
    writer.abort_files(made)
    assert list(tmp_path.iterdir()) == []
