"""The place gcp_functions end to end: libraries, writers, many rows, an early end, and what dead hosts left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dativo_dagster.launchers.gcp_functions import Config, Launcher
from dativo_dagster.owner import host_label
from dativo_dagster.storage.portable import portable
from dativo_ingest.exceptions import ConfigurationError, DativoError, PluginError
from dativo_ingest.model import PluginRef, Stream, Unit
from dativo_ingest.opening import open_writer
from tests.fakes import placed
from tests.native import native_library
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.rust, pytest.mark.xdist_group("cloud_functions")]

PLUGINS = (
    placed.PLUGINS
    + """
from urllib.parse import quote
from urllib.request import Request, urlopen

class Large(BaseReader):
    def extract(self, state_manager=None):
        for number in range(24):
            yield pa.record_batch({"id": [number] * 4096, "text": [f"{number:03}" * 100] * 4096})

class Committing(Writer):
    commits = True
    def write(self, batches, base, name):
        table = pa.Table.from_batches(list(batches))
        out = pa.BufferOutputStream()
        pq.write_table(table, out)
        return [self.put(f"{base}_drafts/{name}.parquet", out.getvalue().to_pybytes(), table.num_rows)]
    def commit(self, token, files):
        for file in files:
            content = self.ask("GET", self.object(file.path) + "?alt=media")
            self.put(file.path.replace("_drafts/", ""), content, file.rows)
        self.abort(files)
        return {"token": token, "by": os.environ.get("K_SERVICE", "here")}
    def abort(self, files):
        for file in files:
            self.ask("DELETE", self.object(file.path))
    def put(self, path, content, rows):
        bucket, key = path.removeprefix("gs://").split("/", 1)
        self.ask("POST", f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={quote(key, safe='')}", content)
        return DataFile(path=path, rows=rows, bytes=len(content))
    def object(self, path):
        bucket, key = path.removeprefix("gs://").split("/", 1)
        return f"/storage/v1/b/{bucket}/o/{quote(key, safe='')}"
    def ask(self, method, path, content=None):
        with urlopen(Request(self.target.connection["gcs"]["endpoint"] + path, content, method=method)) as answer:
            return answer.read()
"""
)
HOST = """
import json, signal, sys
from google.auth.credentials import CredentialsWithRegionalAccessBoundary as Asking
from dativo_dagster.launchers.gcp_functions import Config, Launcher
from dativo_ingest.model import PluginRef, Stream, Unit

Asking._is_regional_access_boundary_lookup_required = lambda _: False
said = json.loads(sys.argv[1])
place, plugin = Launcher(Config.model_validate(said["place"])), PluginRef.from_json(said["plugin"])
with place.reader(plugin, said["config"]) as reader:
    reading = reader.read(Stream(name="lines"), Unit(id="all"))
    print(next(reading)["id"][0].as_py(), flush=True)
    signal.pause()
"""
STREAM = Stream(name="lines")


@pytest.fixture
def launcher(gcp_place):
    """Give launchers."""
    return lambda **changed: Launcher(Config.model_validate({**gcp_place, **changed}))


@pytest.fixture
def plugin(tmp_path):
    """Give a plugin of the file above by its class."""
    file = tmp_path / "plugins.py"
    file.write_text(PLUGINS)
    return lambda name: PluginRef(path=str(file), name=name)


def config(**changed):
    """Give a configuration of a reader."""
    common = {"tenant": "acme", "job": "orders", "base": os.fspath("."), "stream": STREAM.to_json()}
    return {**common, "source": {"type": "custom"}, **changed}


def writing(gcs, base, *, commits=False):
    """Give a configuration of a writer to the lake."""
    target = {"type": "custom", "connection": {"gcs": gcs.connection}}
    told = {"asset": {"name": "lines"}, "output_base": base, "commits": commits}
    return {**config(), "target": target, **told}


def test_a_library_in_rust_reads_a_bucket_from_a_function(launcher, gcs, gcs_prefix):
    file = gcs.put(f"{gcs_prefix}/in/a.csv", b"id,name\n" + b"".join(b"%d,n%d\n" % (n, n) for n in range(1000)))
    source = {"type": "csv", "files": [{"path": file}], "connection": {"gcs": gcs.connection}}
    opened = launcher().reader(
        PluginRef(path=str(native_library("csv_reader")), name="create_reader", kind="native"),
        config(source=source, object_store=portable(source)),
    )
    with opened as reader:
        window = reader.split(STREAM, None)
        table = pa.Table.from_batches([b for unit in window.units for b in reader.read(STREAM, unit)])
        assert reader.reached(window) == window.after
    assert table.num_rows == 1000
    assert table["name"].to_pylist()[-1] == "n999"
    assert gcs.keys(f"{gcs_prefix}/staging") == []


def test_many_rows_come_in_pieces_of_which_few_wait(launcher, plugin, cloud_functions, gcs, gcs_prefix):
    seen, most = [], 0
    cloud_functions.lines.clear()
    with launcher().reader(plugin("Large"), config()) as reader:
        (unit,) = reader.split(STREAM, None).units
        for batch in reader.read(STREAM, unit):
            seen.append((batch.num_rows, batch["id"][0].as_py()))
            most = max(most, len([key for key in gcs.keys(gcs_prefix) if key.endswith(".arrow")]))
    assert seen == [(4096, number) for number in range(24)]
    assert 1 <= most <= 3
    assert gcs.keys(gcs_prefix) == []
    assert cloud_functions.lines
    until(lambda: not any(cloud_functions.lines.values()), 15)  # the connections of the opening end with it


def test_a_read_that_is_cancelled_fails_at_once_and_the_plugin_ends(launcher, plugin, gcs, gcs_prefix):
    with launcher().reader(plugin("Hanging"), config()) as reader:
        reading = reader.read(STREAM, Unit(id="all"))
        process = next(reading)["id"][0].as_py()
        reader.cancel()
        with pytest.raises(PluginError) as raised:
            list(reading)
        assert raised.value.error_code == "CANCELLED"
        until(lambda: not Path(f"/proc/{process}").exists(), 15)
    assert gcs.keys(gcs_prefix) == []


def test_files_of_a_writer_are_brought_from_the_function_to_the_target(launcher, plugin, gcs, gcs_prefix):
    base = f"gs://{gcs.bucket}/{gcs_prefix}/lake/"
    batches = [pa.record_batch({"id": [number]}) for number in range(5)]
    with launcher().writer(plugin("Writer"), writing(gcs, base)) as writer:
        (file,) = writer.write(batches, base, "part-1")
        assert (file.path, file.rows) == (f"{base}part-1.parquet", 5)
        assert gcs.keys(f"{gcs_prefix}/lake") == [f"{gcs_prefix}/lake/part-1.parquet"]
        content = gcs.get(f"{gcs_prefix}/lake/part-1.parquet")
        assert file.bytes == len(content)
        assert pq.read_table(pa.BufferReader(content))["id"].to_pylist() == [0, 1, 2, 3, 4]
        writer.abort([file])
    assert gcs.keys(gcs_prefix) == []


def test_a_writer_that_commits_by_itself_needs_a_bucket(launcher, plugin, gcs, tmp_path):
    with (
        pytest.raises(ConfigurationError, match="give the target a bucket") as raised,
        launcher().writer(plugin("Committing"), writing(gcs, str(tmp_path), commits=True)),
    ):
        pass
    assert raised.value.error_code == "PLACE_UNSUPPORTED"


def test_a_writer_that_commits_by_itself_makes_the_table_that_it_makes_here(launcher, plugin, gcs, gcs_prefix):
    made, batches = [], [pa.record_batch({"id": [number]}) for number in range(5)]
    for name, opened in (("here", open_writer), ("there", launcher().writer)):
        base = f"gs://{gcs.bucket}/{gcs_prefix}/{name}/"
        with opened(plugin("Committing"), writing(gcs, base, commits=True)) as writer:
            files = writer.write(batches, base, "part-1")
            assert gcs.keys(f"{gcs_prefix}/{name}/part") == []
            said = writer.commit("t1", files)
        assert gcs.keys(f"{gcs_prefix}/{name}") == [f"{gcs_prefix}/{name}/part-1.parquet"]
        made.append(pq.read_table(pa.BufferReader(gcs.get(f"{gcs_prefix}/{name}/part-1.parquet"))))
    assert made[0].equals(made[1])
    assert (said["token"], said["by"].startswith("dativo-acme-")) == ("t1", True)
    assert gcs.keys(f"{gcs_prefix}/staging") == []


def test_no_two_tenants_share_a_function(launcher, plugin, cloud_functions):
    place = launcher()
    for tenant, there in (("acme", False), ("acme", True), ("umbrella", False)):
        assert place.is_made(plugin("Large"), config(tenant=tenant)) is there
        with place.reader(plugin("Large"), config(tenant=tenant)):
            pass
    assert not launcher(keep=False).is_made(plugin("Large"), config())
    labels = [function["labels"] for function in cloud_functions.functions.values()]
    assert sorted(label["dativo_tenant"] for label in labels) == ["acme", "umbrella"]
    assert len({label["dativo_hash"] for label in labels}) == 2


def test_a_function_of_one_opening_goes_also_where_it_could_not_be_built(
    launcher, plugin, cloud_functions, monkeypatch
):
    monkeypatch.setattr("dativo_dagster.launchers.gcp_functions.source._MAIN", b"import no_such_module")
    with (
        pytest.raises(ConfigurationError, match="no_such_module"),
        launcher(keep=False).reader(plugin("Large"), config()),
    ):
        pass
    assert cloud_functions.functions == {}


def test_one_that_cannot_be_removed_at_the_end_is_left_to_the_next_gc_and_the_rows_count(
    launcher, plugin, cloud_functions, caplog
):
    with launcher(keep=False).reader(plugin("Large"), config()) as reader:
        assert reader.check().passed
        cloud_functions.enabled = False
    (name,) = cloud_functions.functions
    assert f"{name.rpartition('/')[2]} is not kept, and could not be removed" in caplog.text


def test_a_killed_host_leaves_only_what_is_found_and_removed(launcher, plugin, cloud_functions, gcs, gcs_prefix):
    place, long_ago = launcher(keep=False), datetime.now(timezone.utc) - timedelta(days=1)
    asked = {"place": place.config.model_dump(), "plugin": plugin("Hanging").to_json(), "config": config()}
    with subprocess.Popen([sys.executable, "-c", HOST, json.dumps(asked)], stdout=subprocess.PIPE) as host:
        assert host.stdout is not None
        process = Path(f"/proc/{int(host.stdout.readline())}")
        assert place.leftovers(long_ago) == []
        host.kill()
    assert process.exists()
    left = place.leftovers(long_ago)
    assert sorted(found.kind for found in left) == ["function", "staged", "staged"]
    for found in left:
        place.remove(found)
    assert (cloud_functions.functions, gcs.keys(gcs_prefix)) == ({}, [])
    until(lambda: not process.exists(), 15)


def test_what_a_dead_host_left_is_found_and_removed_and_a_living_one_keeps_its_own(
    launcher, plugin, cloud_functions, gcs, gcs_prefix
):
    place, long_ago = launcher(keep=False), datetime.now(timezone.utc) - timedelta(days=1)
    with place.reader(plugin("Large"), config()):
        (name,) = cloud_functions.functions
        (claim,) = gcs.keys(gcs_prefix)
        assert place.leftovers(long_ago) == []
        machine = host_label().rsplit("/", 2)[0]
        dead = f"{machine}/{sys.maxsize}/1"  # no process has that number
        cloud_functions.functions[name]["description"] = f"{dead} {place.config.staging}"
        assert place.leftovers(datetime.now(timezone.utc)) == []  # somebody has it open
        gcs.put(claim, json.dumps({"tenant": "acme", "job": "orders", "host": dead, "function": name}).encode())
        left = place.leftovers(long_ago)
        assert [(found.kind, found.owner, found.why) for found in left] == [
            ("function", "acme/orders", "its host is gone"),
            ("staged", "acme/orders", "its host is gone"),
        ]
        for found in left:
            place.remove(found)
    assert (cloud_functions.functions, gcs.keys(gcs_prefix)) == ({}, [])


def test_a_staging_bucket_that_is_not_there_is_made_and_then_used(launcher, plugin, gcs):
    place = launcher(staging=None)
    assert place.leftovers(datetime.now(timezone.utc)) == []
    assert not place._bucket.exists()
    try:
        for _ in range(2):
            with launcher(staging=None).reader(plugin("Large"), config()) as reader:
                assert reader.check().passed
        assert place._bucket.exists()
        assert "items" not in json.loads(gcs.call("GET", f"/storage/v1/b/{place._bucket.name}/o"))
    finally:
        gcs.call("DELETE", f"/storage/v1/b/{place._bucket.name}")


def test_a_staging_bucket_that_the_job_names_must_be_there_before_anything_is_deployed(
    launcher, plugin, cloud_functions
):
    with (
        pytest.raises(DativoError, match="no-such-bucket"),
        launcher(staging="gs://no-such-bucket/x").reader(plugin("Large"), config()),
    ):
        pass
    assert cloud_functions.functions == {}
