"""The tables of `docs/places-tested.md`, made of what is run. ``python -m tests.conformance.tables`` prints them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from tests.conformance.faults import HOSTILE, PLACES, SUITE, Row, is_reason
from tests.conformance.subjects import SUBJECTS
from tests.conformance.test_conformance import checks_of_places

ALL_PLACES = ("local", "process", *PLACES)


def tables() -> dict[str, str]:
    """Give each table by the heading that it is under."""
    hostile = {f"A hostile {kind}": _faults(faults) for kind, faults in HOSTILE.items()}
    return {"Plugins": _plugins(), **hostile, "What the suite sees": _faults(SUITE)}


def _plugins() -> str:
    checks = Counter((name, place) for name, place, _ in checks_of_places())
    rows = []
    for name, subject in SUBJECTS.items():
        codes = {place: f"`{code}`" if code else "not shown" for place, (code, _) in subject.without.items()}
        rows.append([name, *(str(checks[name, place] or codes.get(place, "-")) for place in ALL_PLACES)])
    why = {f"{name}: {reason}" for name, subject in SUBJECTS.items() for _, reason in subject.without.values()}
    return "\n".join([*_table(["Plugin", *_named(ALL_PLACES)], rows), "", *(f"- {line}." for line in sorted(why))])


def _faults(faults: Mapping[str, Row]) -> str:
    rows = [[f"`{fault}`", *map(_told, row)] for fault, row in faults.items()]
    return "\n".join(_table(["Fault", *_named(PLACES)], rows))


def _told(said: str) -> str:
    return said if is_reason(said) or not said.isupper() else f"`{said}`"


def _named(places: Sequence[str]) -> list[str]:
    return [f"`{place}`" for place in places]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for cells in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    for heading, table in tables().items():
        print(f"## {heading}\n\n{table}\n")
