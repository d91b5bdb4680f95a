"""What a target says of merging, held against its contract. Called by `config.normal`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dativo_dagster.config import types as lt
from dativo_dagster.config.job import Merge
from dativo_dagster.config.mistakes import Mistakes, nearest

if TYPE_CHECKING:
    from dativo_dagster.config.contract import Contract
    from dativo_dagster.config.document import Map
    from dativo_dagster.config.job import Source
    from dativo_dagster.config.streamfile import TargetFile

MODES = frozenset({"merge", "scd2"})
UNFIT_FOR_KEYS = frozenset({"float32", "double", "json"})
UNFIT_FOR_ORDER = frozenset({"boolean", "binary", "json", "uuid"})
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
        for column in key:
            self._fits("key", column, contract, "tell rows apart")
        if target.order_by is not None:
            self._fits("order_by", target.order_by, contract, "put rows in order")
        self._known("deleted_column", target.deleted_column, contract)
        if target.delete_missing and read.incremental:
            self._wrong(
                "delete_missing",
                "an incremental source reads only what is new: all older rows would be deleted; use `deleted_column`, "
                "or drop `incremental`",
            )
        history = target.history.model_dump() if target.history else {}
        made = Merge(
            key=key,
            order_by=target.order_by,
            deleted_column=target.deleted_column,
            delete_missing=target.delete_missing,
            **history,
        )
        if target.mode == "scd2":
            self._free(made, contract)
        return made

    def _known(self, name: str, column: str | None, contract: Contract) -> bool:
        columns = [f.name for f in contract.fields]
        if column is None or column in columns:
            return True
        self._wrong(name, f"the contract has no column {column!r}; {nearest(column, columns)}")
        return False

    def _fits(self, name: str, column: str, contract: Contract, purpose: str) -> None:
        """Note a column that there is not, or whose values cannot serve the purpose."""
        if not self._known(name, column, contract):
            return
        kind = next(f.type for f in contract.fields if f.name == column)
        unfit = UNFIT_FOR_KEYS if name == "key" else UNFIT_FOR_ORDER
        if isinstance(kind, (lt.List, lt.Map, lt.Struct)) or str(kind) in unfit:
            self._wrong(name, f"column {column!r} is {kind}, whose values cannot {purpose}")

    def _free(self, merge: Merge, contract: Contract) -> None:
        """Note names of history's columns that are taken."""
        added = (merge.valid_from, merge.valid_to, merge.is_current)
        taken = {f.name for f in contract.fields} & set(added)
        if taken or len(set(added)) < len(added):
            self._wrong(
                "history",
                f"scd2 adds the columns {', '.join(added)}, and "
                + (f"the contract has {', '.join(sorted(taken))} already" if taken else "two of them have one name")
                + "; give them other names: `history: {valid_from: ..., valid_to: ..., is_current: ...}`",
            )

    def _wrong(self, name: str, why: str) -> None:
        mark = self.block.marks[name][1] if name in self.block else self.block.mark
        self.mistakes.add(mark, (*self.at, name), why)
