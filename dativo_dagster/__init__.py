"""dativo_dagster: YAML jobs become Dagster asset graphs that move data under contract."""

from __future__ import annotations

__version__ = "0.1.0"
