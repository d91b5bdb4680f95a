"""The conformance suite: what every plugin promises, as checks that anybody can run.

It knows nothing of the language or the place of a plugin: it opens a reader or a writer, calls it as the platform does
and looks at what comes. The checks are in `reader_checks`, `reader_conduct`, `writer_checks` and `writer_conduct`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dativo_ingest.exceptions import ConfigurationError
from dativo_ingest.testing import reader_checks, reader_conduct, writer_checks, writer_conduct
from dativo_ingest.testing.cases import ReaderCase
from dativo_ingest.testing.checks import Outcome, carry_out
from dativo_ingest.testing.report import Report

if TYPE_CHECKING:
    from dativo_ingest.testing.cases import Case
    from dativo_ingest.testing.checks import Check

READER_CHECKS: tuple[Check, ...] = (*reader_checks.CHECKS, *reader_conduct.CHECKS)
WRITER_CHECKS: tuple[Check, ...] = (*writer_checks.CHECKS, *writer_conduct.CHECKS)


def checks_of(case: Case) -> tuple[Check, ...]:
    """Give the checks for a case."""
    return READER_CHECKS if isinstance(case, ReaderCase) else WRITER_CHECKS


def run(case: Case, *, subject: str = "plugin", exempt: Mapping[str, str] | None = None) -> Report:
    """Carry out all checks.

    Args:
        case: The plugin and what its author states.
        subject: What the report calls it.
        exempt: Names of checks that are left out, each with the reason.

    Raises:
        ConfigurationError: ``BAD_EXEMPTION``, an exemption names no check or gives no reason.
    """
    suite = Suite(case, exempt)
    return Report(subject=subject, outcomes=tuple(suite.outcome(c.name) for c in checks_of(case)))


class Suite:
    """The checks of one case, each carried out once and when first asked for."""

    def __init__(self, case: Case, exempt: Mapping[str, str] | None = None) -> None:
        self.case = case
        self.checks = {c.name: c for c in checks_of(case)}
        self.exempt = dict(exempt or {})
        self._outcomes: dict[str, Outcome] = {}
        self._blocked: set[str] = set()
        _look_at_exemptions(self.exempt, self.checks)

    def outcome(self, name: str) -> Outcome:
        """Give the outcome of one check; what it needs is carried out before it."""
        if name not in self._outcomes:
            self._outcomes[name] = self._carry_out(self.checks[name])
        return self._outcomes[name]

    def _carry_out(self, check: Check) -> Outcome:
        if check.name in self.exempt:
            return _without(check, "exempt", self.exempt[check.name])
        for name in check.needs:
            if self.outcome(name).status == "failed" or name in self._blocked:
                self._blocked.add(check.name)
                return _without(check, "not applicable", f"needs {name}, which did not pass")
        return carry_out(check, self.case, seconds=self.case.seconds, secrets=self.case.secrets)


def _without(check: Check, status: str, remark: str) -> Outcome:
    return Outcome.from_json(
        {"name": check.name, "sentence": check.sentence, "why": check.why, "status": status, "remark": remark}
    )


def _look_at_exemptions(exempt: Mapping[str, str], known: Mapping[str, Check]) -> None:
    for name, reason in exempt.items():
        if name not in known:
            said = f"there is no check {name!r}; there are {', '.join(known)}"
        elif not str(reason).strip():
            said = f"the exemption from {name!r} has no reason; write why the plugin cannot keep this promise"
        else:
            continue
        raise ConfigurationError(said, "BAD_EXEMPTION", {"check": name})
