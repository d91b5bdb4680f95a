"""What a target says of merging, held against its contract. Called by `config.normal`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dativo_dagster.config.job import Merge
from dativo_dagster.config.mistakes import Mistakes, nearest

if TYPE_CHECKING:
    from dativo_dagster.config.contract import Contract
    from dativo_dagster.config.document import Map
    from dativo_dagster.config.job import Source
    from dativo_dagster.config.jobfile import TargetFile

MODES = frozenset({"merge", "scd2"})
OF_MERGE = ("key", "order_by", "deleted_column", "delete_missing", "history")


@dataclass
class Merging:
    """One target that may merge. ``block`` is where it stands in the file, at ``at``."""

    mistakes: Mistakes
    target: TargetFile
    block: Map
    at: tuple[str | int, ...]

    def merge(self, contract: Contract, read: Source) -> Merge | None:
        """Give how rows meet those that are there; None in other modes, or with what is wrong noted."""
        target = self.target
        if target.mode not in MODES:
            for name in OF_MERGE:
                if name in self.block:
                    self._wrong(name, f"{name!r} is for the modes merge and scd2, and this is {target.mode}")
            return None
        key = tuple(target.key or [f.name for f in contract.fields if f.primary_key])
        if not key:
            self._wrong("mode", f"{target.mode} needs `key`, or a primary key in the contract")
            return None
        for name, column in (*(("key", c) for c in key), ("order_by", target.order_by)):
            self._known(name, column, contract)
        self._known("deleted_column", target.deleted_column, contract)
        if target.delete_missing and read.incremental:
            self._wrong(
                "delete_missing",
                "an incremental source reads only what is new: all older rows would be deleted; use `deleted_column`, "
                "or drop `incremental`",
            )
        history = target.history.model_dump() if target.history else {}
        return Merge(
            key=key,
            order_by=target.order_by,
            deleted_column=target.deleted_column,
            delete_missing=target.delete_missing,
            **history,
        )

    def _known(self, name: str, column: str | None, contract: Contract) -> None:
        columns = [f.name for f in contract.fields]
        if column is not None and column not in columns:
            self._wrong(name, f"the contract has no column {column!r}; {nearest(column, columns)}")

    def _wrong(self, name: str, why: str) -> None:
        mark = self.block.marks[name][1] if name in self.block else self.block.mark
        self.mistakes.add(mark, (*self.at, name), why)
