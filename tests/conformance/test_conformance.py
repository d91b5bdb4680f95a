"""Connectors, plugins of both languages and examples pass one suite, in every place."""

from __future__ import annotations

import uuid
from contextlib import ExitStack

import pytest

from dativo_ingest.exceptions import DativoError
from dativo_ingest.testing import READER_CHECKS, WRITER_CHECKS, ReaderCase, Suite
from tests.conformance.exemptions import EXEMPTIONS
from tests.conformance.places import GROUPS, HERE, where
from tests.conformance.shared import Shared, sharing
from tests.conformance.subjects import SUBJECTS

OF_THE_HOST = {"memory_bounded", "memory_returned", "nothing_left_open"}
"""Checks that look at this process. Where the plugin is none of its children, one reader and one writer show it."""
SEEN_BY = {("older ABI reader", "docker"), ("older ABI reader", "gcp_functions")}
SEEN_BY |= {("rust parquet_writer", "docker"), ("rust parquet_writer", "gcp_functions")}
"""Who shows it, and where: what is here of functions is the same for both clouds."""


@pytest.fixture(scope="module")
def suite_folder():
    """Name a prefix in a bucket."""
    return f"conformance-{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="module")
def suites():
    """The suite of a subject in a place, made when its first check is asked for."""
    made, stack = {}, ExitStack()

    def get(name, place):
        if (name, place.name) not in made:
            case = SUBJECTS[name].make(stack, place)
            if isinstance(case, ReaderCase) and place.name not in HERE:
                shared = Shared(case.open_reader)
                stack.callback(shared.close)
                made[name, place.name] = sharing(case, shared, EXEMPTIONS.get(name))
            else:
                made[name, place.name] = Suite(case, EXEMPTIONS.get(name))
        return made[name, place.name]

    with stack:
        yield get


def checks_of_places():
    """Give the names of each subject, of each place where it runs, and of each check that it is asked there."""
    for name, subject in SUBJECTS.items():
        for place in subject.places:
            far = place in GROUPS and (name, place) not in SEEN_BY
            for check in WRITER_CHECKS if "writer" in name else READER_CHECKS:
                if not (far and check.name in OF_THE_HOST):
                    yield name, place, check.name


def _checks():
    for name, place, check in checks_of_places():
        yield pytest.param(name, place, check, id=f"{name}-{place}-{check}", marks=_marks(SUBJECTS[name], place))


def _refusals():
    for name, subject in SUBJECTS.items():
        for place, (code, _) in subject.without.items():
            if code:
                yield pytest.param(name, place, code, id=f"{name}-{place}", marks=_marks(subject, place))


def _marks(subject, place):
    marks = [pytest.mark.rust] if subject.rust else []
    marks += [pytest.mark.docker] if place in {"docker", "aws_lambda"} else []
    marks += [pytest.mark.integration] if place in GROUPS else []
    return [*marks, pytest.mark.xdist_group(GROUPS.get(place, "conformance"))]


@pytest.mark.parametrize(("name", "place", "check"), list(_checks()))
def test_it_keeps_its_promise(name, place, check, suites, request):
    outcome = suites(name, where(place, request, native=SUBJECTS[name].native)).outcome(check)
    assert outcome.status != "failed", f"{outcome.sentence}\n  seen: {outcome.remark}\n  do: {outcome.todo}"
    if outcome.status == "not applicable":
        assert "did not pass" not in outcome.remark


@pytest.mark.parametrize(("name", "place", "code"), list(_refusals()))
def test_what_cannot_run_in_a_place_is_refused_there_with_a_code(name, place, code, request):
    with ExitStack() as stack:
        case = SUBJECTS[name].make(stack, where(place, request))
        try:
            opened = case.open_reader() if isinstance(case, ReaderCase) else case.open_writer(case.folder())
            told = stack.enter_context(opened).check().code
        except DativoError as error:
            told = error.error_code
    assert told == code


def test_every_exemption_has_a_subject_and_a_reason():
    assert set(EXEMPTIONS) <= set(SUBJECTS)
    assert all(len(reason) > 20 for reasons in EXEMPTIONS.values() for reason in reasons.values())
