"""Write what is made from code: the JSON Schemas, docs/errors.md and docs/reference.md.

`--check` writes nothing and only says what is out of date.

python scripts/generate.py [--check]
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, BaseModel

from dativo_dagster import registry
from dativo_dagster.config import contractflat, jobfile, legacyfile, recipe, runner, streamfile
from dativo_dagster.config.schema import write_schemas
from dativo_dagster.config.types import ALIASES
from dativo_ingest.codes import CODES

ROOT = Path(__file__).parents[1]
LONGEST_DEFAULT = 40

VALUE = {"`null`", "true, false", "integer", "number", "text"}
FILES = registry.load("connectors", "files")
ICEBERG = registry.load("tables", "iceberg")
LAKE = registry.load("tables", "files")
SQL = sys.modules[registry.load("connectors", "postgres").Config.__base__.__module__]

PARTS: tuple[tuple[str, tuple[tuple[str, type[BaseModel]], ...]], ...] = (
    (
        "A job",
        (
            ("The job", jobfile.JobFile),
            ("`source`", streamfile.SourceFile),
            ("`source.incremental`", streamfile.IncrementalFile),
            ("`target`", streamfile.TargetFile),
            ("`target.evolution`", streamfile.EvolutionFile),
            ("`target.history`", streamfile.HistoryFile),
            ("`partitions`", streamfile.PartitionsFile),
            ("`validation`", streamfile.ValidationFile),
            ("`schedule`", jobfile.ScheduleFile),
            ("`retry`", jobfile.RetryFile),
            ("`streams`, one item", streamfile.StreamFile),
            ("`logging`", jobfile.LoggingFile),
            ("`finops`", jobfile.FinopsFile),
            ("`governance_overrides`", jobfile.GovernanceFile),
            ("`plugins`", jobfile.PluginsFile),
            ("`plugins.sandbox`", jobfile.SandboxFile),
            ("`catalog`", jobfile.CatalogFile),
        ),
    ),
    (
        "Options of sources",
        (
            ("files, csv, json, parquet", FILES.Config),
            ("`files`, one item", FILES.FileSpec),
            ("postgres, mysql, mariadb, adbc, sqlalchemy", SQL.SqlConfig),
            ("mysql, mariadb, besides", registry.load("connectors", "mysql").Config),
            ("adbc, besides", registry.load("connectors", "adbc").Config),
            ("sqlalchemy, besides", registry.load("connectors", "sqlalchemy").Config),
            ("`tables` of a database, one item", SQL.TableItem),
            ("`tls` of a database", SQL.Tls),
        ),
    ),
    (
        "Options of targets",
        (
            ("iceberg", ICEBERG.Config),
            ("`catalog` of an iceberg target", sys.modules[ICEBERG.Config.__module__].Catalog),
            ("parquet, files, s3, minio, gcs", LAKE.Config),
            ("postgres, as a target", registry.load("tables", "postgres").Config),
            ("duckdb", registry.load("tables", "duckdb").Config),
            ("delta", registry.load("tables", "delta").Config),
        ),
    ),
    (
        "Settings of places",
        tuple((name, registry.load("launchers", name).Config) for name in registry.ENTRIES["launchers"]),
    ),
    (
        "Secret managers",
        tuple((name, registry.load("secrets", name).Config) for name in ("env", "filesystem", "vault", "aws", "gcp")),
    ),
    (
        "A flat contract",
        (
            ("The contract", contractflat.FlatContract),
            ("`schema`, one item", contractflat.FlatColumn),
            ("`description`", contractflat.FlatDescription),
            ("`team`", contractflat.FlatTeam),
            ("`team.roles`, one item", contractflat.FlatRole),
            ("`compliance`", contractflat.FlatCompliance),
            ("`finops` of a contract", contractflat.FlatFinops),
            ("`data_quality`", contractflat.FlatQuality),
        ),
    ),
    (
        "Files of the earlier system",
        (
            ("A job of the earlier system", legacyfile.LegacyJobFile),
            ("Its source, over its recipe", legacyfile.LegacySource),
            ("Its target, over its recipe", legacyfile.LegacyTarget),
            ("A recipe", recipe.RecipeFile),
            ("A runner file", runner.RunnerFile),
            ("`orchestrator`", runner.OrchestratorFile),
            ("`orchestrator.schedules`, one item", runner.RunnerScheduleFile),
        ),
    ),
)
"""The pages of the reference: parts, and the models in each with the heading that people know them by."""


def errors_page() -> str:
    """Give docs/errors.md from the table of codes."""
    head = (
        "# Errors\n\n"
        "After this page you can look up any code that dativo prints. Every error has a code, a message that says\n"
        "what was wrong, where and what to do, and a flag that says whether the run tries again by itself. This page\n"
        "is made from `dativo_ingest/codes.py`.\n\n"
        "| Code | What it means | What to do |\n|---|---|---|\n"
    )
    rows = [f"| `{code}` | {means} | {todo} |" for code, (means, todo) in sorted(CODES.items())]
    return head + "\n".join(rows) + "\n"


def reference_page() -> str:
    """Give docs/reference.md from the models that read the files."""
    lines = [
        "# Reference",
        "",
        "After this page you can look up any key of any file. It is made from the models that read the files;",
        "[jobs.md](jobs.md) explains them.",
        "",
    ]
    for part, models in PARTS:
        lines += [f"## {part}", ""]
        shown = [model for _, model in models]
        for heading, model in models:
            bases = [other for other in shown if other in model.__mro__[1:]]
            lines += [f"### {heading}", "", _sentence(model.__doc__ or ""), *_keys(model, bases), ""]
    lines += ["## Names", "", *_names(), ""]
    lines += ["## Other names of types", "", "| Written | Means |", "|---|---|"]
    lines += [f"| `{alias}` | `{kind}` |" for alias, kind in sorted(ALIASES.items())]
    return "\n".join(lines) + "\n"


def _keys(model: type[BaseModel], bases: Sequence[type[BaseModel]]) -> list[str]:
    """Give the rows of a model's keys; those that it has of ``bases`` stand there already."""
    schema = model.model_json_schema()
    defs: Mapping[str, Any] = schema.get("$defs", {})
    told = [pair for base in bases for pair in base.model_json_schema().get("properties", {}).items()]
    rows = []
    attributes = {name: text for each in reversed(model.__mro__) for name, text in _attributes(each).items()}
    for key, said in schema.get("properties", {}).items():
        if (key, said) in told:
            continue
        default = _default(said, required=key in schema.get("required", []))
        means = said.get("description") or attributes.get(key) or _of_parts(said, defs)
        rows.append(f"| `{key}` | {_type(said, defs)} | {default} | {_cell(_sentence(means))}{_others(model, key)} |")
    if model.model_config.get("extra") == "allow":
        rows.append("| any other key | | | Passed on as it is. |")
    return ["", "| Key | Value | Default | What it is |", "|---|---|---|---|", *rows] if rows else []


def _attributes(model: type) -> dict[str, str]:
    """Give what a docstring says of the attributes of a model."""
    told = inspect.cleandoc(model.__doc__ or "").partition("\nAttributes:\n")[2]
    found = re.findall(r"^ {4}(\w+): (.+(?:\n {5,}.+)*)", told, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}


def _type(said: Mapping[str, Any], defs: Mapping[str, Any]) -> str:
    """Name what may stand in a key; that it may be `null`, only where leaving it out means something else."""
    found = list(dict.fromkeys(_types(said, defs)))
    if set(found) >= VALUE - {"`null`"}:
        return "any value"
    if len(found) > 1 and said.get("default") is None:
        found = [name for name in found if name != "`null`"]
    return _cell(" or ".join(found))


def _types(said: Mapping[str, Any], defs: Mapping[str, Any]) -> Iterator[str]:
    for choice in said.get("anyOf", ()):
        yield from _types(choice, defs)
    if "$ref" in said:
        yield from _types(defs[said["$ref"].rsplit("/", 1)[1]], defs)
    elif "enum" in said:
        yield from (f"`{value}`" for value in said["enum"])
    elif "const" in said:
        yield f"`{said['const']}`"
    elif said.get("type") == "array":
        yield f"list of {_type(said.get('items', {}), defs) or 'anything'}"
    elif said.get("type") == "object":
        yield "mapping"
    elif "type" in said:
        yield {"string": "text", "boolean": "true, false", "null": "`null`"}.get(said["type"], said["type"])


def _default(said: Mapping[str, Any], *, required: bool) -> str:
    if required:
        return "**required**"
    value = said.get("default")
    text = "" if value in (None, "", [], {}) or isinstance(value, dict) else f"`{_cell(_plain(value))}`"
    return text if len(text) <= LONGEST_DEFAULT else ""


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _of_parts(said: Mapping[str, Any], defs: Mapping[str, Any]) -> str:
    """Give what the first block says that stands in a key, when the key itself says nothing."""
    for choice in (said, *said.get("anyOf", ()), *said.get("allOf", ()), said.get("items", {})):
        if "$ref" in choice:
            return str(defs[choice["$ref"].rsplit("/", 1)[1]].get("description", ""))
    return ""


def _others(model: type[BaseModel], key: str) -> str:
    """Name what else a key may be called."""
    for field in model.model_fields.values():
        if isinstance(field.validation_alias, AliasChoices) and key in field.validation_alias.choices:
            others = [f"`{c}`" for c in field.validation_alias.choices if c != key]
            return f" Also {', '.join(others)}."
    return ""


def _sentence(text: str) -> str:
    """Give the first paragraph, as one line that begins and ends like a sentence; code in single back quotes."""
    line = " ".join(text.partition("\n\n")[0].split()).replace("``", "`")
    first = line.partition(" ")[0]
    line = line if line == first or not first.isalpha() else line[0].upper() + line[1:]
    return line if not line or line.endswith((".", ":", "...")) else f"{line}."


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _names() -> Iterator[str]:
    kinds: tuple[registry.Kind, ...] = ("connectors", "tables", "launchers", "secrets", "checks")
    yield "| Kind | Name | What it is | Extra to install |"
    yield "|---|---|---|---|"
    for kind in kinds:
        for name, entry in registry.ENTRIES[kind].items():
            yield f"| {kind} | `{name}` | {entry.summary} | {f'`{entry.extra}`' if entry.extra else ''} |"


def generate(root: Path) -> list[Path]:
    """Write every generated file below ``root`` and give their paths."""
    docs = root / "docs"
    docs.mkdir(parents=True, exist_ok=True)
    pages = {docs / "errors.md": errors_page(), docs / "reference.md": reference_page()}
    for page, text in pages.items():
        page.write_text(text, encoding="utf-8")
    schemas = root / "dativo_dagster" / "schemas"
    schemas.mkdir(parents=True, exist_ok=True)
    write_schemas(schemas)
    return [*pages, *sorted(schemas.glob("*.json"))]


def stale() -> list[str]:
    """Give the names of the committed files that generating would change."""
    with tempfile.TemporaryDirectory() as folder:
        made = generate(Path(folder))
        pairs = [(path, ROOT / path.relative_to(folder)) for path in made]
        return [
            str(old.relative_to(ROOT)) for new, old in pairs if not old.exists() or old.read_bytes() != new.read_bytes()
        ]


def main() -> None:
    """Generate, or check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    if not parser.parse_args().check:
        generate(ROOT)
    elif old := stale():
        sys.exit(f"out of date: {', '.join(old)}; run `python scripts/generate.py`")


if __name__ == "__main__":
    main()
