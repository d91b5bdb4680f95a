"""Connectors, plugins of both languages and examples pass one suite, in every place."""

from __future__ import annotations

import dataclasses
import uuid
from contextlib import ExitStack

import pytest

from dativo_ingest.testing import READER_CHECKS, WRITER_CHECKS, ReaderCase, Suite
from tests.conformance.exemptions import EXEMPTIONS
from tests.conformance.places import GROUPS, HERE, Kept, where
from tests.conformance.subjects import SUBJECTS

OF_OPENINGS = {"discovery_stable", "plan_repeats", "resumes", "batches_last", "nothing_left_open", "errors_coded"}
"""Checks of what one opening leaves to the next."""
OF_THE_HOST = {"memory_bounded", "memory_returned", "nothing_left_open"}
"""Checks that look at this process. Where the plugin is none of its children, one reader and one writer show it."""
OF_THE_CLOUD = {
    *("answers", "plan_is_json", "batches_valid", "values_promised", "rows_complete", "stops", "units_in_threads"),
    *("counts_true", "names_given", "values_kept", "abort_clears", "source_errors_pass", "errors_coded"),
}
"""What is asked in functions of AWS. They speak the protocol of the others, where the whole suite is asked."""
SEEN_BY = {"older ABI reader", "rust parquet_writer"}


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
            kept = None
            if isinstance(case, ReaderCase) and place.name not in HERE:
                kept = Kept(case.open_reader)
                stack.callback(kept.close)
                case = dataclasses.replace(case, open_reader=kept.opened)
            made[name, place.name] = Suite(case, EXEMPTIONS.get(name)), kept
        return made[name, place.name]

    with stack:
        yield get


def _parameters():
    for name, subject in SUBJECTS.items():
        for place in subject.places:
            checks = WRITER_CHECKS if "writer" in name else READER_CHECKS
            far = place in GROUPS and name not in SEEN_BY
            for check in checks:
                if (far and check.name in OF_THE_HOST) or (place == "aws_lambda" and check.name not in OF_THE_CLOUD):
                    continue
                marks = [pytest.mark.rust] if subject.rust else []
                marks += [pytest.mark.docker] if place in {"docker", "aws_lambda"} else []
                marks += [pytest.mark.integration] if place in GROUPS else []
                marks.append(pytest.mark.xdist_group(GROUPS.get(place, "conformance")))
                yield pytest.param(name, place, check.name, id=f"{name}-{place}-{check.name}", marks=marks)


@pytest.mark.parametrize(("name", "place", "check"), list(_parameters()))
def test_it_keeps_its_promise(name, place, check, suites, request):
    suite, kept = suites(name, where(place, request, native=SUBJECTS[name].rust))
    if kept:
        kept.fresh = check in OF_OPENINGS
    outcome = suite.outcome(check)
    assert outcome.status != "failed", f"{outcome.sentence}\n  seen: {outcome.remark}\n  do: {outcome.todo}"
    if outcome.status == "not applicable":
        assert "did not pass" not in outcome.remark


def test_every_exemption_has_a_subject_and_a_reason():
    assert set(EXEMPTIONS) <= set(SUBJECTS)
    assert all(len(reason) > 20 for reasons in EXEMPTIONS.values() for reason in reasons.values())
