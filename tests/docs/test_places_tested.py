"""What `docs/places-tested.md` says is run is what is run: each of its tables is made of the parameters of tests."""

from __future__ import annotations

from pathlib import Path

from tests.conformance.tables import tables

PAGE = Path(__file__).parents[2] / "docs" / "places-tested.md"


def test_the_tables_are_what_is_run():
    sections = dict(part.split("\n", 1) for part in PAGE.read_text().replace("\n### ", "\n## ").split("\n## ")[1:])
    wrong = [heading for heading, table in tables().items() if f"\n{table}\n" not in f"{sections[heading]}\n"]
    assert wrong == [], "python -m tests.conformance.tables prints them as they should be"
