"""Hostile plugins in every place: each fault ends as the table says, hides no lost row, and harms nobody after."""

from __future__ import annotations

import contextlib
import uuid

import pytest

from dativo_ingest.exceptions import DativoError
from dativo_ingest.native import load_library
from tests.conformance.faults import HOSTILE, PLACES, ROWS, is_reason
from tests.conformance.hostility import IN_EVERY_CALL, NO_END, SECRET, Hostile, limits
from tests.conformance.left import left_behind
from tests.conformance.places import GROUPS, where
from tests.fakes import hostile
from tests.native import native_library
from tests.waiting import until

JOB = f"test_faults-{uuid.uuid4().hex[:12]}"
"""Of this session alone: others may use the engine, or were killed in it."""
TOO_SLOW = {"FUNCTION_TIMEOUT", "PLUGIN_HUNG", "PLUGIN_TIMEOUT"}


@pytest.fixture(scope="module")
def suite_folder():
    """Name a prefix in a bucket."""
    return f"faults-{uuid.uuid4().hex[:12]}"


def parameters():
    """Give each fault in each place that shows it."""
    for kind, faults in HOSTILE.items():
        for fault, row in faults.items():
            for place in PLACES:
                if is_reason(expected := getattr(row, place)):
                    continue
                marks = [pytest.mark.xdist_group(GROUPS[place]), pytest.mark.integration]
                marks += [pytest.mark.docker] if place != "gcp_functions" else []
                marks += [pytest.mark.rust] if "Rust" in kind else []
                yield pytest.param(kind, fault, place, expected, id=f"{kind}: {fault}, {place}", marks=marks)


@pytest.mark.parametrize(("kind", "fault", "place", "expected"), list(parameters()))
def test_a_fault_is_told_as_the_table_says_and_the_next_call_works(kind, fault, place, expected, request, tmp_path):
    there = where(place, request, native="Rust" in kind).options
    options = {**there, **limits(place, fault)}
    bad = Hostile(kind, place, options, tmp_path, JOB)
    if bad.when_loaded:
        bad = Hostile(kind, place, {**options, "environment": {"HOSTILE_INIT": fault}}, tmp_path, JOB)
    verb = bad.verb(fault)
    with contextlib.ExitStack() as stack:
        opened = found = error = None
        try:
            opened = stack.enter_context(bad.opened(verb, None if bad.when_loaded else fault))
            found = bad.ask(opened, verb)
        except DativoError as raised:
            error = raised
        if expected == ROWS:
            assert error is None
            assert [value for batch in found for value in batch.column(0).to_pylist()] == bad.rows(fault)
        else:
            assert error is not None, f"it passes, and gives {found}"
            assert error.error_code == expected, f"{error} {error.details}"
            assert SECRET not in f"{error}{error.details}"
        again = opened is not None and verb != "check" and fault not in IN_EVERY_CALL and not bad.when_loaded
        if again:
            checked(opened, fault)
    if not again:
        if place == "docker":  # elsewhere it would be another function
            options = {**there, **limits(place, "none")}
        with Hostile(kind, place, options, tmp_path, JOB).opened(verb) as honest:
            checked(honest, fault)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    until(lambda: left_behind(place, request, JOB) == [], 15)  # what was killed takes a moment


def checked(opened, fault):
    """Ask for a check; on a busy machine even that may break, a few times, a limit that a fault breaks soon."""
    tries = 5 if fault in NO_END else 1
    while True:
        try:
            return opened.check()
        except DativoError as error:  # noqa: PERF203 - it is asked again
            tries -= 1
            if not tries or error.error_code not in TOO_SLOW:
                raise


@pytest.mark.rust
def test_every_fault_of_the_hostile_plugins_is_in_the_table():
    in_python = {*hostile.FAULTS, *hostile.OTHER_FAULTS}
    assert in_python <= {*HOSTILE["reader in Python"], *HOSTILE["writer in Python"]}
    config = load_library(native_library("hostile")).spec()["roles"]["reader"]["config"]
    names = config["properties"]["engine"]["properties"]["options"]["properties"]["fault"]["enum"]
    assert set(names) - {"none"} == set(HOSTILE["library in Rust"])
