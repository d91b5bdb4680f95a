"""``dativo init``: look at files and write a job and a contract that fit them."""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from dativo_dagster.cli.console import counted
from dativo_dagster.cli.discover import bare_job, list_streams
from dativo_dagster.cli.draft import Draft, identifier
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dativo_dagster.cli.console import Console
    from dativo_ingest.model import Stream

SCHEMAS = Path(__file__).parents[1] / "schemas"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what ``init`` takes."""
    parser.add_argument(
        "files", nargs="+", metavar="FILE_OR_URI", help="CSV, JSON Lines or Parquet files with the same columns"
    )
    parser.add_argument("--name", help="name of the job (made from the first file's)")
    parser.add_argument("--tenant", default="default", help="whose data it is (%(default)s)")
    parser.add_argument("--table", help="table to write, with its namespace (TENANT.NAME)")
    parser.add_argument("--target", default="iceberg", help="kind of table (%(default)s)")
    parser.add_argument("--folder", type=Path, default=Path("jobs"), help="where the files go (%(default)s)")


def main(args: argparse.Namespace, console: Console) -> int:
    """Write the two files, and prove that they load."""
    from dativo_dagster.config.load import load_job

    name = args.name or identifier(args.files[0])
    job, contract = args.folder / f"{name}.yaml", args.folder / "contracts" / f"{name}.yaml"
    for path in (job, contract):
        if path.exists():
            raise ConfigurationError(f"{path} exists; choose another --name or --folder", "FILE_EXISTS")
    stream = look_at(args.files)
    draft = Draft(
        name=name,
        tenant=args.tenant,
        table=args.table or f"{identifier(args.tenant)}.{identifier(name)}",
        target=args.target,
        files=args.files,
        columns=stream.columns,
        contract=f"contracts/{name}.yaml",
        job_schema=schema_link("job", job),
        contract_schema=schema_link("contract", contract),
    )
    contract.parent.mkdir(parents=True, exist_ok=True)
    contract.write_text(draft.contract_text(), encoding="utf-8")
    job.write_text(draft.job_text(), encoding="utf-8")
    load_job(job)
    _show(job, contract, stream, console)
    return 0


def look_at(files: Sequence[str]) -> Stream:
    """Give the columns that all files have.

    Raises:
        ConfigurationError: A file cannot be read, has no columns, or has others than the first.
    """
    found = [list_streams(bare_job("files", {"files": [file]}), None)[0] for file in files]
    names = [[column.name for column in stream.columns] for stream in found]
    for file, columns in zip(files, names, strict=True):
        if not columns:
            raise ConfigurationError(f"{file} has no columns to be seen; write the contract by hand", "NOTHING_TO_SEE")
        if columns != names[0]:
            raise ConfigurationError(
                f"{file} has other columns than {files[0]}; make a job of its own for it", "COLUMNS_DIFFER"
            )
    return found[0]


def schema_link(kind: str, file: Path) -> str:
    """Give the schema of a kind of file as ``file`` can name it: relative, and as a copy when ours lies elsewhere."""
    schema = SCHEMAS / f"{kind}.schema.json"
    if not schema.is_relative_to(Path.cwd()):
        copy = Path(".dativo") / "schemas" / schema.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(schema, copy)
        schema = copy.absolute()
    return Path(os.path.relpath(schema, file.parent.absolute())).as_posix()


def _show(job: Path, contract: Path, stream: Stream, console: Console) -> None:
    console.line(f"wrote {job}")
    console.line(f"wrote {contract}: {counted(len(stream.columns), 'column')}, told from a sample; look through them")
    console.line("next:")
    commands = {
        f"dativo validate {job}": "find mistakes",
        f"dativo plan {job}": "see what a run would do",
        f"dativo run {job}": "run it",
    }
    width = max(map(len, commands))
    for command, does in commands.items():
        console.line(f"  {command.ljust(width)}  # {does}")
