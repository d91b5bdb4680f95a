"""A target that a custom writer makes visible by itself, and the ledger in which we keep what was committed.

The ledger has the tokens that were committed, and the last cursor of each stream. It is written right after the
writer's own commit, so a crash between the two repeats that commit with the same token: exactly once only where the
writer's commit may be repeated (docs/guarantees.md).
"""

from dativo_dagster.tables.plugin.ledger import Ledger
from dativo_dagster.tables.plugin.table import Config, Table

__all__ = ["Config", "Ledger", "Table"]
