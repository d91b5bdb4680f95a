"""Jobs of the earlier system, rewritten in our short form; every part keeps its place in the file it came from.

What has an effect there and here is translated; what has none is kept as a note on the job. Called by `config.load`.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from dativo_dagster.config.document import Document, Location, Map, Mark, Seq
from dativo_dagster.config.interpolate import Unresolved, shell_style
from dativo_dagster.config.job import PLUGIN
from dativo_dagster.config.jobfile import CommonFile
from dativo_dagster.config.legacyfile import LegacyJobFile, LegacySource, LegacyTarget
from dativo_dagster.config.mistakes import Mistakes, validated
from dativo_dagster.config.recipe import Role, laid_over, read_recipe
from dativo_dagster.config.types import Timestamp
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dativo_dagster.config.contract import Contract
    from dativo_dagster.config.interpolate import Filler

_PATHS = ("asset_path", "source_connector_path", "target_connector_path")
_LAKES = frozenset({"s3", "minio", "gcs"})
_UNUSED = {
    "source": ("rate_limits", "dsn", "sheets", "tables", "objects"),
    "target": ("markdown_kv_storage",),
}
_AT_THE_KEY = frozenset({"NO_SUCH_FILE", "WRONG_ROLE"})
_FILES = frozenset({"csv", "files", "json", "parquet"})
_DIALECT = ("chunk_size", "batch_size", "encoding", "delimiter", "quote_char")
_NULLS = ("", "NULL", "null")
_UNUSED_RETRY = ("retryable_exit_codes", "retryable_error_patterns", "retryable_errors")
_SAME = (*(each.alias or name for name, each in CommonFile.model_fields.items()), "validation")


@dataclass
class Legacy:
    """One job of the earlier system on its way to the short form."""

    document: Document
    filler: Filler
    mistakes: Mistakes
    contract: Callable[[str, Mark], Contract | None]
    notes: list[str] = field(default_factory=list)

    def rewritten(self) -> Document | None:
        """Give the job in the short form, or None with what is wrong noted."""
        root = self._filled()
        job = validated(LegacyJobFile, Document(self.document.path, root), self.mistakes)
        source, target = self._block(root, "source"), self._block(root, "target")
        if job is None or source is None or target is None:
            return None
        contract = self.contract(job.asset_path, root.marks["asset_path"][1])
        if contract is None:
            return None
        short = root.only(*_SAME)
        for ours, theirs in (("tenant", "tenant_id"), ("contract", "asset_path")):
            if theirs in root:
                short.put(ours, root[theirs], root.marks[theirs])
        if isinstance(root.get("retry_config"), Map):
            short.put("retry", self._retry(root["retry_config"]), root.marks["retry_config"])
        if "validation" not in root and "schema_validation_mode" in root:
            short.put("validation", root["schema_validation_mode"], root.marks["schema_validation_mode"])
        marks = root.marks.get("source", (root.mark, root.mark))
        short.put("source", self._source(source), marks)
        marks = root.marks.get("target", (root.mark, root.mark))
        short.put("target", self._target(target, job.tenant_id, contract), marks)
        return Document(self.document.path, short)

    def _retry(self, block: Map) -> Map:
        """Give the retries without what said which errors to retry; of two names of a count the older one rules."""
        unused = [key for key in _UNUSED_RETRY if block.get(key) is not None]
        for key in unused:
            self._note(block.marks[key][0], f"retry_config.{key} has no effect: an error says if a retry may help")
        if block.get("max_retries") is not None and block.get("max_attempts") is not None:
            self._note(block.marks["max_attempts"][0], "retry_config.max_attempts has no effect beside max_retries")
            unused.append("max_attempts")
        return block.without(*unused)

    def _filled(self) -> Map:
        root = self.document.data.without()
        for key in _PATHS:
            if isinstance(root.get(key), str):
                root[key] = shell_style(root[key])
        filled: Map = self.filler.fill(root.without("source", "target"), root.mark)
        for key in ("source", "target"):
            if root.get(key) is not None:
                filled.put(key, root[key], root.marks[key])
        return filled

    def _block(self, root: Map, role: Role) -> Map | None:
        """Give a job's source or target over its recipe, with variables replaced and checked."""
        key = f"{role}_connector_path" if f"{role}_connector_path" in root else f"{role}_connector"
        named, block = root.get(key), root.get(role)
        block = block if isinstance(block, Map) else None
        if not isinstance(named, str):
            self.mistakes.add(root.mark, (f"{role}_connector_path",), "is missing; it names the recipe")
            return None
        if isinstance(named, Unresolved):
            return None  # the variable is a mistake already
        try:
            recipe = read_recipe(named, self.document.path.parent, role).data
        except ConfigurationError as error:
            if error.error_code in _AT_THE_KEY:
                self.mistakes.add(root.marks[key][1], (key,), error.message, error.error_code)
            else:
                self.mistakes.take(error, root.marks[key][1])
            return None
        merged: Map = laid_over(block, recipe, role)
        if role == "source" and block and block.get("incremental"):
            merged.put("incremental", *self._incremental(block, recipe))
        mark = root.marks.get(role, root.marks[key])[0]
        merged = merged.without(*(key for key, value in merged.items() if value is None))
        merged = self.filler.fill(merged, mark, (role,))
        model: type[LegacySource | LegacyTarget] = LegacySource if role == "source" else LegacyTarget
        known = validated(model, Document(self.document.path, merged), self.mistakes, within=(role,))
        if known is None:
            return None
        self._unknown(merged, role, model)
        return merged

    def _incremental(self, block: Map, recipe: Map) -> tuple[Any, tuple[Mark, Mark]]:
        """Give the recipe's increment with the job's over it."""
        said, marks = block["incremental"], block.marks["incremental"]
        if not isinstance(said, Map):
            return said, marks
        below = recipe.get("incremental") or Map(said.mark)
        merged = Map(said.mark)
        for key in below:
            merged.put(key.removesuffix("_default"), below[key], below.marks[key])
        return said.over(merged), marks

    def _unknown(self, block: Map, role: Role, model: type[LegacySource | LegacyTarget]) -> None:
        """Tell a slip of the pen, which is a mistake, from keys that the earlier system dropped in silence."""
        for key in block.keys() - model.model_fields.keys() - {"incremental"}:
            near = difflib.get_close_matches(key, model.model_fields, n=1, cutoff=0.75)
            if near:
                why = f"unknown key {key!r}; did you mean {near[0]!r}?"
                self.mistakes.add(block.marks[key][0], (role, key), why)
            else:
                self._note(block.marks[key][0], f"{role}.{key} has no effect")

    def _source(self, block: Map) -> Map:
        kind = block["type"]
        short = block.only("description", "incremental", "custom_reader", "place")
        for key in ("description", "incremental"):
            if not short.get(key):
                short.pop(key, None)
        short.put("connector", kind, block.marks["type"])
        if block.get("custom_reader") or kind not in _FILES:
            return block.without("incremental" if block.get("custom_reader") else "type", "incremental").over(short)
        for key in ("files", "connection"):
            if block.get(key):
                short.put(key, block[key], block.marks[key])
        self._dialect(block, short)
        for key in _UNUSED["source"]:
            if block.get(key):
                self._note(block.marks[key][0], f"source.{key} has no effect on files")
        return short

    def _dialect(self, block: Map, short: Map) -> None:
        options = _map(_map(block, "engine"), "options")
        for level in (_map(options, "native"), options):
            for key in _DIALECT:
                if level.get(key) is not None:
                    short.put(key, level[key], level.marks[key])
        if "chunk_size" in short:
            short.pop("batch_size", None)
        if block["type"] == "csv":
            nulls = Seq(block.mark)
            for text in _NULLS:
                nulls.put(text, block.mark)
            short.put("null_values", nulls, (block.mark, block.mark))

    def _target(self, block: Map, tenant: str, contract: Contract) -> Map:
        for key in _UNUSED["target"]:
            if block.get(key):
                self._note(block.marks[key][0], f"target.{key} has no effect: files are Parquet")
        if block.get("custom_writer"):
            short, kind = block.without("parquet_target_size_mb"), PLUGIN
        elif block.get("catalog"):
            short, kind = self._iceberg(block, tenant), "iceberg"
        else:
            short, kind = block.only("description", "partitioning", "connection"), block["type"]
            kind = kind if kind in _LAKES else "parquet"
        short.put("connector", kind, block.marks["type"])
        if block.get("parquet_target_size_mb"):
            short.put("file_size_mb", block["parquet_target_size_mb"], block.marks["parquet_target_size_mb"])
        self._place(short, block, contract)
        return short

    def _iceberg(self, block: Map, tenant: str) -> Map:
        short = block.only("description", "partitioning", "connection", "catalog", "warehouse", "branch")
        if "branch" not in short:
            short.put("branch", tenant, (block.mark, block.mark))
        return short

    def _place(self, short: Map, block: Map, contract: Contract) -> None:
        """Name the table as the earlier system laid it out; one without a catalog is a folder of its own."""
        marks = (block.mark, block.mark)
        parts = [contract.domain or "default", contract.data_product or "default", contract.name]
        if short["connector"] != "iceberg":
            lake = self._lake(block, parts)
            if lake:
                short.put("path", lake, marks)
        else:
            del parts[1]
        short.put("table", ".".join(re.sub(r"[^\w-]", "_", part) for part in parts), marks)

    def _lake(self, block: Map, parts: list[str]) -> str | None:
        """Give the folder of a table: ``s3://bucket/domain/product/table``. A custom writer may do without one."""
        connection = block.get("connection") or {}
        nested = [v for k in ("s3", "minio", "gcs") if isinstance(v := connection.get(k), Map)]
        buckets = [each.get("bucket") for each in (*nested, connection)]
        buckets += [self.filler.environment.get(name) for name in ("S3_BUCKET", "MINIO_BUCKET")]
        bucket = next((b for b in buckets if b), None)
        if bucket is None and block.get("custom_writer"):
            return None
        if bucket is None:
            why = "there is no bucket: set target.connection.s3.bucket, or the environment variable S3_BUCKET"
            if not self.filler.may_wait(("target", "connection")):
                self.mistakes.add(block.marks.get("connection", (block.mark,))[0], ("target", "connection"), why)
            bucket = Unresolved("${S3_BUCKET}")
        scheme = "gs" if block["type"] == "gcs" else "s3"
        place = f"{scheme}://{bucket}/{'/'.join(parts)}"
        return Unresolved(place) if isinstance(bucket, Unresolved) else place

    def _note(self, mark: Mark, why: str) -> None:
        self.notes.append(f"{mark}: {why}")


def in_utc(contract: Contract) -> Contract:
    """Say of timestamps that they show UTC: the earlier system brought moments with an offset to it."""
    return replace(
        contract,
        fields=tuple(
            replace(f, timezone="UTC") if isinstance(f.type, Timestamp) and not (f.type.zoned or f.timezone) else f
            for f in contract.fields
        ),
    )


def may_wait(location: Location) -> bool:
    """Say of a field of a job whether it may name variables that are set only when the job runs."""
    parts = list(location)
    if parts[:1] == ["streams"]:
        parts = parts[2:]
    if parts[:1] == ["catalog"]:
        return len(parts) > 1 and parts[1] == "connection"
    own = _IDENTITY.get(str(parts[0])) if len(parts) > 1 else None
    return own is not None and parts[1] not in own


_IDENTITY: Mapping[str, frozenset[str]] = {
    "source": frozenset({"connector", "type", "description", "incremental", "custom_reader", "place"}),
    "target": frozenset(
        {
            "connector",
            "type",
            "description",
            "table",
            "mode",
            "partitioning",
            "evolution",
            "file_size_mb",
            "compression",
            "custom_writer",
            "place",
            "parquet_target_size_mb",
        }
    ),
}


def _map(block: Map, key: str) -> Map:
    found = block.get(key)
    return found if isinstance(found, Map) else Map(block.mark)
