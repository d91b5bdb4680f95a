"""What a child process says is heard, with where it comes from and without secrets; what it sees of its host."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dativo_dagster.owner import running
from dativo_ingest.exceptions import DativoError, PluginError, SandboxError
from tests.fakes.children import LIMITS, READER, SECRET, STREAM, UNIT, opened, read_all, workers

pytestmark = pytest.mark.usefixtures("no_child_left")


@pytest.fixture
def heard(caplog):
    caplog.set_level(logging.INFO, "dativo_ingest.plugin")
    return caplog


def test_what_a_plugin_prints_logs_and_warns_is_logged_with_where_it_comes_from(heard):
    with opened(say="hello") as reader:
        reader.check()
    records = {record.message.splitlines()[0]: record for record in heard.records}
    assert records["hello"].levelno == logging.INFO
    assert records["hello"].fields == {"plugin": str(READER), "verb": "check"}
    assert records["logged hello"].fields["logger"] == "shop"
    assert records["logged hello"].levelno == logging.WARNING
    assert any("UserWarning: deprecated thing" in message for message in records)
    assert "not of interest" not in records


def test_every_line_says_for_which_try_of_which_run_whatever_thread_asks(heard):
    with running("run-7", 2), opened(fault="endless", say="hello") as reader, ThreadPoolExecutor() as threads:
        rows = reader.read(STREAM, UNIT)
        next(rows)
        threads.submit(reader.check).result(60)  # in a child of its own, while the first one is busy
        rows.close()
    said = [record.fields for record in heard.records if record.name == "dativo_ingest.plugin"]
    assert {(fields["run"], fields["attempt"]) for fields in said} == {("run-7", 2)}


def test_a_chatty_plugin_is_cut_short_in_the_log_and_not_in_the_count(heard):
    with opened(fault="print") as reader, pytest.raises(SandboxError):
        read_all(reader)
    assert 50 <= len(heard.records) <= 2000


def test_an_error_repeats_the_start_of_a_long_line_and_its_details_have_the_line(heard):
    with opened(fault="long line") as reader, pytest.raises(PluginError) as raised:
        read_all(reader)
    [line] = raised.value.details["output"]
    assert line == "x" * 3000
    assert len(raised.value.message) < 500


def test_no_secret_is_in_an_error_or_in_the_log(heard):
    with opened(fault="secret") as reader, pytest.raises(DativoError) as raised:
        read_all(reader)
    told = str(raised.value.to_dict()) + str(raised.value) + str(raised.value.args) + heard.text
    assert "connecting with ***" in told
    assert "refused: ***" in told
    assert SECRET not in told


def test_no_secret_is_on_the_command_line_or_in_the_environment_of_a_child():
    with opened():
        (pid,) = workers()
        shown = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
    assert SECRET.encode() not in shown


def test_variables_of_the_place_are_set_in_the_child():
    with opened(LIMITS.model_copy(update={"environment": {"DATIVO_CANARY": "yes"}})):
        (pid,) = workers()
        assert b"DATIVO_CANARY=yes" in Path(f"/proc/{pid}/environ").read_bytes()


def test_a_child_inherits_no_file_of_its_host(tmp_path):
    with (tmp_path / "open").open("w"), opened():
        (pid,) = workers()
        links = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]
    assert str(tmp_path / "open") not in links


def test_a_module_in_the_working_directory_does_not_stand_in_for_one_of_the_workers(tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise RuntimeError('the wrong json')")
    monkeypatch.chdir(tmp_path)
    with opened() as reader:
        assert reader.check().code == "SHOP_CLOSED"
