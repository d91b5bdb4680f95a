"""Whether how a stream is read suits how it is written. Called by `config.normal`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dativo_dagster.config.mistakes import Mistakes, nearest
from dativo_dagster.config.partitions import PARTED, partitions_of

if TYPE_CHECKING:
    from dativo_dagster.config.contract import Contract
    from dativo_dagster.config.document import Map, Mark
    from dativo_dagster.config.job import Incremental, Partitions, Source
    from dativo_dagster.config.streamfile import PartitionsFile, TargetFile

OF_FILES = frozenset({"file_modified_time", "spreadsheet_modified_time"})


@dataclass
class Together:
    """One stream as a whole. ``block`` is where it stands in the file, at ``at``; ``legacy`` as in `config.normal`."""

    mistakes: Mistakes
    block: Map
    at: tuple[str | int, ...]
    legacy: bool = False
    notes: tuple[str, ...] = ()

    def partitions(self, file: PartitionsFile | None, contract: Contract, read: Source) -> Partitions | None:
        """Give the parts that the stream is cut into; None without, or with what is wrong noted."""
        if file is None:
            return None
        try:
            made = partitions_of(file)
        except ValueError as error:
            self._wrong("partitions", str(error))
            return None
        columns = {f.name: f for f in contract.fields}
        if made.column not in columns:
            self._wrong(
                "partitions", f"the contract has no column {made.column!r}; {nearest(made.column, columns)}", "column"
            )
        if read.plugin or read.connector not in PARTED:
            self._wrong("partitions", f"{read.plugin or read.connector} cannot read a part of a stream by its rows")
        if read.incremental:
            self._wrong(
                "partitions",
                "a partitioned stream reads the window of its partition; drop `incremental`, or `partitions`",
            )
        # The same rule as the source's: the contract knows the zone of the column, or the source that of all of them.
        said = columns[made.column].timezone if made.column in columns else None
        return replace(made, clocks=said or str(read.options.get("timezone") or "UTC"))

    def read(self, read: Source, target: TargetFile, partitions: Partitions | None) -> Source:
        """Give the source as it is to be read, with what would lose or double rows noted."""
        rule = read.incremental
        if rule is None:
            return read
        if target.mode == "overwrite" and partitions is None:
            self._wrong(
                "target",
                "overwrite puts what a run reads in place of the whole table, and an incremental source reads only "
                "what is new: all older rows would be gone; use append, merge or overwrite_partitions, or drop "
                "`incremental`",
                "mode",
            )
        if target.mode != "append" or read.plugin or rule.strategy in OF_FILES:
            return read
        if self.legacy:
            return self._without_lookback(read, rule)
        if rule.lookback or rule.null_cursor == "include":
            self._wrong(
                "target",
                "a lookback, and NULL cursors that are included, read rows again that are in the table, and append "
                "would double them; use merge, scd2 or overwrite_partitions",
                "mode",
            )
        return read

    def _without_lookback(self, read: Source, rule: Incremental) -> Source:
        """Drop the lookback of an appending job, which the earlier system took and then never did."""
        if not rule.lookback:
            return read
        mark = self.block["source"].marks["incremental"][1]
        self.notes += (f"{mark}: lookback_days has no effect: an append would double the rows that it reads again",)
        return replace(read, incremental=replace(rule, lookback=0.0, lookback_days=0))

    def _wrong(self, side: str, why: str, *within: str) -> None:
        self.mistakes.add(self._mark(side), (*self.at, side, *within), why)

    def _mark(self, side: str) -> Mark:
        """Give where a side's block begins."""
        if side not in self.block:
            return self.block.mark
        return self.block[side].mark if side == "target" else self.block.marks[side][1]
