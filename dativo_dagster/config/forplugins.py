"""What a plugin is told: a job's source or target as the plain data that crosses to where the plugin runs.

The shapes are those of `dativo_ingest.opening`; the words for types and the keys of an asset are the earlier system's,
so that its plugins find what they expect.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dativo_dagster.config.job import PLUGIN
from dativo_dagster.config.paths import resolve_path
from dativo_ingest.model import Column, Stream
from dativo_ingest.statefile import FROM_FILE

if TYPE_CHECKING:
    from dativo_dagster.config.contract import Contract, Field
    from dativo_dagster.config.job import Incremental, Job, JobStream

STATE_ENV = "STATE_DIR"
STATE_FOLDER = ".local/state"
_WORDS = {
    **dict.fromkeys(("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"), "integer"),
    "float32": "double",
    "json": "string",
    "uuid": "string",
}


def source_stream(stream: JobStream) -> Stream:
    """Give a stream as its reader sees it."""
    return Stream(
        name=stream.object,
        columns=columns(stream.contract),
        primary_key=stream.contract.primary_key,
        cursor_field=stream.source.incremental.cursor_field if stream.source.incremental else None,
    )


def columns(contract: Contract) -> tuple[Column, ...]:
    """Give the columns of a contract."""
    return tuple(
        Column(name=f.name, type=str(f.type), nullable=not f.required, description=f.description)
        for f in contract.fields
    )


def reader_config(job: Job, stream: JobStream, object_store: Mapping[str, Any]) -> dict[str, Any]:
    """Give the configuration of a stream's custom reader; ``object_store`` is what reaches the stores it names."""
    source = stream.source
    options = {**source.options, "type": source.options.get("type") or source.connector}
    if options["type"] == PLUGIN:
        options["type"] = "custom"
    if ".py:" in str(source.plugin) and isinstance(options.get("files"), (list, tuple)):
        options["files"] = [_found(file, job.path.parent) for file in options["files"]]
    if source.incremental is not None:
        options["incremental"] = _incremental(job, stream, source.incremental)
    return {"source": options, "stream": source_stream(stream).to_json(), **_common(job, object_store)}


def writer_config(
    job: Job, stream: JobStream, object_store: Mapping[str, Any], *, output_base: str, commits: bool
) -> dict[str, Any]:
    """Give the configuration of a stream's custom writer.

    Args:
        job: The job.
        stream: The stream.
        object_store: What reaches the stores that the target names.
        output_base: Where a writer that commits by itself puts its files: a plain path, or a URI of a bucket.
        commits: Whether it does; else the job's table commits its files.
    """
    target = stream.target
    options = {**target.options, "type": target.options.get("type") or target.connector}
    if options["type"] == PLUGIN:
        options["type"] = "custom"
    return {
        "target": {"partitioning": [p.name for p in target.partitioning] or None, **options},
        "asset": asset(stream.contract),
        "output_base": output_base,
        "stream": source_stream(stream).to_json(),
        "commits": commits,
        "file_size_bytes": target.file_size_bytes,
        "compression": target.compression,
        **_common(job, object_store),
    }


def without_stores(config: Mapping[str, Any]) -> dict[str, Any]:
    """Take out of a writer's configuration what opens the stores: where the host carries its files to the target."""
    target = {name: value for name, value in config["target"].items() if name not in {"connection", "credentials"}}
    return {**config, "target": target, "object_store": {}}


def asset(contract: Contract) -> dict[str, Any]:
    """Give a contract as the earlier system's asset definition has it."""
    return {
        "name": contract.name,
        "version": contract.version,
        "id": contract.id,
        "status": contract.status,
        "domain": contract.domain,
        "dataProduct": contract.data_product,
        "tenant": contract.tenant,
        "description": {"purpose": contract.description} if contract.description else None,
        "tags": list(contract.tags),
        "source_type": contract.source_type,
        "object": contract.object,
        "schema": [_column(f) for f in contract.fields],
        "team": {"owner": contract.owner, "roles": [dict(r) for r in contract.roles]},
        "compliance": {
            "classification": list(contract.classification),
            "regulations": list(contract.regulations),
            "retention_days": contract.retention_days,
        },
        "finops": dict(contract.finops),
    }


def _column(field: Field) -> dict[str, Any]:
    kind = str(field.type)
    word = "timestamp" if kind.startswith("timestamp") else _WORDS.get(kind, kind)
    facts = {
        "name": field.name,
        "type": word,
        "required": field.required,
        "classification": field.classification,
        "description": field.description or None,
    }
    return {key: value for key, value in facts.items() if value is not None}


def _found(file: Any, base: Path) -> Any:
    """Give a file with its path as it is found: a class in Python only knows the working directory."""
    if isinstance(file, str):
        return _found({"path": file}, base)
    said = {**file}
    for key in ("path", "file"):
        if isinstance(said.get(key), str) and "://" not in said[key]:
            place = resolve_path(said[key], base)
            said[key] = str(place) if place.exists() or "*" in said[key] else said[key]
    return said


def _incremental(job: Job, stream: JobStream, rule: Incremental) -> dict[str, Any]:
    return {
        "strategy": rule.strategy,
        "cursor_field": rule.cursor_field,
        "lookback_days": rule.lookback_days,
        "state_path": str(state_file(job, stream, rule)),
        **({} if rule.from_file else {FROM_FILE: False}),
    }


def state_file(job: Job, stream: JobStream, rule: Incremental) -> Path:
    """Give the file in which the earlier system's plugins keep their state; it starts at the working directory."""
    name = f"{stream.source.options.get('type') or stream.source.connector}.{stream.object}.state.json"
    return Path(rule.state_path or Path(os.environ.get(STATE_ENV) or STATE_FOLDER) / job.tenant / name)


def _common(job: Job, object_store: Mapping[str, Any]) -> dict[str, Any]:
    base = str(job.path.parent.absolute())  # in a place the working directory is another one
    return {"tenant": job.tenant, "job": job.name, "base": base, "object_store": dict(object_store)}
