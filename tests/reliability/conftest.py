"""Targets by name, those included that need a server."""

from __future__ import annotations

import pytest

from tests.reliability.deliveries import TARGETS, postgres


@pytest.fixture
def target_named(request):
    """Give a function from the name of a target to the target, with a database of its own where it is one."""

    def find(name):
        if name == "postgres":
            url = request.getfixturevalue("pg").create_database()
            return postgres(url.replace("postgresql+psycopg2:", "postgresql:"))
        return TARGETS[name]

    return find
