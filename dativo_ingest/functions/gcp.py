"""The entry point on Google Cloud Functions: ``main.py`` of a package imports `entry` from here."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from dativo_ingest.functions.handling import PROTOCOL, handle
from dativo_ingest.worker.errors import error_to_json

Response = tuple[str, int, dict[str, str]]

_JSON = {"Content-Type": "application/json"}


def entry(request: Any) -> Response:
    """Handle one HTTP request of flask's. Every error is a reply: the cloud itself has no shape for them."""
    began = time.monotonic()
    try:
        asked = json.loads(request.get_data())
        seconds = float(asked["limits"]["seconds"])  # the cloud does not tell how long an invocation may still take
        reply = handle(asked, remaining=lambda: seconds - (time.monotonic() - began), package=Path.cwd())
    except BaseException as error:  # noqa: BLE001 - see above
        reply = {"dativo": PROTOCOL, "error": error_to_json(error, "that was asked for"), "logs": []}
    return json.dumps(reply), 200, _JSON
