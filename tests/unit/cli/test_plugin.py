"""`dativo plugin`: what is made works at once, what is tested is told, what is looked at says what it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from dativo_dagster.cli import main
from tests.native import native_library, target_dir

ROOT = Path(__file__).parents[3]
TEST = ("plugin", "test", "--seconds", "250")  # a check may take long on a busy machine
READER = """
from dativo_ingest import BaseReader, ConnectionTestResult

class Numbers(BaseReader):
    __version__ = "2.1.0"
    requires_sdk = ">=1.0"

    def check_connection(self):
        if (self.source_config.credentials or {}).get("key") == "wr0ng":
            return ConnectionTestResult(False, "the key is refused", "AUTH_FAILED")
        return ConnectionTestResult(True, "fine")

    def extract(self, state_manager=None):
        yield [{"id": i} for i in range(self.source_config.get("count") or 10)]

class Other:
    pass
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def reader(here):
    """A file with a reader in the working directory."""
    (here / "numbers_reader.py").write_text(READER)
    return "numbers_reader.py"


def _pytest(folder):
    """Run the tests of a folder as its author would; a skip says its reason there and is none of ours."""
    command = [sys.executable, "-W", "error", "-m", "pytest", "-q"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CI": "", "CARGO_TARGET_DIR": str(target_dir())}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


def _cargo(folder, *words):
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target_dir())}
    done = subprocess.run(["cargo", *words], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", ["reader", "writer"])
def test_a_new_plugin_in_python_passes_its_tests_and_runs(kind, here, monkeypatch, capsys):
    assert main(["plugin", "new", "python", "My Orders", "--kind", kind]) == 0
    assert f"wrote my_orders/my_orders_{kind}.py" in capsys.readouterr().out
    _pytest(here / "my_orders")
    monkeypatch.chdir(here / "my_orders")
    assert main(["run", "my_orders.yaml"]) == 0
    assert "12" in capsys.readouterr().out


@pytest.mark.rust
@pytest.mark.timeout(1200)  # arrow may have to be compiled first
@pytest.mark.parametrize("kind", ["reader", "writer"])
def test_a_new_plugin_in_rust_builds_passes_its_tests_and_runs(kind, here, monkeypatch, capsys):
    name = f"skeleton_{kind}s"
    assert main(["plugin", "new", "rust", name, "--kind", kind]) == 0
    told = capsys.readouterr()
    assert "cargo build --release" in told.out
    assert "not published yet" in told.err
    _cargo(here / name, "test", "--release", "--quiet")
    _cargo(here / name, "build", "--release", "--quiet")
    _cargo(here / name, "fmt", "--check")
    _pytest(here / name)
    monkeypatch.chdir(here / name)
    monkeypatch.setenv("CARGO_TARGET_DIR", str(target_dir()))
    assert main(["run", f"{name}.yaml"]) == 0
    assert "12" in capsys.readouterr().out


def test_a_new_plugin_overwrites_nothing(here, capsys):
    (here / "orders").mkdir()
    (here / "orders" / "notes.txt").write_text("mine")
    assert main(["plugin", "new", "python", "orders"]) == 2
    assert "FILE_EXISTS" in capsys.readouterr().err
    assert [p.name for p in (here / "orders").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("name", ["1st", "class", "!"])
def test_a_name_that_cannot_be_one_is_refused(name, here, capsys):
    assert main(["plugin", "new", "python", name]) == 2
    assert "BAD_OPTION" in capsys.readouterr().err


def test_a_plugin_in_rust_needs_the_crate_and_says_where_it_comes_from(here, capsys):
    assert main(["plugin", "new", "rust", "orders", "--sdk", str(here)]) == 2
    said = capsys.readouterr().err
    assert "SDK_NOT_FOUND" in said
    assert "not published yet" in said
    assert not (here / "orders").exists()


def test_a_plugin_is_tested_with_options_alone(reader, capsys):
    broken = "credentials.key=wr0ng"
    assert main([*TEST, reader, "--rows", "10", "--broken", broken, "--stream", "numbers"]) == 0
    out = capsys.readouterr().out
    assert "ok      rows_complete" in out
    assert "AUTH_FAILED" in out
    assert "numbers_reader.py:Numbers (reader, local): " in out
    assert "failed" not in out


def test_a_promise_that_is_not_kept_says_what_to_do_and_ends_with_one(reader, capsys):
    assert main([*TEST, f"{reader}:Numbers", "--rows", "11", "--stream", "numbers"]) == 1
    out = capsys.readouterr().out
    assert "FAILED  rows_complete" in out
    assert "10 rows in 1 units, and the source has 11" in out
    assert "do: " in out
    assert "why: " in out


def test_an_exemption_is_told_with_its_reason(reader, capsys):
    exempt = ["--exempt", "rows_complete=the source samples"]
    assert main([*TEST, reader, "--rows", "11", "--stream", "numbers", *exempt]) == 0
    assert "the source samples" in capsys.readouterr().out
    assert main([*TEST, reader, "--exempt", "rows_complete="]) == 2
    assert "BAD_EXEMPTION" in capsys.readouterr().err


def test_a_place_that_there_is_not_is_told_before_anything_is_tested(reader, capsys):
    assert main([*TEST, reader, "--place", "dokcer"]) == 2
    assert "no launcher is called 'dokcer'; did you mean 'docker'?" in capsys.readouterr().err


def test_a_plugin_that_cannot_be_tested_ends_with_two(here, capsys):
    (here / "broken.py").write_text(READER.replace("fine", "").replace("return", "raise ValueError('no') or"))
    assert main([*TEST, "broken.py"]) == 2
    assert "FAILED  answers" in capsys.readouterr().out


def test_a_report_is_json_for_machines(reader, capsys):
    assert main([*TEST, reader, "--stream", "numbers", "--json", "--option", "count=3"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["exit_code"] == 0
    (ends,) = [o for o in report["outcomes"] if o["name"] == "ends"]
    assert (ends["status"], ends["remark"]) == ("passed", "3 rows in 1 batches")


def test_a_plugin_is_tested_as_a_job_configures_it_in_any_place(reader, here, capsys):
    (here / "job.yaml").write_text(
        "tenant: t\nsource: {custom_reader: 'numbers_reader.py:Numbers', count: 4, place: process}\n"
        "target: {connector: parquet, table: a.b}\n"
        "contract: {name: numbers, schema: [{name: id, type: date}]}\n"
    )
    assert main([*TEST, reader, "--config", "job.yaml", "--rows", "4"]) == 1
    out = capsys.readouterr().out
    assert "(reader, process)" in out
    assert "ok      rows_complete" in out
    assert "FAILED  values_promised" in out
    assert "id_type: 4 rows" in out


def test_a_job_that_does_not_use_the_plugin_is_refused(reader, here, capsys):
    (here / "job.yaml").write_text(
        "tenant: t\nsource: {connector: csv, files: a.csv}\ntarget: {connector: parquet, table: a.b}\n"
        "contract: {name: numbers, schema: [{name: id, type: string}]}\n"
    )
    assert main([*TEST, reader, "--config", "job.yaml"]) == 2
    assert "NO_SUCH_STREAM" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["--commits"]])
def test_a_writer_is_tested_with_options_alone(arguments, here, capsys):
    main(["plugin", "new", "python", "orders", "--kind", "writer"])
    capsys.readouterr()
    assert main([*TEST, "orders/orders_writer.py", *arguments]) == 0
    assert "ok      abort_clears" in capsys.readouterr().out


NEVER_ENDS = """
from pathlib import Path
from dativo_ingest import BaseWriter

class Endless(BaseWriter):
    def write_batch(self, records, file_counter):
        while not Path(__file__).with_name("stop").exists():
            file_counter += 1
            Path(self.output_base, str(file_counter)).touch()
        return []
"""


def test_a_write_that_does_not_end_is_told_although_it_goes_on(here, monkeypatch, capsys):
    monkeypatch.setattr(tempfile, "tempdir", str(here))
    (here / "endless.py").write_text(NEVER_ENDS)
    try:
        assert main(["plugin", "test", "endless.py", "--seconds", "0.5"]) in {1, 2}
    finally:
        (here / "stop").touch()
    said = capsys.readouterr()
    assert "no end after 0.5 s" in said.out
    assert said.err == ""


@pytest.mark.rust
def test_a_writer_in_rust_is_tested_with_every_type(here, capsys):
    assert main([*TEST, str(native_library("parquet_writer")), "--place", "local"]) == 0
    out = capsys.readouterr().out
    assert "ok      values_kept" in out
    assert "(writer, local)" in out


def test_a_python_plugin_says_what_it_is(reader, capsys):
    assert main(["plugin", "spec", reader, "--json"]) == 0
    (spec,) = json.loads(capsys.readouterr().out)
    assert spec["plugin"].endswith("numbers_reader.py:Numbers")
    facts = ("role", "kind", "interface", "version", "requires", "does")
    assert [spec[k] for k in facts] == ["reader", "python", "BaseReader", "2.1.0", ">=1.0", ["check"]]


@pytest.mark.rust
def test_a_library_says_what_it_is(capsys):
    assert main(["plugin", "spec", str(native_library("csv_reader"))]) == 0
    out = capsys.readouterr().out
    assert "C ABI, version 1" in out
    assert "libcsv_reader" in out
    assert main(["plugin", "spec", f"{native_library('legacy_json')}:create_writer"]) == 0
    out = capsys.readouterr().out
    assert "older JSON ABI" in out
    assert "create_writer: writer" in out


def test_a_class_that_only_fits_the_protocol_is_a_reader_too(capsys):
    from dativo_ingest.testing import hostile

    assert main(["plugin", "spec", hostile.__file__]) == 0
    out = capsys.readouterr().out
    assert "HostileReader: reader" in out
    assert "protocols.Reader" in out


@pytest.mark.parametrize(
    ("text", "code"),
    [("nothing.py", "PLUGIN_NOT_FOUND"), ("numbers_reader.txt", "BAD_PLUGIN"), ("empty.py", "NOTHING_TO_SEE")],
)
def test_what_is_no_plugin_is_refused(text, code, here, capsys):
    (here / "empty.py").write_text("x = 1\n")
    assert main(["plugin", "spec", text]) == 2
    assert code in capsys.readouterr().err


def test_two_readers_in_a_file_are_asked_about(here, capsys):
    (here / "two.py").write_text(READER + READER.replace("Numbers", "More"))
    assert main([*TEST, "two.py"]) == 2
    assert "which one?" in capsys.readouterr().err
