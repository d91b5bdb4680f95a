"""The table of attacks is whole: whoever adds an attack says there which test it fails in."""

from __future__ import annotations

import re
from pathlib import Path

from tests.fakes.escapes import ATTACKS, CALLS

PAGE = Path(__file__).parents[2] / "docs" / "guarantees.md"


def test_every_attack_is_in_the_table_of_promises():
    table = PAGE.read_text().split("### What a plugin tries in a container")[1].split("\n## ")[0]
    assert {*ATTACKS, *CALLS} - set(re.findall(r"`(\w+)`", table)) == set()
