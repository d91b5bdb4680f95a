"""The entry point on AWS Lambda: handler ``dativo_ingest.functions.aws.lambda_handler``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dativo_ingest.functions.child import FORKS
from dativo_ingest.functions.handling import handle

FORKS.start()  # while Lambda starts the function it has a whole processor, and later a share of one


def lambda_handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Handle one event."""
    package = Path(os.environ.get("LAMBDA_TASK_ROOT", "."))
    return handle(event, remaining=lambda: context.get_remaining_time_in_millis() / 1000, package=package)
