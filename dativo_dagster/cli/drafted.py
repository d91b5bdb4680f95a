"""Drafts become files: nothing is overwritten, editors find the schemas, and what was written loads."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from dativo_dagster.cli.console import Console

SCHEMAS = Path(__file__).parents[1] / "schemas"


def refuse_existing(*paths: Path) -> None:
    """See that no file is there.

    Raises:
        ConfigurationError: ``FILE_EXISTS``.
    """
    for path in paths:
        if path.exists():
            raise ConfigurationError(f"{path} exists; choose another --name or --folder", "FILE_EXISTS")


def schema_link(kind: str, file: Path) -> str:
    """Give the schema of a kind of file as ``file`` can name it: relative, and as a copy when ours lies elsewhere."""
    schema = SCHEMAS / f"{kind}.schema.json"
    if not schema.is_relative_to(Path.cwd()):
        copy = Path(".dativo") / "schemas" / schema.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(schema, copy)
        schema = copy.absolute()
    return Path(os.path.relpath(schema, file.parent.absolute())).as_posix()


def save(job: Path, texts: Mapping[Path, str]) -> None:
    """Write files and prove that the job among them loads; the variables of its source may wait."""
    from dativo_dagster.config.load import load_job

    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    load_job(job, strict_environment=False)


def show_next(job: Path, console: Console) -> None:
    """Say which commands come next."""
    console.line("next:")
    commands = {
        f"dativo validate {job}": "find mistakes",
        f"dativo plan {job}": "see what a run would do",
        f"dativo run {job}": "run it",
    }
    width = max(map(len, commands))
    for command, does in commands.items():
        console.line(f"  {command.ljust(width)}  # {does}")
