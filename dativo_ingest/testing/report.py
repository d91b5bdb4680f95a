"""What came of a whole suite: a table for people, JSON for machines, an exit code for both."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from dativo_ingest.model import Value
from dativo_ingest.testing.checks import Outcome, Status  # noqa: TC001 - `from_json` reads the annotations

WIDTH = 110
_MARKS: dict[Status, str] = {"passed": "ok", "failed": "FAILED", "not applicable": "-", "exempt": "exempt"}


@dataclass(frozen=True, kw_only=True)
class Report(Value):
    """All outcomes of one case, in the order of the suite."""

    subject: str
    outcomes: tuple[Outcome, ...]

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """Give the outcomes that did not hold."""
        return tuple(o for o in self.outcomes if o.status == "failed")

    @property
    def exit_code(self) -> int:
        """Give 0 when nothing failed, 1 when a check failed, 2 when the plugin could not be tested at all."""
        if not self.failed:
            return 0
        return 1 if any(o.status == "passed" for o in self.outcomes) else 2

    def summary(self) -> str:
        """Count the outcomes in one line."""
        counts = Counter(o.status for o in self.outcomes)
        said = [f"{counts[status]} {status}" for status in _MARKS if counts[status]]
        return f"{self.subject}: {', '.join(said)}"

    def text(self) -> str:
        """Give the report as a person reads it; what failed says why it matters and what to do."""
        width = max((len(o.name) for o in self.outcomes), default=0)
        lines = [line for outcome in self.outcomes for line in _lines(outcome, width)]
        return "\n".join([*lines, self.summary()])


def _lines(outcome: Outcome, width: int) -> Iterator[str]:
    yield f"{_MARKS[outcome.status]:6}  {outcome.name:{width}}  {outcome.sentence}"
    told = [outcome.remark] if outcome.remark else []
    if outcome.status == "failed":
        told += [f"do: {outcome.todo}"]
        told += [f"why: {outcome.why}"] if outcome.why else []
    indent = " " * (8 + width + 2)
    for text in told:
        yield from textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent + "  ")
