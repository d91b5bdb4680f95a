"""Connectors, plugins of both languages and examples pass one suite, in every place."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from dativo_ingest.testing import READER_CHECKS, WRITER_CHECKS, Suite
from tests.conformance.exemptions import EXEMPTIONS
from tests.conformance.subjects import SUBJECTS


@pytest.fixture(scope="module")
def suites():
    """The suite of a subject in a place, made when its first check is asked for."""
    made, stack = {}, ExitStack()

    def get(name, place):
        if (name, place) not in made:
            case = SUBJECTS[name].make(stack, place)
            made[name, place] = Suite(case, EXEMPTIONS.get(name))
        return made[name, place]

    with stack:
        yield get


def _parameters():
    for name, subject in SUBJECTS.items():
        for place in subject.places:
            checks = WRITER_CHECKS if "writer" in name else READER_CHECKS
            for check in checks:
                marks = [pytest.mark.rust] if subject.rust else []
                marks += [pytest.mark.docker, pytest.mark.integration] if place == "docker" else []
                marks.append(pytest.mark.xdist_group("docker" if place == "docker" else "conformance"))
                yield pytest.param(name, place, check.name, id=f"{name}-{place}-{check.name}", marks=marks)


@pytest.mark.parametrize(("name", "place", "check"), list(_parameters()))
def test_it_keeps_its_promise(name, place, check, suites, request):
    if place == "docker":
        request.getfixturevalue("base_images")
    outcome = suites(name, place).outcome(check)
    assert outcome.status != "failed", f"{outcome.sentence}\n  seen: {outcome.remark}\n  do: {outcome.todo}"
    if outcome.status == "not applicable":
        assert "did not pass" not in outcome.remark


def test_every_exemption_has_a_subject_and_a_reason():
    assert set(EXEMPTIONS) <= set(SUBJECTS)
    assert all(len(reason) > 20 for reasons in EXEMPTIONS.values() for reason in reasons.values())
