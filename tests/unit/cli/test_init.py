from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dativo_dagster.cli.draft import identifier, scalar, value
from dativo_dagster.config.document import parse_document
from dativo_dagster.config.interpolate import interpolated
from dativo_dagster.config.load import load_job

CSV = "id,name,price,born\n1,Ada,1.50,1815-12-10\n2,Zoë,2.25,\n"


def test_a_new_job_fits_its_file_and_runs(desk):
    (desk.path / "Sales 2024.csv").write_text(CSV)
    answer = desk("init", "Sales 2024.csv", "--tenant", "acme", "--target", "parquet")
    assert answer.code == 0
    job = load_job(Path("jobs/sales_2024.yaml"))
    [stream] = job.streams
    assert (job.name, job.tenant, stream.target.table) == ("sales_2024", "acme", "acme.sales_2024")
    assert [(f.name, str(f.type)) for f in stream.contract.fields][::3] == [("id", "int64"), ("born", "date")]
    assert "dativo run jobs/sales_2024.yaml" in answer.out


def test_the_commands_that_it_names_work(desk):
    (desk.path / "a.csv").write_text(CSV)
    answer = desk("init", "a.csv", "--target", "iceberg")
    commands = [line.partition("#")[0].split()[1:] for line in answer.out.splitlines() if line.startswith("  dativo ")]
    assert [command[0] for command in commands] == ["validate", "plan", "run"]
    assert [desk(*command).code for command in commands] == [0, 0, 0]


def test_the_schemas_that_it_names_are_there(desk):
    (desk.path / "a.csv").write_text(CSV)
    desk("init", "a.csv")
    for file in (Path("jobs/a.yaml"), Path("jobs/contracts/a.yaml")):
        link = parse_document(file.read_text(), file).data["$schema"]
        assert (file.parent / link).is_file()
        assert not link.startswith("/")


def test_nothing_is_overwritten(desk):
    (desk.path / "a.csv").write_text(CSV)
    (desk.path / "jobs" / "a.yaml").write_text("mine")
    answer = desk("init", "a.csv")
    assert (answer.code, "jobs/a.yaml exists" in answer.err) == (2, True)
    assert (desk.path / "jobs" / "a.yaml").read_text() == "mine"
    assert not (desk.path / "jobs" / "contracts").exists()


def test_several_files_are_one_job_when_they_have_the_same_columns(desk):
    for name, text in (("a", CSV), ("b", CSV), ("c", "other\n1\n")):
        (desk.path / f"{name}.csv").write_text(text)
    assert desk("init", "a.csv", "b.csv", "--name", "both").code == 0
    assert "c.csv has other columns than a.csv" in desk("init", "a.csv", "c.csv", "--name", "all").err


def test_a_file_that_is_not_there_or_tells_nothing_is_told(desk):
    (desk.path / "empty.csv").write_text("")
    assert "there is no file nowhere.csv" in desk("init", "nowhere.csv").err
    assert desk("init", "empty.csv").code == 2
    assert not list((desk.path / "jobs").iterdir())


@given(st.text())
def test_any_text_is_read_back_from_yaml_as_it_was(text):
    assert parse_document(f"[{{a: {scalar(text)}}}]", Path("x")).data == [{"a": text}]


@given(st.text())
def test_any_text_of_a_job_survives_interpolation(text):
    assert interpolated(parse_document(f"a: {value(text)}", Path("x")).data["a"], {}) == text


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("Sales 2024.csv", "sales_2024"),
        ("s3://b/x/Orders.csv.gz", "orders"),
        ("C:\\data\\a-b.parquet", "a_b"),
        ("*.csv", "job"),
    ],
)
def test_names_are_made_from_file_names(file, name):
    assert identifier(file) == name
