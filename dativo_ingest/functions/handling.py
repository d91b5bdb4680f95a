"""One request, handled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def handle(request: Mapping[str, Any], *, remaining: Callable[[], float]) -> dict[str, Any]:
    """Run the verb that is asked for and give the reply; whatever goes wrong is in the reply.

    Args:
        request: As the package describes it.
        remaining: Gives the seconds that are left to this invocation.
    """
    raise NotImplementedError
