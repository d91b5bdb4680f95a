"""How much the suite does: a little of everything in ``make test``, all of it in ``make test-reliability``."""

from __future__ import annotations

import os

FULL = os.environ.get("DATIVO_RELIABILITY") == "full"
