"""Jobs of the earlier system load unchanged and come to mean what they promised."""

from __future__ import annotations

from pathlib import Path

import pytest

from dativo_dagster.config import job as model
from dativo_dagster.config.load import load_folder, load_job
from dativo_ingest.exceptions import ConfigurationError

ASSET = """\
name: people
version: "1.0"
source_type: csv
object: People
domain: hr
dataProduct: staff
schema:
  - {name: id, type: integer, required: true}
  - {name: changed, type: timestamp}
team: {owner: hr@example.org}
"""
JOB = """\
tenant_id: acme
source_connector_path: connectors/csv.yaml
target_connector_path: connectors/iceberg.yaml
asset_path: people.yaml
source:
  files: [{path: data/people.csv, object: People}]
target:
  connection: {s3: {bucket: lake, endpoint: "${S3_ENDPOINT}"}}
"""
ENVIRONMENT = {"S3_ENDPOINT": "http://s3.test"}


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("people.yaml").write_text(ASSET)


def written(text: str, name: str = "job.yaml") -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def loaded(text: str, *, strict: bool = True, **environment: str) -> model.Job:
    return load_job(written(text), environment={**ENVIRONMENT, **environment}, strict_environment=strict)


def mistakes(text: str, **environment: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        loaded(text, **environment)
    return caught.value.message.split("\n")


def test_a_csv_job_reads_its_files_and_writes_the_folder_it_always_wrote():
    job = loaded(JOB)
    (stream,) = job.streams
    assert (job.name, job.tenant, stream.name, stream.object) == ("job", "acme", "job", "People")
    assert stream.source.connector == "csv"
    assert stream.source.options == {
        "files": [{"path": "data/people.csv", "object": "People"}],
        "chunk_size": 10000,
        "encoding": "utf-8",
        "delimiter": ",",
        "quote_char": '"',
        "null_values": ["", "NULL", "null"],
    }
    assert stream.source.incremental is None
    assert stream.target.connector == "parquet"
    assert stream.target.options == {
        "connection": {"s3": {"bucket": "lake", "endpoint": "http://s3.test"}},
        "path": "s3://lake/hr/staff/people",
    }
    assert stream.target.table == "hr.staff.people"
    assert [p.column for p in stream.target.partitioning] == ["ingest_date"]


def test_a_recipe_beside_the_job_lies_below_it_and_merges_one_level_deep():
    written(
        """\
name: my csv
type: csv
roles: [source]
description: Ours.
default_engine: {type: native, options: {encoding: latin-1, delimiter: ;}}
""",
        "connectors/csv.yaml",
    )
    source = loaded(JOB).streams[0].source
    assert (source.options["encoding"], source.options["delimiter"], source.description) == ("latin-1", ";", "Ours.")
    text = JOB.replace("source:\n", "source:\n  engine: {options: {native: {delimiter: '|', batch_size: 5}}}\n")
    source = loaded(text).streams[0].source
    assert "encoding" not in source.options
    assert (source.options["delimiter"], source.options["batch_size"]) == ("|", 5)


@pytest.mark.parametrize(
    "named", ["source_connector: csv", "source_connector_path: csv", "source_connector_path: x/csv.yml"]
)
def test_a_connector_by_name_needs_no_recipe(named):
    job = loaded(JOB.replace("source_connector_path: connectors/csv.yaml", named))
    assert job.streams[0].source.connector == "csv"


@pytest.mark.parametrize("spelled", ["$ASSETS/people.yaml", "${ASSETS}/people.yaml", "${NONE:-assets}/people.yaml"])
def test_paths_take_variables_of_the_old_kind_and_the_new(spelled):
    written(ASSET, "assets/people.yaml")
    assert loaded(JOB.replace("asset_path: people.yaml", f"asset_path: {spelled}"), ASSETS="assets").streams


def test_every_key_of_the_earlier_system_is_taken():
    job = loaded("""\
$schema: schemas/job-config.schema.json
tenant_id: acme
environment: prod
source_connector: csv
source_connector_path: connectors/csv.yaml
target_connector: iceberg
target_connector_path: connectors/iceberg.yaml
asset: people
asset_path: people.yaml
source:
  files: [{file: data/people.csv, object: People, id: p}]
  incremental: {strategy: file_modified_time, lookback_days: 3, state_path: .state/x.json}
  rate_limits: {rps: 7}
  objects: [People]
target:
  branch: main
  warehouse: s3://lake/
  file_format: parquet
  partitioning: [ingest_date, region]
  parquet_target_size_mb: 200
  connection: {bucket: flat, prefix: x, secure: false, path_style_access: true}
schema_validation_mode: warn
retry_config:
  max_attempts: 5
  retry_delay_seconds: 2
  max_delay_seconds: 30
  backoff_multiplier: 1.5
  retryable_exit_codes: [1, 2]
  retryable_error_patterns: ["timeout"]
  retryable_errors: [x]
logging: {level: WARNING, redaction: true}
catalog: {type: aws_glue, connection: {region: x}, database: d, table_name: t, push_lineage: false}
plugins: {sandbox: {enabled: true, cpu_limit: 0.5, memory_limit: 512m, network_disabled: true, timeout: 300}}
classification_overrides: {default: PII, id: internal}
finops: {cost_center: FR-1, business_tags: [a, b], project: p, environment: prod}
governance_overrides: {retention_days: 90, owner: x@example.org}
""")
    (stream,) = job.streams
    assert (job.environment, job.log_level, job.redact_logs, stream.validation.mode) == (
        "prod",
        "WARNING",
        True,
        "warn",
    )
    assert stream.source.incremental == model.Incremental(
        strategy="file_modified_time", lookback_days=3, lookback=259200, state_path=".state/x.json"
    )
    assert job.retry == model.Retry(
        max_retries=5, initial_delay_seconds=2, max_delay_seconds=30, backoff_multiplier=1.5
    )
    assert stream.target.file_size_bytes == 200 * 1024 * 1024
    assert stream.target.options["path"] == "s3://flat/hr/staff/people"
    assert [p.column for p in stream.target.partitioning] == ["ingest_date", "region"]
    assert job.sandbox is not None
    assert job.sandbox["memory_limit"] == "512m"
    assert set(job.governance) == {"classification_overrides", "finops", "governance_overrides"}
    assert job.catalog is not None
    assert job.catalog["database"] == "d"
    assert [note.partition(": ")[2] for note in job.notes] == [
        "retry_config.retryable_exit_codes has no effect: an error says if a retry may help",
        "retry_config.retryable_error_patterns has no effect: an error says if a retry may help",
        "retry_config.retryable_errors has no effect: an error says if a retry may help",
        "source.rate_limits has no effect on files",
        "source.objects has no effect on files",
        "lookback_days has no effect on files: one is read again when it has changed",
        "state_path has no effect: the state is in the table",
        "catalog has no effect: nothing is pushed to a metadata catalog in this version",
    ]


def test_a_fraction_of_a_second_is_a_delay():
    assert loaded(JOB + "retry_config: {initial_delay_seconds: 0.5}\n").retry.initial_delay_seconds == 0.5


@pytest.mark.parametrize("said", ["null", "{}"])
def test_an_empty_increment_is_none_even_when_the_recipe_has_one(said):
    assert loaded(JOB.replace("source:\n", f"source:\n  incremental: {said}\n")).streams[0].source.incremental is None


@pytest.mark.parametrize(
    ("recipe", "said", "strategy", "cursor"),
    [
        ("stripe", "{lookback_days: 7}", "created", "created"),
        ("hubspot", "{strategy: updated_after}", "updated_after", "updatedAt"),
        ("postgres", "{cursor_field: changed}", "updated_at", "changed"),
        ("csv", "{strategy: incremental}", "file_modified_time", None),
        ("postgres", "{strategy: full_refresh}", None, None),
    ],
)
def test_an_increment_inherits_from_its_recipe(recipe, said, strategy, cursor):
    text = JOB.replace("connectors/csv.yaml", recipe).replace("source:\n", f"source:\n  incremental: {said}\n")
    found = loaded(text).streams[0].source.incremental
    assert (found and found.strategy, found and found.cursor_field) == (strategy, cursor)


@pytest.mark.parametrize(
    ("recipe", "said", "why"),
    [
        ("postgres", "{strategy: updated_at}", "updated_at needs `cursor_field`"),
        ("postgres", "{strategy: cdc, cursor_field: x}", "postgres has no strategy 'cdc'; use updated_at"),
        ("csv", "{strategy: cdc}", "csv has no strategy 'cdc'; use file_modified_time"),
        ("csv", "{strategy: spreadsheet_modified_time}", "spreadsheet_modified_time needs `sheets`"),
        ("google_sheets", "{lookback_days: 1}", "spreadsheet_modified_time needs `sheets`"),
    ],
)
def test_an_increment_that_cannot_be_is_refused_where_it_stands(recipe, said, why):
    text = JOB.replace("connectors/csv.yaml", recipe).replace("source:\n", f"source:\n  incremental: {said}\n")
    (line,) = mistakes(text)
    assert line.startswith(f"job.yaml:6:16: source.incremental: {why}")


def test_a_connector_that_is_not_built_yet_loads_with_all_that_was_said():
    text = JOB.replace("connectors/csv.yaml", "stripe").replace(
        "files: [{path: data/people.csv, object: People}]", "objects: [a]"
    )
    source = loaded(text).streams[0].source
    assert (source.connector, source.options["objects"]) == ("stripe", ["a"])
    assert source.options["credentials"] == {"type": "api_key", "from_env": "STRIPE_API_KEY"}


def test_plugins_get_what_was_said_with_variables_in_place():
    job = loaded("""\
tenant_id: acme
source_connector_path: connectors/csv.yaml
target_connector_path: connectors/s3.yaml
asset_path: people.yaml
source:
  custom_reader: plugins/api.py:ApiReader
  connection: {base_url: "https://api.test", timeout: 30}
  credentials: {token: "${API_TOKEN}"}
  objects: [users]
  engine: {options: {page_size: 100, max_pages: null}}
target:
  custom_writer: plugins/out.py:JsonlWriter
  connection: {s3: {bucket: lake}}
  engine: {options: {format: jsonl}}
""", API_TOKEN="t0ken")  # fmt: skip
    source, target = job.streams[0].source, job.streams[0].target
    assert (source.plugin, target.plugin) == ("plugins/api.py:ApiReader", "plugins/out.py:JsonlWriter")
    assert source.options["credentials"] == {"token": "t0ken"}
    assert source.options["engine"]["options"] == {"page_size": 100, "max_pages": None}
    assert target.options["engine"]["options"] == {"format": "jsonl"}
    assert target.options["connection"]["s3"] == {"bucket": "lake"}


@pytest.mark.parametrize(
    ("catalog", "options"),
    [
        ("nessie", {"catalog": "nessie", "branch": "acme", "connection": {"nessie": {"uri": "http://n/api/v1"}}}),
        (
            "{type: rest, uri: http://c}",
            {
                "catalog": {"type": "rest", "uri": "http://c"},
                "branch": "acme",
                "connection": {"nessie": {"uri": "http://n/api/v1"}},
            },
        ),
    ],
)
def test_a_target_with_a_catalog_is_an_iceberg_table(catalog, options):
    written("name: i\ntype: iceberg\ndefault_engine: {type: native}\n", "connectors/iceberg.yaml")
    text = JOB.replace('{s3: {bucket: lake, endpoint: "${S3_ENDPOINT}"}}', "{nessie: {uri: http://n/api/v1}}")
    target = loaded(text + f"  catalog: {catalog}\n").streams[0].target
    assert (target.connector, target.table, target.options) == ("iceberg", "hr.people", options)


@pytest.mark.parametrize(
    ("recipe", "connection", "connector", "path"),
    [
        ("s3", "{bucket: a}", "s3", "s3://a/hr/staff/people"),
        ("minio", "{bucket: a}", "minio", "s3://a/hr/staff/people"),
        ("minio", "{minio: {bucket: b}, bucket: a}", "minio", "s3://b/hr/staff/people"),
        ("minio", "{}", "minio", "s3://of-minio/hr/staff/people"),
        ("iceberg", "{}", "parquet", "s3://of-minio/hr/staff/people"),
        ("postgres", "{bucket: a}", "parquet", "s3://a/hr/staff/people"),
    ],
)
def test_the_bucket_is_found_in_every_shape(recipe, connection, connector, path):
    text = JOB.replace("connectors/iceberg.yaml", recipe)
    text = text.replace('{s3: {bucket: lake, endpoint: "${S3_ENDPOINT}"}}', connection)
    target = loaded(text, MINIO_BUCKET="of-minio").streams[0].target
    assert (target.connector, target.options["path"]) == (connector, path)


def test_without_a_bucket_a_job_can_be_defined_and_not_run():
    text = JOB.replace("bucket: lake, ", "")
    assert mistakes(text) == [
        (
            "job.yaml:8:3: target.connection: there is no bucket: set target.connection.s3.bucket, or the environment "
            "variable S3_BUCKET"
        )
    ]
    assert loaded(text, strict=False).streams[0].target.options["path"] == "s3://${S3_BUCKET}/hr/staff/people"
    assert loaded(text, S3_BUCKET="b").streams[0].target.options["path"] == "s3://b/hr/staff/people"


def test_a_variable_in_a_recipe_is_told_at_its_place_there_unless_the_job_says_it():
    written(
        "name: s\ntype: s3\nconnection_template:\n  bucket: ${BUCKET}\n  endpoint: ${END}\n", "connectors/iceberg.yaml"
    )
    text = JOB.replace('{s3: {bucket: lake, endpoint: "${S3_ENDPOINT}"}}', "{bucket: lake}")
    (line,) = mistakes(text)
    assert line.startswith("connectors/iceberg.yaml:5:13: target.connection.endpoint: the environment variable END is")


def test_our_own_keys_may_stand_in_a_job_of_the_earlier_system():
    job = loaded(JOB + "name: people\nschedule: '@daily'\nowners: [team:hr]\nvalidation: quarantine\n")
    assert (job.name, job.schedule, job.streams[0].validation.mode) == (
        "people",
        model.Schedule(cron="@daily"),
        "quarantine",
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("tenant_id: acme\n", "", "1:1: 'tenant_id' is missing"),
        ("asset_path: people.yaml\n", "", "1:1: 'asset_path' is missing"),
        ("people.yaml", "nobody.yaml", "4:13: asset_path: there is no file 'nobody.yaml'"),
        ("connectors/csv.yaml", "connectors/cvs.yaml", "2:24: source_connector_path: there is no recipe"),
        ("source_connector_path: connectors/csv.yaml\n", "", "1:1: source_connector_path: is missing"),
        ("connectors/iceberg.yaml", "stripe", "3:24: target_connector_path: the recipe 'stripe' cannot be a target"),
        ("connectors/csv.yaml", "iceberg", "2:24: source_connector_path: the recipe 'iceberg' cannot be a source"),
        ("tenant_id: acme", "tenant_id: acme\ntenantid: x", "2:1: tenantid: unknown key 'tenantid'; did you mean"),
        ("  files:", "  filles:", "6:3: source.filles: unknown key 'filles'; did you mean 'files'?"),
        ("path: data/people.csv", "path: []", "6:18: source.files[0].path: write a text here"),
        ("[{path: data/people.csv, object: People}]", "x", "6:10: source.files: write a list here"),
        ("target:\n", "target: x\nx:\n", "7:9: target: write a mapping here"),
        ("${S3_ENDPOINT}", "${NONE}", "8:45: target.connection.s3.endpoint: the environment variable NONE is not set"),
        ("asset_path: people.yaml", "asset_path: ${NONE}", "4:13: asset_path: the environment variable NONE is not"),
        (
            "asset_path:",
            "schema_validation_mode: lax\nasset_path:",
            "4:25: schema_validation_mode: 'lax' is not one of",
        ),
        ("source:\n", "source:\n  type: oracle\n", "source.connector: there is no source 'oracle'"),
    ],
)
def test_a_mistake_is_told_with_its_place(old, new, message):
    lines = mistakes(JOB.replace(old, new))
    assert any(message in line for line in lines), lines


def test_a_contract_that_is_missing_is_one_mistake():
    (line,) = mistakes(JOB.replace("people.yaml", "nobody.yaml"))
    assert line.startswith("job.yaml:4:13: asset_path: there is no file 'nobody.yaml'")


def test_keys_that_the_earlier_system_dropped_are_noted():
    job = loaded(JOB.replace("source:\n", "source:\n  observability: {provider: aws}\n"))
    assert job.notes == ("job.yaml:6:3: source.observability has no effect",)


def test_a_folder_of_old_files_loads_its_jobs_alone():
    written(JOB.replace("people.yaml", "assets/people.yaml"), "jobs/acme/people.yaml")
    written(ASSET, "jobs/acme/assets/people.yaml")
    written("asset:\n  name: x\n", "jobs/acme/assets/nested.yaml")
    written("name: csv\ntype: csv\nroles: [source]\ndefault_engine: {type: native}\n", "jobs/connectors/csv.yaml")
    written("orchestrator: {schedules: []}\n", "jobs/runner.yaml")
    found = load_folder(Path("jobs"), environment={})
    assert ([job.name for job in found.jobs], found.problems) == (["people"], ())


def test_of_two_names_for_the_retries_the_older_one_rules():
    job = loaded(JOB + "retry_config: {max_retries: 2, max_attempts: 7, retryable_exit_codes: [1]}\n")
    assert job.retry.max_retries == 2
    assert [note.partition("retry_config.")[2].partition(" ")[0] for note in job.notes if "retry_config" in note] == [
        "retryable_exit_codes",
        "max_attempts",
    ]


def test_timestamps_of_the_earlier_system_are_clocks_in_utc():
    fields = {f.name: f for f in loaded(JOB).streams[0].contract.fields}
    assert {str(f.type): f.timezone for f in fields.values() if "timestamp" in str(f.type)} == {"timestamp": "UTC"}
