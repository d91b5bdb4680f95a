"""The ctypes resource, on libraries in C that count what is released."""

from __future__ import annotations

import ctypes
from contextlib import ExitStack

import dagster as dg
import pyarrow as pa
import pytest

from dativo_dagster.orchestration.build import build_definitions
from dativo_dagster.orchestration.libraries import NativeLibraryResource
from dativo_ingest.exceptions import PluginVersionError
from dativo_ingest.model import Stream
from tests.clibrary import c_library

STREAM = Stream(name="s")
CONFIG = {"source": {}, "stream": STREAM.to_json(), "tenant": "t", "job": "j", "base": "/", "object_store": {}}


@pytest.fixture
def counts():
    """Give a counter of the library as it is now."""
    library = ctypes.CDLL(str(c_library("v1")))
    return lambda name: ctypes.c_int.in_dll(library, name).value


def materialize(body, path):
    """Run an asset that gets the resource as ``native``."""

    @dg.asset
    def asset(native: NativeLibraryResource) -> None:
        body(native)

    return dg.materialize([asset], resources={"native": NativeLibraryResource(path=str(path))}, raise_on_error=False)


def test_an_asset_reads_arrow_from_a_library(counts):
    seen, before = [], counts("instances_released")

    def read(native):
        with native.reader(CONFIG) as reader:
            (unit,) = reader.split(STREAM, None).units
            seen.extend(pa.record_batch(batch).num_rows for batch in reader.read(STREAM, unit))

    assert materialize(read, c_library("v1")).success
    assert sum(seen) > 0
    assert counts("instances_released") > before


def test_resources_of_one_library_share_it():
    path = str(c_library("v1"))
    assert NativeLibraryResource(path=path).loaded() is NativeLibraryResource(path=path).loaded()


@pytest.mark.parametrize("fails", [False, True])
def test_what_an_asset_left_open_is_released_with_the_resource(counts, fails):
    left = ExitStack()
    opened, released = counts("opened"), counts("instances_released")

    def leave(native):
        left.enter_context(native.reader(CONFIG))
        assert counts("opened") > opened
        if fails:
            raise ValueError

    assert materialize(leave, c_library("v1")).success is not fails
    assert counts("opened") - opened == counts("instances_released") - released
    left.close()
    assert counts("opened") - opened == counts("instances_released") - released


def test_a_library_of_another_abi_fails_the_step_that_uses_it_naming_both_versions():
    future = c_library("v1", "VERSION=7")
    with pytest.raises(PluginVersionError, match=r"version 7 .*versions 1 to 1"):
        NativeLibraryResource(path=str(future)).loaded()
    result = materialize(lambda native: native.spec(), future)
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    assert "version 7" in failed.step_failure_data.error.cause.message
    assert materialize(lambda _: None, future).success


# Dagster calls its own deprecated property when one resource is inside another.
nested = pytest.mark.filterwarnings("ignore:InitResourceContext.dagster_run is deprecated")


@pytest.fixture
def native_job(folder, write_job):
    """Write a job that reads with a library in the process of the run."""

    def write(library):
        path = write_job()
        text = path.read_text().replace("connector: csv", f'custom_reader: "{library}:create_reader", place: local')
        start, end = text.index("  schema:"), text.index("\n\n", text.index("  schema:"))
        path.write_text(text[:start] + "  schema: [{name: n, type: int64}]" + text[end:])
        return build_definitions(folder).resolve_job_def("ingest__acme__orders")

    return write


@nested
def test_a_job_reads_with_a_library_and_releases_it(native_job, instance, counts):
    opened, released = counts("opened"), counts("instances_released")
    assert native_job(c_library("v1")).execute_in_process(instance=instance).success
    assert counts("opened") > opened
    assert counts("opened") - opened == counts("instances_released") - released


@nested
def test_a_job_whose_library_is_of_another_abi_fails_in_its_first_step_with_a_code(native_job, instance):
    job = native_job(c_library("v1", "VERSION=7"))
    result = job.execute_in_process(instance=instance, raise_on_error=False)
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    assert failed.step_key.endswith(".plan")
    assert failed.step_failure_data.user_failure_data.metadata["error"].value == "PluginVersionError"
