"""From the short form of a job, already free of variables, to the `Job`. Called by `config.load`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from dativo_dagster import registry
from dativo_dagster.config.document import Document, Map, Mark
from dativo_dagster.config.incremental import DEFAULTS, incremental_of
from dativo_dagster.config.job import (
    PLUGIN,
    Evolution,
    Incremental,
    Job,
    JobStream,
    Merge,
    Place,
    Retry,
    Schedule,
    Source,
    Target,
    Validation,
)
from dativo_dagster.config.jobfile import JobFile, RetryFile
from dativo_dagster.config.merging import Merging
from dativo_dagster.config.mistakes import Mistakes, nearest, validated
from dativo_dagster.config.partitions import unlike
from dativo_dagster.config.placed import Placed, sandboxed
from dativo_dagster.config.streamfile import PartedFile, PlaceFile, SourceFile, StreamFile, TargetFile, ValidatedFile
from dativo_dagster.config.together import Together

if TYPE_CHECKING:
    from dativo_dagster.config.contract import Contract

Spot = tuple["str | int", ...]
_SHELF: dict[str, registry.Kind] = {"source": "connectors", "target": "tables"}
_MIB = 1024 * 1024
_UNKNOWN = {"source": "UNKNOWN_CONNECTOR", "target": "UNKNOWN_TABLE"}
RUN_DATE = "ingest_date"
OF_PLUGINS = ("engine", "credentials")
M = TypeVar("M", bound=BaseModel)


@dataclass
class Normal:
    """One job on its way to its final form.

    Args:
        document: The job in the short form.
        mistakes: Where to note what is wrong.
        contract: Reads a contract: gets its path or mapping, where it stands, and a name for one without.
        legacy: Whether the job was written for the earlier system. Then a connector that is not built yet is no
            mistake, nor is a partition column that the contract does not have: only a run needs them.
        notes: What of the file has no effect.
    """

    document: Document
    mistakes: Mistakes
    contract: Callable[[Any, Mark, Spot, str], Contract | None]
    legacy: bool = False
    notes: tuple[str, ...] = ()

    def job(self) -> Job | None:
        """Give the job, or None with what is wrong noted."""
        file = validated(JobFile, self.document, self.mistakes)
        streams = tuple(stream for stream in self._streams() if stream is not None)
        self._apart(streams)
        if odd := unlike(streams):
            place: Spot = ("streams", odd[0], "partitions")
            self.mistakes.add(self.document.mark(place), place, odd[1])
        if file is None or self.mistakes:
            return None
        sandbox = file.plugins.sandbox if file.plugins else None
        if file.catalog:
            mark = self.document.data.marks["catalog"][0]
            self.notes += (f"{mark}: catalog has no effect: nothing is pushed to a metadata catalog in this version",)
        return Job(
            name=file.name or self.document.path.stem,
            tenant=file.tenant,
            path=self.document.path,
            streams=streams,
            description=file.description,
            environment=file.environment,
            schedule=Schedule(**file.schedule.model_dump()) if file.schedule else None,
            retry=_retry(file.retry),
            owners=tuple(file.owners),
            tags=file.tags,
            log_level=file.logging.level,
            redact_logs=file.logging.redaction,
            sandbox=sandbox.model_dump() if sandbox else None,
            governance=_governance(file),
            catalog=file.catalog.model_dump() if file.catalog else None,
            parallelism=file.parallelism,
            notes=self.notes,
        )

    def _streams(self) -> Iterator[JobStream | None]:
        root: Map = self.document.data
        if "streams" not in root:
            yield self._stream(root, (), str(root.get("name") or self.document.path.stem))
            return
        shared = root.only("source", "target", "contract", "validation", "partitions")
        for i, own in enumerate(root["streams"] if isinstance(root["streams"], list) else ()):
            if not isinstance(own, Map):
                continue  # the model of the job says so
            block = own.over(shared, levels=2)
            if "contract" in own:
                block["contract"] = own["contract"]
            if validated(StreamFile, Document(self.document.path, own), self.mistakes, within=("streams", i)):
                yield self._stream(block, ("streams", i), str(own["name"]))

    def _stream(self, block: Map, at: Spot, name: str) -> JobStream | None:
        block = _with_plugins(block, name)
        source = self._side(SourceFile, block, (*at, "source"), ("connector",))
        target = self._side(TargetFile, block, (*at, "target"), ("connector", "table"))
        contract = self._contract(block, at, name)
        validated_as = self._part(ValidatedFile, block.only("validation"), at)
        parted = self._part(PartedFile, block.only("partitions"), at)
        options = [self._options(_map(block, side), (*at, side)) for side in ("source", "target")]
        if target and contract:
            self._columns(target, _map(block, "target"), (*at, "target"), contract)
        if not (source and target and contract and validated_as and parted):
            return None
        read = self._source(source, _map(block, "source"), (*at, "source"), options[0])
        merge = Merging(self.mistakes, target, _map(block, "target"), (*at, "target")).merge(contract, read)
        whole = Together(self.mistakes, block, at, legacy=self.legacy)
        partitions = whole.partitions(parted.partitions, contract, read)
        read = whole.read(read, target, partitions)
        self.notes += whole.notes
        return JobStream(
            name=name,
            source=read,
            target=_target(target, options[1], merge),
            contract=contract,
            validation=Validation(**validated_as.validation.model_dump()),
            partitions=partitions,
        )

    def _side(self, model: type[M], block: Map, at: Spot, needed: tuple[str, ...]) -> M | None:
        """Check one side of a stream, where connector and table must be said by now."""
        side = str(at[-1])
        if not isinstance(block.get(side, Map(block.mark)), Map):
            return None  # the model of the job says so
        said = _map(block, side)
        for key in needed:
            if said.get(key) is None:
                mark = block.marks[side][0] if side in block else block.mark
                plugin = {"source": "custom_reader", "target": "custom_writer"}[side]
                what = f"; a plugin is named by {plugin!r}" if key == "connector" else ""
                self.mistakes.add(mark, at, f"{key!r} is missing{what}")
        return self._part(model, said, at)

    def _part(self, model: type[M], data: Any, at: Spot) -> M | None:
        return validated(model, Document(self.document.path, data), self.mistakes, within=at)

    def _contract(self, block: Map, at: Spot, name: str) -> Contract | None:
        said = block.get("contract")
        if not said or not isinstance(said, (str, Map)):
            mark = block.marks["contract"][1] if "contract" in block else block.mark
            self.mistakes.add(
                mark, (*at, "contract"), "is missing; it is the path of a contract, or the contract itself"
            )
            return None
        return self.contract(said, block.marks["contract"][1], (*at, "contract"), name)

    def _source(self, file: SourceFile, block: Map, at: Spot, options: dict[str, Any]) -> Source:
        connector = file.connector or ""
        incremental = None
        if file.incremental is not None:
            ours = not file.custom_reader and connector in DEFAULTS
            try:
                incremental = incremental_of(file.incremental, connector, frozenset(block), ours=ours)
            except ValueError as error:
                self.mistakes.add(block.marks["incremental"][1], (*at, "incremental"), str(error))
            else:
                self._about(incremental, block.marks["incremental"][1], plugin=bool(file.custom_reader))
        return Source(
            connector=connector,
            options=options,
            incremental=incremental,
            plugin=file.custom_reader,
            place=_place(file.place),
            description=file.description,
        )

    def _about(self, incremental: Incremental | None, mark: Mark, *, plugin: bool) -> None:
        """Note what an increment says without effect."""
        if incremental and incremental.lookback_days and incremental.strategy == "file_modified_time":
            self.notes += (f"{mark}: lookback_days has no effect on files: one is read again when it has changed",)
        if incremental and incremental.state_path and not plugin:
            self.notes += (f"{mark}: state_path has no effect: the state is in the table",)

    def _columns(self, file: TargetFile, block: Map, at: Spot, contract: Contract) -> None:
        """See that the contract has the columns that the target names."""
        columns = [f.name for f in contract.fields]
        places: list[tuple[str, Mark, Spot]] = []
        if not self.legacy:
            places = [
                (partition.column, block["partitioning"].marks[i], (*at, "partitioning", i))
                for i, partition in enumerate(file.partitioning)
                if partition.column != RUN_DATE
            ]
        places += [
            (new, block["evolution"]["rename"].marks[old][1], (*at, "evolution", "rename", old))
            for old, new in file.evolution.rename.items()
        ]
        for column, mark, place in places:
            if column not in columns:
                self.mistakes.add(mark, place, f"the contract has no column {column!r}; {nearest(column, columns)}")

    def _options(self, block: Map, at: Spot) -> dict[str, Any]:
        """Give the options of a connector or table, held against its own model; a plugin's are its own affair."""
        side = str(at[-1])
        placed = Placed(self.document.path, self.mistakes, sandboxed(self.document.data))
        placed.side(block, at)
        own = (SourceFile if side == "source" else TargetFile).model_fields
        options = block.without(*own)
        connector = block.get("connector")
        if not isinstance(connector, str) or block.get("custom_reader") or connector == PLUGIN:
            pass
        elif connector in registry.entries(_SHELF[side]):
            aside = OF_PLUGINS if block.get("custom_writer") else ()
            placed.options(_SHELF[side], connector, options.without(*aside), at, list(own))
        elif not (self.legacy and side == "source" and connector in DEFAULTS):
            known = registry.entries(_SHELF[side])
            why = f"there is no {side} {connector!r}; {nearest(connector, known)}"
            self.mistakes.add(block.marks["connector"][1], (*at, "connector"), why, _UNKNOWN[side])
        return {key: _plain(value) for key, value in options.items()}

    def _apart(self, streams: tuple[JobStream, ...]) -> None:
        """See that no two streams have one name or write one table."""
        names: dict[str, int] = {}
        tables: dict[str, int] = {}
        for i, stream in enumerate(streams):
            for taken, value, what in ((names, stream.name, "name"), (tables, stream.target.table, "table")):
                first = taken.setdefault(value, i)
                if first != i:
                    place: Spot = ("streams", i, "name") if what == "name" else ("streams", i, "target", "table")
                    self.mistakes.add(
                        self.document.mark(place),
                        place,
                        f"{value!r} is also the {what} of stream {first + 1}; change one",
                    )


def _with_plugins(block: Map, name: str) -> Map:
    """Name the connector of a side that a plugin takes alone; such a target is named after its stream or job."""
    filled = block.without()
    for side, key in (("source", "custom_reader"), ("target", "custom_writer")):
        said = _map(block, side)
        if said.get(key) is None:
            continue
        said = said.without()
        if said.get("connector") is None:
            said.put("connector", PLUGIN, said.marks[key])
        if side == "target" and said["connector"] == PLUGIN and said.get("table") is None:
            said.put("table", re.sub(r"[^\w-]", "_", name), said.marks[key])
        filled.put(side, said, block.marks[side])
    return filled


def _place(file: PlaceFile | None) -> Place | None:
    return None if file is None else Place(launcher=file.launcher, options=dict(file.model_extra or {}))


def _map(block: Map, key: str) -> Map:
    return block[key] if isinstance(block.get(key), Map) else Map(block.mark)


def _target(file: TargetFile, options: dict[str, Any], merge: Merge | None) -> Target:
    return Target(
        connector=file.connector or "",
        options=options,
        table=file.table or "",
        mode=file.mode,
        merge=merge,
        audited=file.publish == "audited",
        partitioning=tuple(file.partitioning),
        evolution=Evolution(**file.evolution.model_dump()),
        file_size_bytes=int(file.file_size_mb * _MIB),
        compression=file.compression,
        plugin=file.custom_writer,
        place=_place(file.place),
        description=file.description,
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Map):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, str) else value


def _retry(file: RetryFile) -> Retry:
    first = file.initial_delay_seconds
    return Retry(
        max_retries=next((n for n in (file.max_retries, file.max_attempts) if n is not None), Retry.max_retries),
        initial_delay_seconds=file.retry_delay_seconds if first is None else first,
        max_delay_seconds=file.max_delay_seconds,
        backoff_multiplier=file.backoff_multiplier,
    )


def _governance(file: JobFile) -> dict[str, dict[str, Any]]:
    said = {
        "classification_overrides": file.classification_overrides,
        "finops": file.finops.model_dump(exclude_unset=True) if file.finops else {},
        "governance_overrides": file.governance_overrides.model_dump(exclude_unset=True)
        if file.governance_overrides
        else {},
    }
    return {key: value for key, value in said.items() if value}
