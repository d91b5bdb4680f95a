"""The public surface is a list: changing it is a decision, and shows in a diff."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

import dativo_dagster
import dativo_ingest
from dativo_dagster import registry

SDK = """
AuthenticationError BaseReader BaseWriter CheckResult Column CommitError ConfigurationError ConnectionError
ConnectionTestResult Counts Cursor DataFile DativoError DiscoveryResult JobResult Launcher NetworkError PluginError
PluginLoader PluginRef PluginVersionError Progress RateLimitError Reader SandboxError SchemaChange SecretManager
Snapshot Staged State Stream StreamResult Table TransientError Unit ValidationError Violation Window Writer
WriterPlugin __version__ get_error_code is_retryable_error wrap_exception
"""
CONNECTORS = "adbc csv files json mariadb mysql parquet postgres sqlalchemy"
TABLES = "delta duckdb files gcs iceberg minio parquet plugin postgres s3"


def test_the_sdk_exports_these_names_and_no_others():
    assert sorted(dativo_ingest.__all__) == sorted(SDK.split())


def test_each_exported_name_is_there():
    assert all(getattr(dativo_ingest, name) is not None for name in dativo_ingest.__all__)
    assert set(dativo_ingest.__all__) <= set(dir(dativo_ingest))


def test_these_connectors_and_tables_can_be_named_in_a_job():
    assert sorted(registry.ENTRIES["connectors"]) == CONNECTORS.split()
    assert sorted(registry.ENTRIES["tables"]) == TABLES.split()


def test_both_packages_say_their_version_and_that_they_are_typed():
    for package in (dativo_dagster, dativo_ingest):
        assert package.__version__.count(".") == 2
        assert (Path(package.__path__[0]) / "py.typed").exists()


def test_the_command_has_its_old_name_too():
    scripts = {p.name: p.value for p in entry_points(group="console_scripts") if p.name.startswith("dativo")}
    assert scripts == {"dativo": "dativo_dagster.cli:main", "dativo-ingest": "dativo_ingest.cli:main"}
