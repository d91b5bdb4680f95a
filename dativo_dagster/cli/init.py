"""``dativo init``: look at files, or at a database, and write a job and contracts that fit."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from dativo_dagster.cli import init_database
from dativo_dagster.cli.address import VARIABLES, is_database
from dativo_dagster.cli.console import counted
from dativo_dagster.cli.discover import bare_job, list_streams
from dativo_dagster.cli.draft import Draft, identifier
from dativo_dagster.cli.drafted import refuse_existing, save, schema_link, show_next
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dativo_dagster.cli.console import Console
    from dativo_ingest.model import Stream


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what ``init`` takes."""
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE_OR_URI",
        help="CSV, JSON Lines or Parquet files with the same columns, or one postgres://, mysql:// or mariadb:// URL",
    )
    parser.add_argument("--connector", choices=["sqlalchemy", *VARIABLES], help="what reads a URL of another kind")
    parser.add_argument(
        "--tables",
        action="append",
        metavar="PATTERN",
        help="tables of the database to read, such as 'sales.*' (all); may be repeated",
    )
    parser.add_argument("--name", help="name of the job (made from the first file's, the table's or the database's)")
    parser.add_argument("--tenant", default="default", help="whose data it is (%(default)s)")
    parser.add_argument("--table", help="table to write, with its namespace (TENANT.NAME)")
    parser.add_argument("--target", default="iceberg", help="kind of table (%(default)s)")
    parser.add_argument("--folder", type=Path, default=Path("jobs"), help="where the files go (%(default)s)")


def main(args: argparse.Namespace, console: Console) -> int:
    """Write the files, and prove that they load."""
    if args.connector or is_database(args.files[0]):
        return init_database.main(args, console)
    if args.tables:
        raise ConfigurationError("--tables needs the URL of a database; --table names the table to write", "BAD_OPTION")
    name = args.name or identifier(args.files[0])
    job, contract = args.folder / f"{name}.yaml", args.folder / "contracts" / f"{name}.yaml"
    refuse_existing(job, contract)
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
    save(job, {contract: draft.contract_text(), job: draft.job_text()})
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


def _show(job: Path, contract: Path, stream: Stream, console: Console) -> None:
    console.line(f"wrote {job}")
    console.line(f"wrote {contract}: {counted(len(stream.columns), 'column')}, told from a sample; look through them")
    show_next(job, console)
