"""``python -m dativo_dagster.cli``."""

import sys

from dativo_dagster.cli import main

sys.exit(main())
