"""Old import path of the command line: forwards to the platform's."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from dativo_ingest.doorways import command_line
from dativo_ingest.exceptions import ConfigurationError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `dativo` and give its exit code; 2 when the platform is not installed."""
    try:
        return command_line(arguments)
    except ConfigurationError as error:
        sys.stderr.write(f"ERROR: {error.message}\n")
        return 2


if __name__ == "__main__":
    raise SystemExit(main())
