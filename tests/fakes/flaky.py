"""A catalog that loses answers, for tests of commits."""

from __future__ import annotations

from typing import Any


class Flaky:
    """A catalog whose next commits go wrong: each step says whether the commit lands before the error is raised."""

    def __init__(self, catalog: Any, steps: Any) -> None:
        self.catalog, self.steps, self.commits = catalog, list(steps), 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.catalog, name)

    def load_table(self, identifier: str) -> Any:
        table = self.catalog.load_table(identifier)
        table.catalog = self
        return table

    def create_table_transaction(self, *args: Any, **more: Any) -> Any:
        transaction = self.catalog.create_table_transaction(*args, **more)
        transaction._table.catalog = self
        return transaction

    def commit_table(self, table: Any, requirements: Any, updates: Any) -> Any:
        self.commits += 1
        lands, error = self.steps.pop(0) if self.steps else (True, None)
        answer = self.catalog.commit_table(table, requirements, updates) if lands else None
        if error:
            raise error
        return answer
