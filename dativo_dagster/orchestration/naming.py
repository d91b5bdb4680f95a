"""Names that Dagster accepts, made from names that people chose. Pure; used by everything else in this folder.

Dagster joins the parts of an asset key with ``__`` to name an op, after turning what it does not like into ``_``:
``a-b``, ``a.b`` and ``a_b`` would be one op, as would ``[a, b__c]`` and ``[a__b, c]``. `slug` is injective and its
results stay apart when they are joined.
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING

import dagster as dg

from dativo_dagster.config.job import PLUGIN
from dativo_ingest.loader.path import LIBRARIES

if TYPE_CHECKING:
    from dativo_dagster.config.job import Job, JobStream, Source, Target

BROKEN = "broken_jobs"
CONNECTION = "connection"
_ESCAPES = r"x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{6}"
_ESCAPE = re.compile(_ESCAPES)
_SLUG = re.compile(rf"(?:[A-Za-z0-9]|_(?=[A-Za-z0-9])(?!{_ESCAPES}))*")


def slug(text: str) -> str:
    """Give ``text`` in ASCII letters, digits and ``_``, readable where it already was and never the same twice.

    Other characters become ``_x2d``, ``_u20ac`` or ``_U01f600`` by code point. An underscore is kept only where
    it stands before a letter or digit and does not look like such an escape, so that no slug holds ``__`` or ends
    in ``_``.
    """
    if _SLUG.fullmatch(text):
        return text  # nearly all are, and a thousand jobs ask thirty thousand times
    return "".join(_letter(text, at) for at in range(len(text)))


def _letter(text: str, at: int) -> str:
    char, rest = text[at], text[at + 1 :]
    if char.isascii() and char.isalnum():
        return char
    if char == "_" and rest and rest[0].isascii() and rest[0].isalnum() and not _ESCAPE.match(rest):
        return char
    point = ord(char)
    return f"_x{point:02x}" if point < 0x100 else f"_u{point:04x}" if point < 0x10000 else f"_U{point:06x}"  # noqa: PLR2004 - widths of the three escapes


def joined(*parts: str) -> str:
    """Give one Dagster name for several of ours; different parts give different names."""
    return "__".join(slug(part) for part in parts)


def asset_key(job: Job, stream: JobStream) -> dg.AssetKey:
    """Name the asset of a stream: its tenant, then its table with its namespace."""
    return dg.AssetKey([slug(job.tenant), *map(slug, (stream.target.table or stream.name).split("."))])


def source_key(job: Job, stream: JobStream) -> dg.AssetKey:
    """Name what a stream reads. The connector is in the last part, because graphs show only that."""
    return dg.AssetKey([slug(job.tenant), "src", f"{slug(stream.object)}_{slug(system(stream.source))}"])


def system(part: Source | Target) -> str:
    """Name what reads or writes: the connector, or else the class or library of the plugin that does it alone."""
    if part.connector != PLUGIN or not part.plugin:
        return part.connector
    path, _, name = part.plugin.rpartition(":")
    return PurePath(path).stem.removeprefix("lib") if path.endswith(LIBRARIES) else name


def broken_key(file: str) -> dg.AssetKey:
    """Name the asset that stands for a job file which cannot be loaded."""
    return dg.AssetKey([BROKEN, slug(file)])


def job_name(job: Job) -> str:
    """Name the Dagster job of a YAML job. The prefix keeps it apart from ops, which share the name space."""
    return joined("ingest", job.tenant, job.name)


def check_name(rule: str) -> str:
    """Name the asset check of a contract rule."""
    return slug(rule)
