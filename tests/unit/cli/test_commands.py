"""The commands beside ``run``, and the front door itself."""

from __future__ import annotations

import pytest

from dativo_dagster import __version__
from dativo_dagster.cli import COMMANDS


def test_no_command_is_help_and_exit_code_2(desk):
    answer = desk()
    assert answer.code == 2
    assert all(f"    {name} " in answer.out for name in COMMANDS)


def test_the_version_is_told(desk):
    assert (desk("--version").code, desk("--version").out) == (0, f"dativo {__version__}\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(desk, name):
    answer = desk(name, "--help")
    assert answer.code == 0
    assert answer.out.startswith(f"usage: dativo {name} ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["run"],
        ["run", "a", "--config", "b"],
        ["run", "a", "--mode", "moon"],
        ["check"],
        ["discover"],
        ["gc", "a", "--older-than", "soon"],
        ["schema", "poem"],
    ],
)
def test_wrong_use_is_exit_code_2(desk, arguments):
    answer = desk(*arguments)
    assert answer.code == 2
    assert "error:" in answer.err


def test_an_unforeseen_error_is_one_line_and_its_traceback_is_there_for_who_asks(desk, monkeypatch):
    desk.job()
    monkeypatch.setattr("dativo_dagster.cli.validate._facts", lambda job: 1 / 0)
    answer = desk("validate", "--json")
    assert answer.code == 2
    assert answer.err.startswith("error: ZeroDivisionError: division by zero (")
    assert "Traceback" not in answer.err
    assert "Traceback" in desk("validate", "--json", "--debug").err


def test_an_interruption_is_one_line_and_exit_code_130(desk, monkeypatch):
    def interrupt(job):
        raise KeyboardInterrupt

    desk.job()
    monkeypatch.setattr("dativo_dagster.cli.validate._facts", interrupt)
    answer = desk("validate", "--json")
    assert (answer.code, answer.err.strip().count("\n")) == (130, 0)


@pytest.mark.parametrize("place", ["process", "{launcher: aws_lambda, region: eu-west-1}"])
def test_all_commands_refuse_a_sandbox_beside_another_place_in_the_same_words(desk, place):
    file = desk.job()
    text = file.read_text().replace("connector: csv", f"custom_reader: api.py:Reader, place: {place}, connector: csv")
    file.write_text(text + "plugins: {sandbox: {enabled: true}}\n")
    told = desk("validate", str(file))
    assert told.code == 2
    words = told.out.splitlines()[0]
    assert words.startswith(
        f"{file}:3:47: source.place: `plugins.sandbox` of the job puts its plugins into a container"
    )
    for command in ("plan", "run", "check", "discover"):
        answer = desk(command, str(file))
        assert (answer.code, words in answer.err, "PLACE_CONFLICT" in answer.err) == (2, True, True)


def test_all_commands_take_a_job_in_the_same_ways(desk):
    file = desk.job()
    for command in (
        ["validate"],
        ["plan"],
        ["check"],
        ["run"],
        ["state", "show"],
        ["places", "gc", "--place", "local"],
    ):
        for said in ([str(file)], ["--config", str(file)], ["people"], ["--config", "people"]):
            assert desk(*command, *said).code == 0, (command, said)
        for said in (["nobody"], ["--config", "nobody"]):
            answer = desk(*command, *said)
            assert (answer.code, "there is no file 'nobody', and no job in jobs" in answer.out + answer.err) == (
                2,
                True,
            )
    desk.job("others")
    assert desk("validate", str(file), "--config", "others").out.splitlines()[-1] == "2 jobs right, 0 problems"


CLOUD = "engine: {cloud_execution: {enabled: true, runtime: provided.al2023}}"


@pytest.mark.parametrize(
    ("said", "more", "line", "code", "words"),
    [
        (f"custom_reader: api.py:Reader, {CLOUD}", "", "3:49", "FUNCTION_REFUSED", "has no Python"),
        ("custom_reader: lib.so:make, place: aws_lambda", "", "3:38", "LIBRARY_UNREADABLE", "is no library"),
        ("custom_reader: lib.so:make, place: gcp_functions", "", "3:38", "LIBRARY_UNREADABLE", "is no library"),
        ("custom_reader: api.py", "", "3:10", "BAD_PLUGIN", "does not name a plugin"),
        (
            "custom_reader: api.py:Reader",
            "plugins: {sandbox: {cpu_limit: 0.001}}",
            "11:11",
            "BAD_PLACE",
            "place 'docker': cpus: ",
        ),
    ],
)
def test_all_commands_refuse_what_no_place_would_take_in_the_same_words(desk, said, more, line, code, words):
    file = desk.job()
    (file.parent / "api.py").touch()
    (file.parent / "lib.so").write_text("text")
    file.write_text(file.read_text().replace("connector: csv", said) + more)
    told = desk("validate", str(file), "--json")
    [problem] = told.json["problems"]
    assert (told.code, told.json["jobs"], problem["error_code"]) == (2, [], code)
    assert problem["message"].startswith(f"{file}:{line}: ")
    assert words in problem["message"]
    planned = desk("plan", str(file))
    assert (planned.code, problem["message"] in planned.err) == (2, True)
    assert problem["message"] in desk("check", str(file)).out
    assert problem["message"] in desk("run", str(file)).out


@pytest.mark.parametrize(
    ("said", "words"), [("path: lake, publish: audited", "target.publish: "), ("path: 5", "target.path: ")]
)
def test_validate_refuses_what_a_writer_that_commits_by_itself_cannot_do(desk, said, words):
    file = desk.job()
    (file.parent / "api.py").write_text("class Writer: pass\n")
    target = f"custom_writer: api.py:Writer, {said}"
    file.write_text(file.read_text().replace("connector: parquet, warehouse: lake", target))
    told = desk("validate", str(file))
    assert told.code == 2
    assert told.out.startswith(f"{file}:4:10: {words}")


@pytest.mark.parametrize("place", ["local", "process", "docker", "aws_lambda", "gcp_functions"])
@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (
            "if True:\n    class Reader: pass\nclass Writer: pass\n",
            "PLUGIN_CLASS_MISSING",
            "api.py:Raeder: the file has no class 'Raeder'; it has Writer, Reader; did you mean 'Reader'?",
        ),
        ("class Raeder:\n  def read(:", "PLUGIN_IMPORT_FAILED", "api.py:2:12: SyntaxError: "),
    ],
)
def test_a_class_that_its_file_does_not_have_is_a_mistake_before_a_run_and_in_it(desk, place, text, code, words):
    file = desk.job()
    (file.parent / "api.py").write_text(text)
    said = f"custom_reader: api.py:Raeder, place: {place}"
    file.write_text(file.read_text().replace("connector: csv", said))
    [problem] = desk("validate", str(file), "--json").json["problems"]
    assert problem["error_code"] == code
    assert problem["message"].startswith(f"{file}:3:10: plugin {file.parent}/api.py:Raeder")
    assert words in problem["message"]
    [stream] = desk("run", str(file), "--json").json["streams"]
    assert (stream["error"]["error_code"], stream["error"]["message"]) == (code, problem["message"])


def test_what_an_image_of_a_function_has_is_not_looked_for_here(desk):
    file = desk.job()
    (file.parent / "api.py").touch()
    image = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop:1"
    said = f"custom_reader: api.py:Reader, place: {{launcher: aws_lambda, image: '{image}'}}"
    file.write_text(file.read_text().replace("connector: csv", said))
    assert desk("validate", str(file)).code == 0


def test_what_may_be_there_where_a_job_runs_is_a_note(desk):
    file = desk.job()
    file.write_text(file.read_text().replace("connector: csv", "place: aws_lambda, custom_reader: none.py:Reader"))
    told = desk("validate", str(file))
    assert told.code == 0
    assert f"note  {file}:3:29: plugin 'none.py:Reader' not found: there is no none.py in" in told.out


@pytest.mark.parametrize("cloud", ["enabled: true, provider: '${CLOUD}'", "enabled: '${CLOUD}', runtime: provided.al2"])
def test_validate_leaves_a_cloud_to_the_run_that_only_a_variable_names(desk, cloud):
    file = desk.job()
    (file.parent / "api.py").touch()
    said = f"custom_reader: api.py:Reader, engine: {{cloud_execution: {{{cloud}}}}}"
    file.write_text(file.read_text().replace("connector: csv", said))
    assert (desk("validate", str(file)).code, desk("plan", str(file)).code) == (0, 2)


def test_validate_says_which_of_several_streams_cannot_run(desk):
    file = desk.job()
    (file.parent / "api.py").write_text("class Reader: pass\n")
    streams = """
streams:
  - {name: one, target: {table: shop.one}}
  - {name: two, source: {place: {launcher: aws_lambda, runtime: provided.al2}}, target: {table: shop.two}}
"""
    file.write_text(file.read_text().replace("connector: csv", "custom_reader: api.py:Reader") + streams)
    told = desk("validate", str(file))
    assert told.code == 2
    assert told.out.startswith(f"{file}:14:26: provided.al2 has no Python")


def test_validate_names_every_mistake_with_its_place(desk):
    desk.job("good")
    file = desk.job("bad")
    file.write_text(file.read_text().replace("tenant:", "tenent:").replace("validation: strict", "validation: strikt"))
    answer = desk("validate")
    assert answer.code == 2
    lines = answer.out.splitlines()
    assert lines[0].startswith("ok  jobs/good.yaml: good (acme)")
    assert any(line.startswith("jobs/bad.yaml:2:1: ") and "did you mean 'tenant'?" in line for line in lines)
    assert any(line.startswith("jobs/bad.yaml:10:") for line in lines)
    assert lines[-1] == "1 job right, 2 problems"
    assert desk("validate", "jobs/good.yaml").code == 0


def test_validate_needs_no_variable_and_no_network(desk):
    file = desk.job()
    file.write_text(file.read_text().replace("data/people", "s3://${BUCKET}/people"))
    assert desk("validate", "jobs/people.yaml").code == 0
    assert desk("validate").code == 0


def test_validate_of_nothing_is_a_mistake(desk):
    assert "has no job file" in desk("validate").out
    assert desk("validate").code == 2
    assert desk("validate", "nowhere").code == 2


def test_plan_says_what_a_run_would_do_and_does_nothing(desk):
    desk.job()
    answer = desk("plan", "people")
    assert answer.code == 0
    assert "people -> shop.people (append): first run" in answer.out
    assert "data/people.csv  27 B" in answer.out
    assert not (desk.path / "lake").exists()
    plan = desk("plan", "people", "--json").json["streams"][0]
    assert (plan["table"], plan["empty"], len(plan["window"]["units"])) == ("shop.people", False, 1)
    desk("run", "people")
    assert "nothing to read, nothing to write" in desk("plan", "people").out


def test_plan_shows_schema_changes_and_is_exit_code_2_when_a_run_would_refuse_them(desk):
    file = desk.job()
    desk("run", "people")
    (desk.path / "data" / "people2.csv").write_text("id,email,age\n4,d@x,5\n")
    wider = file.read_text().replace("    - {name: email", "    - {name: age, type: int32}\n    - {name: email")
    file.write_text(wider)
    added = desk("plan", "people")
    assert (added.code, "add column age: int32" in added.out) == (0, True)
    file.write_text(wider.replace("name: id, type: int64", "name: id, type: string"))
    refused = desk("plan", "people")
    assert refused.code == 2
    assert "refused: " in refused.out


def test_check_answers_for_both_sides_in_the_kept_shape(desk):
    desk.job()
    answer = desk("check", "people", "--json")
    assert answer.code == 0
    assert {side: said["status"] for side, said in answer.json.items()} == {"source": "success", "target": "success"}
    (desk.path / "data" / "people.csv").unlink()
    failed = desk("check", "--config", "jobs/people.yaml", "--json", "--verbose")
    assert failed.code == 2
    assert failed.json["source"]["status"] == "failed"
    assert failed.json["source"]["error_code"] == "FILE_NOT_FOUND"
    assert failed.json["target"]["status"] == "success"
    assert failed.event("check_failed")
    assert "source  failed   no file matches" in desk("check", "people").out


def test_discover_says_of_a_plugin_that_lists_nothing_that_it_may_not_tell(desk):
    silent = ["from dativo_ingest import BaseReader", "class R(BaseReader):", "    def extract(self, state=None):", ""]
    (desk.path / "silent.py").write_text("\n".join(silent) + "        yield []\n")
    file = desk.job()
    built_in = '{connector: csv, files: ["data/people*.csv"], incremental: file_modified_time}'
    file.write_text(file.read_text().replace(built_in, "{custom_reader: silent.py:R}"))
    answer = desk("discover", "people")
    assert (answer.code, answer.out) == (0, "0 objects\n")
    assert "a method `discover`" in answer.err


def test_discover_lists_what_a_job_or_a_connector_has(desk):
    desk.job()
    answer = desk("discover", "--config", "jobs/people.yaml", "--json")
    assert answer.code == 0
    assert answer.json["count"] == len(answer.json["objects"]) == 1
    assert [c["type"] for c in answer.json["objects"][0]["columns"]] == ["int64", "string"]
    assert answer.json["metadata"] == {"job": "people", "connectors": ["csv"]}
    bare = desk("discover", "--connector", "csv", "--option", "files=data/people.csv")
    assert bare.code == 0
    assert "id      int64" in bare.out
    assert "1 object" in bare.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--connector", "cvs"], "did you mean 'csv'?"),
        (["--connector", "csv"], "files"),
        (["--connector", "csv", "--option", "files"], "is not NAME=YAML"),
        (["--connector", "csv", "--option", "files=${NO_SUCH_NAME}"], "NO_SUCH_NAME"),
        (["--connector", "csv", "--option", "files=${NO_SUCH_NAME:-nowhere.csv}"], "there is no file nowhere.csv"),
        (["--connector", "csv", "--option", "fils=x"], "files"),
        (["--connector", "csv", "--option", "files=nowhere.csv"], "there is no file nowhere.csv"),
    ],
)
def test_discover_says_what_is_wrong(desk, arguments, says):
    answer = desk("discover", *arguments)
    assert answer.code == 2
    assert says in answer.err
    assert "This is not a mistake of yours" not in answer.err


def test_gc_lists_orphans_and_deletes_them_only_when_told_to(desk):
    desk.job()
    desk("run", "people")
    [committed] = (desk.path / "lake").rglob("*.parquet")
    orphan = committed.with_name(committed.name.replace("-00001-", "-00002-"))
    orphan.write_bytes(committed.read_bytes())
    assert "0 files" in desk("gc", "people").out
    found = desk("gc", "people", "--older-than", "0s", "--json").json
    assert ([f["path"].rsplit("/", 1)[-1] for f in found["files"]], found["deleted"]) == ([orphan.name], False)
    assert orphan.exists()
    assert "1 file, " in desk("gc", "people", "--older-than", "0s", "--delete").out
    assert not orphan.exists()
    assert committed.exists()
