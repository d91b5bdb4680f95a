"""One asset a stream, and the external asset that it reads: what the graph, the catalog and the lineage show."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import dagster as dg

from dativo_dagster import registry
from dativo_dagster.config.job import PLUGIN
from dativo_dagster.config.tags import derive_tags
from dativo_dagster.orchestration.events import closed_columns, promise
from dativo_dagster.orchestration.hiding import shown
from dativo_dagster.orchestration.naming import asset_key, joined, slug, source_key, system
from dativo_dagster.orchestration.ops import COMMIT, EXTRACT_WRITE, PLAN, steps
from dativo_dagster.orchestration.partitions import definition_of
from dativo_dagster.orchestration.resources import JOB_FILE, STREAM

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dativo_dagster.config.contract import Contract, Field
    from dativo_dagster.config.job import Job, JobStream, Source, Target
    from dativo_dagster.orchestration.shelf import Keys

_TAG_KEY = re.compile(r"[A-Za-z0-9_.-]{1,63}")
_TAG_VALUE = re.compile(r"[A-Za-z0-9_.-]{0,63}")
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}")


def stream_asset(job: Job, stream: JobStream, keys: Keys) -> dg.AssetsDefinition:
    """Make the asset of a stream: ``plan``, ``extract_write`` and ``commit`` as one node, downstream of its source.

    ``keys`` names the resources that the ops go through.
    """
    key = asset_key(job, stream)
    kinds = {f"dagster/kind/{kind}": "" for kind in _kinds(stream)}
    return dg.AssetsDefinition.from_graph(
        _steps(joined(*key.path), keys),
        keys_by_input_name={"source": source_key(job, stream)},
        keys_by_output_name={"table": key},
        group_name=slug(job.tenant),
        descriptions_by_output_name={"table": _description(job, stream)},
        owners_by_output_name={"table": _owners(job, stream.contract)},
        tags_by_output_name={"table": _tags(job, stream) | kinds},
        metadata_by_output_name={"table": _metadata(job, stream)},
        code_versions_by_output_name={"table": job.fingerprint(stream)},
        partitions_def=definition_of(stream.partitions) if stream.partitions else None,
    )


def _steps(name: str, keys: Keys) -> dg.GraphDefinition:
    """Wire the three ops. Spelled out, because a composed function costs twice the time for every asset."""
    plan, extract_write, commit = steps(keys)
    planned, staged = dg.DependencyDefinition(PLAN), dg.DependencyDefinition(EXTRACT_WRITE)
    return dg.GraphDefinition(
        name=name,
        node_defs=[plan, extract_write, commit],
        dependencies={
            dg.NodeInvocation(plan.name, alias=PLAN): {},
            dg.NodeInvocation(extract_write.name, alias=EXTRACT_WRITE): {"plan": planned},
            dg.NodeInvocation(commit.name, alias=COMMIT): {"plan": planned, "staged": staged},
        },
        input_mappings=[
            dg.InputMapping(graph_input_name="source", mapped_node_name=PLAN, mapped_node_input_name="source")
        ],
        output_mappings=[
            dg.OutputMapping(graph_output_name="table", mapped_node_name=COMMIT, mapped_node_output_name="result")
        ],
    )


def source_spec(job: Job, stream: JobStream) -> dg.AssetSpec:
    """Make the external asset that a stream reads; nothing materializes it."""
    name = system(stream.source)
    return dg.AssetSpec(
        source_key(job, stream),
        description=stream.source.description or f"{stream.object} as {name} reads it.",
        group_name=slug(job.tenant),
        kinds={_kind("connectors", stream.source)},
        tags={"tenant": slug(job.tenant)},
        metadata={"connector": name, "object": stream.object},
    )


def column_schema(contract: Contract) -> dg.TableSchema:
    """Give the columns of a contract with what it promises of each."""
    return dg.TableSchema(columns=[_column(contract, field) for field in contract.fields])


def _column(contract: Contract, field: Field) -> dg.TableColumn:
    rules = [rule for rule in contract.rules if rule.column == field.name]
    kinds = {rule.kind for rule in rules}
    tags = {"classification": field.classification} if field.classification else {}
    return dg.TableColumn(
        name=field.name,
        type=str(field.type),
        description=field.description or None,
        constraints=dg.TableColumnConstraints(
            nullable=not (field.required or field.primary_key or "required" in kinds),
            unique="unique" in kinds,
            other=["primary key"] * field.primary_key + [promise(r) for r in rules if r.parameters],
        ),
        tags=valid_tags({**tags, **dict.fromkeys(field.tags, "")}),
    )


def valid_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Give the tags that Dagster takes: short ones of letters, digits, ``_``, ``-`` and ``.``."""
    return {k: v for k, v in tags.items() if _TAG_KEY.fullmatch(k) and _TAG_VALUE.fullmatch(v)}


def _short(governance: Mapping[str, str]) -> dict[str, str]:
    """Leave out what the metadata says in full: the contract's own words, and one tag a column."""
    return {k: v for k, v in governance.items() if not k.startswith(("asset.", "classification.fields."))}


def _tags(job: Job, stream: JobStream) -> dict[str, str]:
    return valid_tags(
        {
            **dict.fromkeys(stream.contract.tags, ""),
            **_short(_governance(job, stream)),
            **job.tags,
            "tenant": slug(job.tenant),
            "job": slug(job.name),
        }
    )


def _governance(job: Job, stream: JobStream) -> dict[str, str]:
    return derive_tags(stream.contract, **job.governance)


def _owners(job: Job, contract: Contract) -> list[str]:
    """Give owners in the two forms that Dagster knows, a mail address and ``team:``."""
    names = job.owners or ((contract.owner,) if contract.owner else ())
    return [name if name.startswith("team:") or _EMAIL.fullmatch(name) else f"team:{name}" for name in names]


def _kinds(stream: JobStream) -> set[str]:
    return {_kind("connectors", stream.source), _kind("tables", stream.target)}


def _kind(shelf: registry.Kind, part: Source | Target) -> str:
    """Give the icon of a connector or table format; a plugin that works alone has that of its language."""
    if part.connector == PLUGIN:
        return "python" if ".py:" in str(part.plugin) else "native"
    line = registry.entries(shelf).get(part.connector)
    return (line.icon if line else "") or slug(part.connector)


def _description(job: Job, stream: JobStream) -> str:
    text = stream.contract.description or job.description
    return text or f"{stream.object}, read by {system(stream.source)}, as {stream.target.table or stream.name}."


def _options(part: Source | Target, job: Job) -> dg.MetadataValue:
    """Show what a job asks of its reader or writer; the resource of the plugin has what all streams share."""
    own = {"connector": part.connector, **({"plugin": part.plugin} if part.plugin else {})}
    return dg.MetadataValue.json(own | shown(part.options, job))


def _parts(stream: JobStream) -> str:
    parts = stream.partitions
    if parts is None:
        return ""
    return f"by {parts.column}: {parts.every or ', '.join(parts.keys)}{f' ({parts.timezone})' if parts.every else ''}"


def _metadata(job: Job, stream: JobStream) -> dict[str, Any]:
    target, contract, governance = stream.target, stream.contract, _governance(job, stream)
    facts: dict[str, Any] = {
        "dagster/column_schema": column_schema(contract),
        "dagster/table_name": target.table or stream.name,
        JOB_FILE: dg.MetadataValue.path(job.path),
        STREAM: stream.name,
        "reader": _options(stream.source, job),
        "writer": _options(target, job),
        "write_mode": target.mode,
        "validation": stream.validation.mode,
        "partitioned_by": ", ".join(part.name for part in target.partitioning),
        "partitions": _parts(stream),
        "schedule": f"{job.schedule.cron} ({job.schedule.timezone})" if job.schedule else "",
        "contract": contract.name,
        "contract_version": contract.version,
        "contract_file": dg.MetadataValue.path(contract.path) if contract.path else "",
        "promised_but_not_checked": "; ".join(contract.unsupported),
        "hidden_columns": ", ".join(closed_columns(contract)),
        "governance": dg.MetadataValue.json(governance) if governance else "",
    }
    return {name: value for name, value in facts.items() if value != ""}
