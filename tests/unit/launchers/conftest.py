"""What tests of child processes share."""

from collections.abc import Iterator

import pytest

from tests.fakes.children import nothing_left


@pytest.fixture
def no_child_left() -> Iterator[None]:
    """See that no child process outlives a test."""
    with nothing_left():
        yield
