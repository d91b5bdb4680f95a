"""The text of a new job and of its contract, for ``dativo init``. Pure: what is looked at comes as a `Stream`."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dativo_ingest.model import Stream

if TYPE_CHECKING:
    from dativo_ingest.model import Column

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
_WORDS = frozenset({"true", "false", "null"})
# What JSON leaves as it is and YAML wants escaped.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What a new job says. ``files`` are as the job will name them; schemas are where editors find them."""

    name: str
    tenant: str
    table: str
    target: str
    files: Sequence[str]
    columns: Sequence[Column]
    contract: str
    job_schema: str
    contract_schema: str

    def job_text(self) -> str:
        """Write the job file."""
        files = "\n".join(f"    - {value(file)}" for file in self.files)
        return (
            f"$schema: {value(self.job_schema)}\n\n"
            f"name: {value(self.name)}\n"
            f"tenant: {value(self.tenant)}\n"
            "source:\n"
            "  connector: files\n"
            f"  files:\n{files}\n"
            "  incremental: file_modified_time  # read only files that are new or changed\n"
            "target:\n"
            f"  connector: {value(self.target)}\n"
            f"  table: {value(self.table)}\n"
            "  mode: append  # or overwrite, overwrite_partitions\n"
            f"contract: {value(self.contract)}\n"
            "validation: strict  # or warn, quarantine\n"
        )

    def contract_text(self) -> str:
        """Write the contract file."""
        told = "# A draft, told from a sample. Add what must hold: required, primary_key, unique, enum, pattern."
        return contract_text(self.name, Stream(name=self.name, columns=tuple(self.columns)), self.contract_schema, told)


def contract_text(name: str, found: Stream, schema: str, comment: str) -> str:
    """Write a contract for what a source has, with ``comment`` above it."""
    description = f"description: {scalar(found.description)}\n" if found.description else ""
    return (
        f"$schema: {scalar(schema)}\n\n{comment}\n"
        f'name: {scalar(name)}\n{description}version: "1.0.0"\n'
        "schema:\n" + "".join(f"  - {_column(c, key=c.name in found.primary_key)}\n" for c in found.columns)
    )


def _column(column: Column, *, key: bool) -> str:
    facts = [f"name: {scalar(column.name)}", f"type: {scalar(column.type)}"]
    if key or not column.nullable:
        facts.append("required: true")
    if key:
        facts.append("primary_key: true")
    if column.description:
        facts.append(f"description: {scalar(column.description)}")
    return "{" + ", ".join(facts) + "}"


def scalar(text: str) -> str:
    """Write a text so that YAML, also inside brackets, reads back just that text."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return _UNPRINTABLE.sub(lambda m: f"\\u{ord(m[0]):04x}", json.dumps(text, ensure_ascii=False))


def value(text: str) -> str:
    """Write a text for a job file, where ``$`` may start a variable."""
    return scalar(text.replace("$", "$$"))


def identifier(text: str) -> str:
    """Make a name for jobs, contracts and tables from a file's name: ``Sales 2024.csv`` is ``sales_2024``."""
    stem = text.replace("\\", "/").rsplit("/", 1)[-1].partition(".")[0]
    return re.sub(r"[^a-z0-9]+", "_", stem.lower()).strip("_") or "job"
