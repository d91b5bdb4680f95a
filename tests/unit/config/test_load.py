"""Job files in the short form, and folders of jobs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dativo_dagster.config import job as model
from dativo_dagster.config.document import parse_document
from dativo_dagster.config.load import LoadedFolder, load_folder, load_job, parse_job
from dativo_dagster.config.schema import job_schema
from dativo_ingest.exceptions import ConfigurationError

CONTRACT = """\
name: cities
schema:
  - {name: id, type: int64, required: true}
  - {name: country, type: string}
  - {name: created_at, type: timestamp}
"""
JOB = """\
source: {connector: csv, files: [cities.csv]}
target: {connector: iceberg, table: geo.cities}
contract: cities.contract.yaml
"""


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("cities.contract.yaml").write_text(CONTRACT)
    return Path()


def written(text: str, name: str = "job.yaml") -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def loaded(text: str, *, strict: bool = True, **environment: str) -> model.Job:
    return load_job(written(text), environment=environment, strict_environment=strict)


def mistakes(text: str, **environment: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        loaded(text, **environment)
    return caught.value.message.split("\n")


def test_the_shortest_job_has_a_name_from_its_file_and_sensible_defaults(folder):
    job = load_job(written(JOB, "world.yaml"), environment={})
    (stream,) = job.streams
    assert (job.name, job.tenant, stream.name, job.path) == ("world", "default", "world", Path("world.yaml"))
    assert stream.source == model.Source(connector="csv", options={"files": ["cities.csv"]})
    assert stream.target == model.Target(connector="iceberg", table="geo.cities")
    assert [f.name for f in stream.contract.fields] == ["id", "country", "created_at"]
    assert (stream.validation, job.retry, job.schedule) == (model.Validation(), model.Retry(), None)


def test_everything_a_job_may_say_reaches_the_job(folder):
    job = loaded("""\
$schema: ../schemas/job.schema.json
name: world_cities
tenant: demo
description: Cities.
environment: test
owners: [team:data, ann@example.org]
tags: {domain: geo, year: 2026}
parallelism: 4
source:
  connector: csv
  description: A file.
  files: [a.csv, {path: b.csv, object: cities}]
  delimiter: ;
  incremental: {strategy: file_modified_time, lookback_days: 2}
target:
  connector: iceberg
  table: geo.cities
  mode: overwrite_partitions
  partitioning: [country, day(created_at), "bucket(16, id)", ingest_date]
  file_size_mb: 64
  compression: snappy
  evolution: {drop: true, rename: {land: country}}
  catalog: {type: rest, uri: http://catalog}
contract: cities.contract.yaml
validation: {mode: quarantine, max_rejected: 100, max_rejected_percent: 1.5}
schedule: {cron: "0 3 * * *", timezone: Europe/Berlin, enabled: false}
retry: {max_retries: 2, initial_delay_seconds: 0.5, max_delay_seconds: 60, backoff_multiplier: 3}
logging: {level: DEBUG, redaction: true}
classification_overrides: {default: public}
finops: {cost_center: 4711}
governance_overrides: {owner: "", retention_days: 30}
catalog: {type: openmetadata, connection: {api: http://om}}
plugins: {sandbox: {cpu_limit: 0.5}}
""")
    (stream,) = job.streams
    assert (job.name, job.tenant, job.description, job.environment) == ("world_cities", "demo", "Cities.", "test")
    assert (job.owners, job.tags) == (("team:data", "ann@example.org"), {"domain": "geo", "year": "2026"})
    assert (job.parallelism, job.log_level, job.redact_logs) == (4, "DEBUG", True)
    assert stream.source.options == {"files": ["a.csv", {"path": "b.csv", "object": "cities"}], "delimiter": ";"}
    assert stream.source.incremental == model.Incremental(
        strategy="file_modified_time", lookback_days=2, lookback=172800
    )
    assert [note.split(": ", 1)[1] for note in job.notes] == [
        "lookback_days has no effect on files: one is read again when it has changed",
        "catalog has no effect: nothing is pushed to a metadata catalog in this version",
    ]
    assert [(p.column, p.transform) for p in stream.target.partitioning] == [
        ("country", "identity"),
        ("created_at", "day"),
        ("id", "bucket[16]"),
        ("ingest_date", "identity"),
    ]
    assert (stream.target.mode, stream.target.compression) == ("overwrite_partitions", "snappy")
    assert stream.target.file_size_bytes == 64 * 1024 * 1024
    assert stream.target.evolution == model.Evolution(drop=True, rename={"land": "country"})
    assert stream.target.options == {"catalog": {"type": "rest", "uri": "http://catalog"}}
    assert stream.validation == model.Validation(mode="quarantine", max_rejected=100, max_rejected_percent=1.5)
    assert job.schedule == model.Schedule(cron="0 3 * * *", timezone="Europe/Berlin", enabled=False)
    assert job.retry == model.Retry(
        max_retries=2, initial_delay_seconds=0.5, max_delay_seconds=60, backoff_multiplier=3
    )
    assert job.governance == {
        "classification_overrides": {"default": "public"},
        "finops": {"cost_center": "4711"},
        "governance_overrides": {"owner": "", "retention_days": 30},
    }
    assert job.catalog is not None
    assert job.catalog["type"] == "openmetadata"
    assert job.sandbox is not None
    assert (job.sandbox["cpu_limit"], job.sandbox["network_disabled"]) == (0.5, True)


def test_single_words_stand_for_blocks(folder):
    job = loaded(
        JOB.replace("files: [cities.csv]", "files: cities.csv, incremental: file_modified_time")
        + "validation: warn\nschedule: '@daily'\n"
    )
    assert job.streams[0].source.incremental == model.Incremental(strategy="file_modified_time")
    assert job.streams[0].validation.mode == "warn"
    assert job.schedule == model.Schedule(cron="@daily")


def test_a_contract_may_stand_in_the_job_and_keeps_its_dollar_signs(folder):
    text = JOB.replace("contract: cities.contract.yaml", "contract:\n  schema:\n    - {name: id, pattern: '^$$x$'}")
    contract = loaded(text).streams[0].contract
    assert (contract.name, contract.rules[0].parameters) == ("job", {"regex": "^$$x$"})


def test_a_mistake_in_a_contract_of_the_job_has_its_place_in_the_job(folder):
    text = JOB.replace("contract: cities.contract.yaml", "contract:\n  schema:\n    - {name: id, type: strin}")
    assert mistakes(text)[0].startswith("job.yaml:5:24: ")


def test_a_mistake_in_a_contract_file_has_its_place_there(folder):
    Path("cities.contract.yaml").write_text(CONTRACT.replace("int64", "int65"))
    assert mistakes(JOB)[0].startswith("cities.contract.yaml:3:22: ")


def test_many_streams_share_what_stands_at_the_top(folder):
    job = loaded("""\
source: {connector: csv, delimiter: ;, connection: {s3: {bucket: a}, region: r}}
target: {connector: iceberg, mode: overwrite}
contract: cities.contract.yaml
validation: warn
streams:
  - name: a
    source: {files: [a.csv]}
    target: {table: geo.a}
  - name: b
    source: {files: [b.csv], delimiter: "|", connection: {region: q}}
    target: {table: geo.b, mode: append}
    validation: {mode: quarantine}
    contract: {schema: [{name: x}]}
""")
    a, b = job.streams
    assert (a.name, a.target.table, a.target.mode, a.validation.mode) == ("a", "geo.a", "overwrite", "warn")
    assert a.source.options["delimiter"] == ";"
    assert (b.name, b.target.table, b.target.mode, b.validation.mode) == ("b", "geo.b", "append", "quarantine")
    assert b.source.options["delimiter"] == "|"
    assert b.source.options["connection"] == {"s3": {"bucket": "a"}, "region": "q"}
    assert [f.name for f in b.contract.fields] == ["x"]


def test_one_object_of_a_contract_with_several_is_chosen_by_name(folder):
    written(
        """\
apiVersion: v3.1.0
kind: DataContract
id: shop
version: 1.0.0
status: active
schema:
  - {name: a, properties: [{name: x, logicalType: string}]}
  - {name: b, properties: [{name: y, logicalType: string}]}
""",
        "odcs.yaml",
    )
    job = loaded(JOB.replace("contract: cities.contract.yaml", "contract: odcs.yaml#b"))
    assert [f.name for f in job.streams[0].contract.fields] == ["y"]


def test_a_path_is_looked_for_in_the_working_directory_and_then_beside_the_job(folder):
    path = written(JOB, "deep/job.yaml")
    written(CONTRACT.replace("name: cities", "name: beside"), "deep/cities.contract.yaml")
    assert load_job(path).streams[0].contract.name == "cities"
    Path("cities.contract.yaml").unlink()
    assert load_job(path).streams[0].contract.name == "beside"


def test_variables_are_replaced_and_become_what_their_field_is(folder):
    text = (
        JOB.replace("files: [cities.csv]", "files: ['${DIR}/cities.csv'], skip_rows: '${SKIP}'")
        + "parallelism: ${N:-3}"
    )
    job = loaded(text, DIR="in", SKIP="2")
    assert job.streams[0].source.options == {"files": ["in/cities.csv"], "skip_rows": "2"}
    assert job.parallelism == 3


def test_a_definition_may_wait_for_variables_in_options_only(folder):
    text = JOB.replace("files: [cities.csv]", "files: ['${DIR}/x.csv'], skip_rows: '${SKIP}'")
    assert loaded(text, strict=False).streams[0].source.options == {"files": ["${DIR}/x.csv"], "skip_rows": "${SKIP}"}
    assert [line.split(":")[:3] for line in mistakes(text)] == [["job.yaml", "1", "34"], ["job.yaml", "1", "62"]]


@pytest.mark.parametrize(
    "line",
    ["tenant: ${X}", "name: ${X}", "contract: ${X}", "target: {connector: iceberg, table: '${X}'}", "schedule: ${X}"],
)
def test_what_names_a_thing_never_waits_for_a_variable(folder, line):
    key = line.partition(":")[0]
    text = "".join(f"{kept}\n" for kept in JOB.splitlines() if not kept.startswith(key)) + line
    with pytest.raises(ConfigurationError, match="the environment variable X is not set") as caught:
        loaded(text, strict=False)
    assert caught.value.error_code == "UNSET_VARIABLE"


def test_a_value_from_the_environment_is_never_in_a_message(folder):
    lines = mistakes(JOB.replace("files: [cities.csv]", "files: [a.csv], delimiter: '${SECRET}'"), SECRET="hunter2")
    assert lines == ["job.yaml:1:53: source.delimiter: '${SECRET}' is not one ASCII character"]


def test_loading_needs_neither_dagster_nor_arrow(folder):
    import subprocess
    import sys

    path = written(JOB)
    heavy = "{'dagster', 'pyarrow', 'pyiceberg', 'boto3', 'open_data_contract_standard'}"
    code = (
        "import sys; from pathlib import Path; from dativo_dagster.config.load import load_job; "
        f"load_job(Path({str(path)!r})); print(*({heavy} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("\n", "")


CASES = {
    "empty file": ("", ["1:1: the file is empty; a job has source, target and contract"]),
    "a list": ("- a\n", ["1:1: a job is a mapping with source, target and contract"]),
    "a word": ("hello\n", ["1:1: a job is a mapping with source, target and contract"]),
    "a contract": (CONTRACT, ["1:1: this is a contract, not a job; a job names it in `contract`"]),
    "a recipe": (
        "name: csv\ntype: csv\ndefault_engine: {type: native}\n",
        ["1:1: this is a recipe, not a job; a job names it in `source_connector_path` or `target_connector_path`"],
    ),
    "a runner file": ("runner: {}\n", ["1:1: this is a runner's file, not a job; it names jobs in `schedules`"]),
    "something else": ("version: 2\n", ["1:1: this is no job: it has no source, target or contract"]),
    "unknown key": (JOB + "tenat: x\n", ["4:1: tenat: unknown key 'tenat'; did you mean 'tenant'?"]),
    "key of a block": (
        JOB + "place: docker\n",
        ["4:1: place: unknown key 'place'; it is a key of `source` or `target`: write it there"],
    ),
    "unknown key of a source": (
        JOB.replace("files", "delimeter: ';', files"),
        ["1:26: source.delimeter: unknown key 'delimeter'; did you mean 'delimiter'?"],
    ),
    "unknown key of a target": (
        JOB.replace("table: geo.cities", "table: geo.cities, partitionin: [id]"),
        ["2:49: target.partitionin: unknown key 'partitionin'; did you mean 'partitioning'?"],
    ),
    "unknown key in a block": (
        JOB + "schedule: {cron: '@daily', timezon: UTC}\n",
        ["4:28: schedule.timezon: unknown key 'timezon'; did you mean 'timezone'?"],
    ),
    "unknown key of a stream": (
        JOB + "streams:\n  - name: a\n    sorce: {}\n",
        ["6:5: streams[0].sorce: unknown key 'sorce'; did you mean 'source'?"],
    ),
    "unknown key of a file": (
        JOB.replace("[cities.csv]", "[{path: a.csv, objct: x}]"),
        ["1:48: source.files[0].objct: unknown key 'objct'; did you mean 'object'?"],
    ),
    "unknown connector": (
        JOB.replace("csv,", "cvs,"),
        ["1:21: source.connector: there is no source 'cvs'; did you mean 'csv'?"],
    ),
    "unknown table format": (
        JOB.replace("iceberg", "icberg"),
        ["2:21: target.connector: there is no target 'icberg'; did you mean 'iceberg'?"],
    ),
    "no connector": (
        JOB.replace("connector: csv, ", ""),
        ["1:1: source: 'connector' is missing; a plugin is named by 'custom_reader'"],
    ),
    "no table": (JOB.replace(", table: geo.cities", ""), ["2:1: target: 'table' is missing"]),
    "no source": (
        JOB.replace("source: {connector: csv, files: [cities.csv]}\n", ""),
        ["1:1: source: 'connector' is missing; a plugin is named by 'custom_reader'"],
    ),
    "no contract": (
        JOB.replace("contract: cities.contract.yaml\n", ""),
        ["1:1: contract: is missing; it is the path of a contract, or the contract itself"],
    ),
    "no files": (JOB.replace(", files: [cities.csv]", ""), ["1:9: source: 'files' is missing"]),
    "source is a word": (
        JOB.replace("{connector: csv, files: [cities.csv]}", "csv"),
        ["1:9: source: write a mapping here, such as {key: value}"],
    ),
    "an option of the wrong type": (
        JOB.replace("files:", "skip_rows: many, files:"),
        ["1:37: source.skip_rows: input should be a valid integer, unable to parse string as an integer"],
    ),
    "an option of the wrong shape": (
        JOB.replace("files: [cities.csv]", "files: [3]"),
        ["1:34: source.files[0]: write a mapping here, such as {key: value}"],
    ),
    "an option deep inside": (
        JOB.replace("table: geo.cities", "table: geo.cities, catalog: {type: hive}"),
        ["2:65: target.catalog.type: 'hive' is not one of 'sql', 'rest' or 'glue'"],
    ),
    "overwrite by an increment": (
        JOB.replace("files: [cities.csv]", "files: [cities.csv], incremental: file_modified_time").replace(
            "table: geo.cities", "table: geo.cities, mode: overwrite"
        ),
        [
            (
                "2:9: target.mode: overwrite puts what a run reads in place of the whole table, and an incremental "
                "source reads only what is new: all older rows would be gone; use append, merge or "
                "overwrite_partitions, or drop `incremental`"
            )
        ],
    ),
    "unknown choice": (
        JOB.replace("table: geo.cities", "table: geo.cities, mode: apend"),
        ["2:55: target.mode: 'apend' is not one of 'append', 'overwrite', 'overwrite_partitions', 'merge' or 'scd2'"],
    ),
    "unknown validation": (
        JOB + "validation: lax\n",
        ["4:13: validation: 'lax' is not one of 'strict', 'warn' or 'quarantine'"],
    ),
    "a number out of range": (
        JOB + "validation: {max_rejected_percent: 101}\n",
        ["4:36: validation.max_rejected_percent: input should be less than or equal to 100"],
    ),
    "a bad table name": (
        JOB.replace("geo.cities", "../etc"),
        ["2:37: target.table: '../etc' names no table; use letters, digits, _ and -, with dots between the parts"],
    ),
    "a bad tenant": (
        JOB + "tenant: a/b\n",
        ["4:9: tenant: 'a/b' is no name; use letters, digits, blanks and . _ - @ + : after the first"],
    ),
    "a bad cron": (
        JOB + "schedule: {cron: 99 3 * * *}\n",
        ["4:18: schedule.cron: '99' is no minute; it goes from 0 to 59"],
    ),
    "an unknown time zone": (
        JOB + "schedule:\n  cron: '@daily'\n  timezone: Europe/Berln\n",
        ["6:13: schedule.timezone: there is no time zone 'Europe/Berln'; did you mean 'Europe/Berlin'?"],
    ),
    "a schedule without a cron": (JOB + "schedule: {enabled: true}\n", ["4:1: schedule: 'cron' is missing"]),
    "a bad partition": (
        JOB.replace("table: geo.cities", "table: geo.cities, partitioning: [country, week(created_at)]"),
        [
            (
                "2:73: target.partitioning[1]: there is no partition transform 'week'; known are identity, "
                "year, month, day, hour, bucket, truncate"
            )
        ],
    ),
    "a partition of no column": (
        JOB.replace("table: geo.cities", "table: geo.cities, partitioning: [contry]"),
        ["2:64: target.partitioning[0]: the contract has no column 'contry'; did you mean 'country'?"],
    ),
    "a rename to no column": (
        JOB.replace("table: geo.cities", "table: geo.cities, evolution: {rename: {a: contry}}"),
        ["2:73: target.evolution.rename.a: the contract has no column 'contry'; did you mean 'country'?"],
    ),
    "an increment the source cannot do": (
        JOB.replace("files:", "incremental: created, files:"),
        [
            (
                "1:39: source.incremental: csv has no strategy 'created'; use file_modified_time, "
                "spreadsheet_modified_time or full_refresh"
            )
        ],
    ),
    "an unknown increment": (
        JOB.replace("files:", "incremental: daily, files:"),
        [
            (
                "1:39: source.incremental: 'daily' is not one of 'full_refresh', 'incremental', "
                "'file_modified_time', 'spreadsheet_modified_time', 'updated_at', 'updated_after', 'created' or 'cdc'"
            )
        ],
    ),
    "a missing contract file": (
        JOB.replace("cities.contract", "citys.contract"),
        ["3:11: contract: there is no file 'citys.contract.yaml' in {cwd}"],
    ),
    "a contract that is a list": (
        JOB.replace("cities.contract.yaml", "[a]"),
        ["3:11: contract: is missing; it is the path of a contract, or the contract itself"],
    ),
    "an unset variable": (
        JOB.replace("cities.csv", "'${DIR}/a.csv'"),
        ["1:34: source.files[0]: the environment variable DIR is not set; set it, or write ${DIR:-default}"],
    ),
    "an unset variable with a message": (
        JOB.replace("geo.cities", "'${TABLE:?ask Ann}'"),
        ["2:37: target.table: the environment variable TABLE is not set: ask Ann"],
    ),
    "half a variable": (
        JOB + "description: a ${b\n",
        ["4:14: description: '${' is not closed by '}'; a dollar sign by itself is written '$$'"],
    ),
    "two streams with one name": (
        JOB + "streams:\n  - {name: a}\n  - {name: a, target: {table: b}}\n",
        ["6:12: streams[1].name: 'a' is also the name of stream 1; change one"],
    ),
    "two streams with one table": (
        JOB + "streams:\n  - {name: a}\n  - {name: b}\n",
        ["6:5: streams[1].target.table: 'geo.cities' is also the table of stream 1; change one"],
    ),
    "no streams": (JOB + "streams: []\n", ["4:10: streams: the list is empty; it needs an entry"]),
    "a stream without a name": (JOB + "streams:\n  - {}\n", ["5:5: streams[0]: 'name' is missing"]),
    "a stream that is a word": (
        JOB + "streams: [a]\n",
        ["4:11: streams[0]: write a mapping here, such as {key: value}"],
    ),
    "retries by two names": (
        JOB + "retry: {max_retries: 1, max_attempts: 2}\n",
        ["4:8: retry: say `max_retries` or `max_attempts`, not both"],
    ),
    "an unknown log level": (
        JOB + "logging: {level: debug}\n",
        ["4:18: logging.level: 'debug' is not one of 'DEBUG', 'INFO', 'WARNING', 'ERROR' or 'CRITICAL'"],
    ),
    "several mistakes in the order of the file": (
        "tenat: a\nsource: {connector: csv, file: a.csv, headr: no}\ntarget: {connector: iceberg, mode: x}\n",
        [
            "1:1: contract: is missing; it is the path of a contract, or the contract itself",
            "1:1: tenat: unknown key 'tenat'; did you mean 'tenant'?",
            "2:39: source.headr: unknown key 'headr'; did you mean 'header'?",
            "3:1: target: 'table' is missing",
            "3:36: target.mode: 'x' is not one of 'append', 'overwrite', 'overwrite_partitions', 'merge' or 'scd2'",
        ],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_mistake_is_told_with_place_field_and_advice(folder, case):
    text, expected = CASES[case]
    here = str(Path.cwd())
    assert mistakes(text) == [f"job.yaml:{line}".replace("{cwd}", here) for line in expected]


def test_a_missing_job_is_told_by_name(folder):
    with pytest.raises(ConfigurationError, match=r"none\.yaml: there is no such file") as caught:
        load_job(Path("none.yaml"))
    assert caught.value.error_code == "NO_SUCH_FILE"


def test_one_bad_file_never_hides_the_others(folder):
    for name, text in {
        "a.yaml": JOB,
        "b.yaml": JOB.replace("geo.cities", "geo.b").replace("csv,", "cvs,"),
        "c.yaml": "source:\n\tconnector: csv\n",
        "d.yml": JOB.replace("geo.cities", "geo.d"),
        "e.yaml": "x: &x [*x]\n",
        "deep/er/f.yaml": JOB.replace("geo.cities", "geo.f"),
        ".hidden/g.yaml": "nonsense: [",
    }.items():
        written(text, f"jobs/{name}")
    Path("jobs/h.yaml").write_bytes(b"source: \xff\n")
    found = load_folder(Path("jobs"))
    assert [job.name for job in found.jobs] == ["a", "d", "f"]
    assert [problem.path.name for problem in found.problems] == ["b.yaml", "c.yaml", "e.yaml", "h.yaml"]
    assert all(problem.message.startswith(f"{problem.path}:") for problem in found.problems)


def test_what_is_no_job_may_lie_beside_jobs(folder):
    for name, text in {
        "job.yaml": JOB,
        "contract.yaml": CONTRACT + "target: {mode: strict}\n",
        "nested.yaml": "asset:\n  name: x\n  target: {}\n",
        "recipe.yaml": "name: csv\ntype: csv\ndefault_engine: {type: native}\n",
        "runner.yaml": "runner: {mode: oneshot}\n",
        "data.yaml": "- 1\n- 2\n",
        "other.yaml": "services: {}\n",
        "empty.yaml": "",
    }.items():
        written(text, f"jobs/{name}")
    assert load_folder(Path("jobs")) == LoadedFolder(jobs=(load_job(Path("jobs/job.yaml")),), problems=())


def test_a_file_that_claims_to_be_a_job_is_a_problem_when_it_is_none(folder):
    written("$schema: ../schemas/job.schema.json\nsorce: {}\n", "jobs/a.yaml")
    (problem,) = load_folder(Path("jobs")).problems
    assert "unknown key 'sorce'; did you mean 'source'?" in problem.message


def test_two_jobs_of_a_tenant_with_one_name_are_both_problems_and_the_rest_loads(folder):
    for name, table, tenant in (("a", "geo.a", "x"), ("b", "geo.b", "x"), ("c", "geo.c", "x"), ("d", "geo.d", "y")):
        same = "" if name == "c" else "name: same\n"
        written(JOB.replace("geo.cities", table) + same + f"tenant: {tenant}\n", f"jobs/{name}.yaml")
    found = load_folder(Path("jobs"))
    assert [(job.tenant, job.name) for job in found.jobs] == [("x", "c"), ("y", "same")]
    assert [problem.message for problem in found.problems] == [
        "jobs/a.yaml: the job 'same' of tenant 'x' is also in jobs/b.yaml; give one another `name`",
        "jobs/b.yaml: the job 'same' of tenant 'x' is also in jobs/a.yaml; give one another `name`",
    ]
    assert {problem.error.error_code for problem in found.problems} == {"DUPLICATE_JOB"}


def test_two_streams_with_one_table_are_both_problems(folder):
    written(JOB, "jobs/a.yaml")
    written(JOB + "streams: [{name: x}, {name: y, target: {table: geo.y}}]\n", "jobs/b.yaml")
    written(JOB + "tenant: other\n", "jobs/c.yaml")
    found = load_folder(Path("jobs"))
    assert [job.path.name for job in found.jobs] == ["c.yaml"]
    assert found.problems[0].message == (
        "jobs/a.yaml: the table 'geo.cities' of tenant 'default' is also in jobs/b.yaml; "
        "give one another `target.table`"
    )


def test_a_folder_that_is_not_there_is_told_by_name(folder):
    with pytest.raises(ConfigurationError, match="nowhere: there is no such folder of jobs"):
        load_folder(Path("nowhere"))


def test_a_contract_that_many_jobs_name_is_read_once(folder):
    written(JOB, "jobs/a.yaml")
    written(JOB.replace("geo.cities", "geo.b"), "jobs/b.yaml")
    a, b = load_folder(Path("jobs")).jobs
    assert a.streams[0].contract is b.streams[0].contract


def test_the_environment_of_the_process_is_used_when_none_is_given(folder, monkeypatch):
    monkeypatch.setenv("TABLE", "geo.from_process")
    assert load_job(written(JOB.replace("geo.cities", "'${TABLE}'"))).streams[0].target.table == "geo.from_process"


_word = st.sampled_from(
    [
        "a",
        "csv",
        "iceberg",
        "",
        "${X}",
        "$$",
        "a.b",
        "3",
        "-1",
        "true",
        "null",
        "~",
        "day(a)",
        "@daily",
        "[",
        "*x",
        "&x y",
    ]
) | st.text(max_size=8)
_defs = job_schema(built_in=True)["$defs"].values()
_key = st.sampled_from(
    sorted({"<<", "schema", "bucket", *(key for part in _defs for key in part.get("properties", ()))})
)
_tree = st.recursive(
    _word,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: f"[{', '.join(parts)}]")
        | st.dictionaries(_key, inner, max_size=5).map(
            lambda d: "{" + ", ".join(f"{k}: {v}" for k, v in d.items()) + "}"
        )
    ),
    max_leaves=12,
)
_base = st.sampled_from(
    [
        JOB.splitlines(),
        ["tenant_id: t", "source_connector: csv", "target_connector: iceberg", "asset_path: cities.contract.yaml"],
        [],
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(base=_base, extra=st.dictionaries(_key, _tree, max_size=4), strict=st.booleans())
def test_any_job_is_loaded_or_refused_with_a_configuration_error(folder, base, extra, strict):
    kept = [line for line in base if line.partition(":")[0] not in extra]
    text = "\n".join([*kept, *(f"{key}: {value}" for key, value in extra.items())])
    try:
        job = parse_job(parse_document(text, Path("job.yaml")), environment={}, strict_environment=strict)
    except ConfigurationError as error:
        assert error.message
    else:
        assert job.streams


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text())
def test_any_text_is_a_job_or_a_configuration_error(folder, text):
    try:
        parse_job(parse_document(text, Path("job.yaml")), environment=os.environ)
    except ConfigurationError as error:
        assert error.message.startswith("job.yaml:")


PLUGIN = """\
tenant: acme
source: {custom_reader: "api.py:Reader"}
target: {connector: parquet, path: out, table: a.b}
contract: cities.contract.yaml
"""


def test_a_plugin_needs_no_connector_and_its_target_no_table(folder):
    (stream,) = loaded(PLUGIN.replace("connector: parquet, path: out, table: a.b", 'custom_writer: "w.py:W"')).streams
    assert (stream.source.connector, stream.source.plugin) == ("plugin", "api.py:Reader")
    assert (stream.target.connector, stream.target.plugin, stream.target.table) == ("plugin", "w.py:W", "job")


def test_a_place_is_a_word_or_has_options(folder):
    def place(text):
        return loaded(PLUGIN.replace('Reader"', f'Reader", place: {text}')).streams[0].source.place

    assert place("process") == model.Place(launcher="process")
    assert place("{launcher: process, memory_mb: 512}") == model.Place(launcher="process", options={"memory_mb": 512})


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("proces", "there is no place 'proces'; did you mean 'process'?"),
        ("{launcher: process, memory_gb: 1}", "'memory_gb'"),
        ("{launcher: local, memory_mb: 1}", "'memory_mb'"),
    ],
)
def test_a_place_that_is_none_is_told_with_its_line(folder, place, why):
    (line,) = mistakes(PLUGIN.replace('Reader"', f'Reader", place: {place}'))
    assert line.startswith("job.yaml:2:")
    assert why in line


def test_what_is_built_in_has_no_place(folder):
    (line,) = mistakes(PLUGIN.replace('custom_reader: "api.py:Reader"', "connector: csv, files: [a], place: local"))
    assert "only a plugin has a place" in line


def test_the_options_of_a_table_are_checked_beside_those_of_its_custom_writer(folder):
    text = PLUGIN.replace("table: a.b", 'table: a.b, custom_writer: "w.py:W", engine: {options: {x: 1}}, pth: q')
    (line,) = mistakes(text)
    assert "'pth'" in line
