"""Steps that Dagster runs again: what one attempt finished, the next one does not read."""

from __future__ import annotations

import dagster as dg
import pytest

NAME, KEY = "ingest__acme__orders", "acme__sales__orders"
ONCE = """\
from pathlib import Path

import pyarrow as pa

from dativo_ingest import TransientError
from dativo_ingest.model import CheckResult, Cursor, Stream, Unit, Window

LOG = Path(__file__).with_name("read.log")


class ApiReader:
    repeatable = {repeatable}

    def __init__(self, source_config):
        pass

    def check(self):
        return CheckResult(name="connection", passed=True)

    def discover(self):
        return [Stream(name="orders")]

    def split(self, stream, since):
        cursor = Cursor(value={{"all": 3}})
        units = () if since == cursor else tuple(Unit(id=name) for name in "abc")
        return Window(units=units, fingerprint="abc", before=since, after=cursor)

    def read(self, stream, unit):
        read = LOG.read_text() if LOG.exists() else ""
        LOG.write_text(read + unit.id)
        yield pa.RecordBatch.from_pydict({{"id": [ord(unit.id)], "email": [unit.id], "amount": ["1.00"]}})
        if unit.id == "b" and "b" not in read:
            raise TransientError("the source went away")

    def position(self, unit):
        return 0

    def reached(self, window):
        return window.after
"""
MORE = "parallelism: 1\nretry: {max_retries: 2, initial_delay_seconds: 0.01}"


@pytest.mark.parametrize(
    ("job", "place", "repeatable", "read"),
    [
        ("job", "process", True, "abbc"),
        ("job_in_processes", "local", True, "abbc"),
        ("job", "process", False, "ababc"),
    ],
)
def test_a_retried_step_reads_each_finished_unit_once_where_the_reader_promises_it(
    folder, write_plugin_job, tmp_path, job, place, repeatable, read
):
    write_plugin_job(code=ONCE.format(repeatable=repeatable), more=MORE, source=f", place: {place}")
    (tmp_path / "instance").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "instance")) as instance:
        result = dg.execute_job(
            dg.build_reconstructable_job("tests.fakes.rebuilt", job, (str(folder), NAME), {}),
            instance=instance,
        )
        assert result.success
        [landed] = result.asset_materializations_for_node(f"{KEY}.commit")
    assert (folder / "plugins" / "read.log").read_text() == read
    assert landed.metadata["rows_written"].value == 3
    assert [p for p in (tmp_path / "lake").rglob("*.json") if "units" in p.parts] == []
    assert len(list((tmp_path / "lake").rglob("*/data/*.parquet"))) == 3, "one for each unit, none is left over"
