"""``dativo init`` with the URL of a database: one job, and a contract for each of its tables."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from dativo_dagster.cli.address import Address, address_of
from dativo_dagster.cli.console import counted
from dativo_dagster.cli.discover import bare_job, list_streams
from dativo_dagster.cli.draft import contract_text, identifier
from dativo_dagster.cli.draft_database import DatabaseDraft, TableDraft, told
from dativo_dagster.cli.drafted import refuse_existing, save, schema_link, show_next
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dativo_dagster.cli.console import Console
    from dativo_ingest.model import Stream


def main(args: argparse.Namespace, console: Console) -> int:
    """Write the job and its contracts, and prove that they load."""
    if len(args.files) > 1:
        raise ConfigurationError("one database makes one job; give one URL, and its tables by --tables", "BAD_OPTION")
    address = address_of(args.files[0], args.connector)
    found = tables_of(address, args.tables)
    if args.table and len(found) > 1:
        raise ConfigurationError(
            f"--table names one table to write, and {len(found)} are read; say which to read by --tables", "BAD_OPTION"
        )
    names = names_of([stream.name for stream in found])
    name = args.name or (names[0] if len(found) == 1 else identifier(address.name))
    job, folder = args.folder / f"{name}.yaml", Path("contracts")
    folder = folder if len(found) == 1 else folder / name
    tables = [
        TableDraft(
            found=stream,
            name=own,
            table=args.table or f"{identifier(args.tenant)}.{name if len(found) == 1 else own}",
            contract=(folder / f"{name if len(found) == 1 else own}.yaml").as_posix(),
        )
        for stream, own in zip(found, names, strict=True)
    ]
    contracts = [args.folder / table.contract for table in tables]
    refuse_existing(job, *contracts)
    draft = DatabaseDraft(
        name=name,
        tenant=args.tenant,
        target=args.target,
        connector=address.connector,
        address=address.options,
        variables=address.variable(),
        tables=tables,
        job_schema=schema_link("job", job),
    )
    texts = {
        path: contract_text(path.stem, table.found, schema_link("contract", path), told(table.found))
        for path, table in zip(contracts, tables, strict=True)
    }
    save(job, {**texts, job: draft.job_text()})
    _show(job, dict(zip(contracts, found, strict=True)), address, console)
    return 0


def tables_of(address: Address, patterns: Sequence[str] | None) -> list[Stream]:
    """Give the tables that patterns name, all when there are none, each once.

    Raises:
        ConfigurationError: ``TABLE_NOT_FOUND``, ``NOTHING_TO_SEE``: there is none, or one has no columns.
    """
    said = {"tables": list(patterns)} if patterns else {}
    found = list_streams(bare_job(address.connector, {**address.known(), **said}), None)
    if not found:
        raise ConfigurationError("the database has no tables that we may see; ask for the right to", "NOTHING_TO_SEE")
    for stream in found:
        if not stream.columns:
            raise ConfigurationError(f"{stream.name} has no columns; leave it out by --tables", "NOTHING_TO_SEE")
    return found


def names_of(tables: Sequence[str]) -> list[str]:
    """Name the streams after their tables, with the schema where two would have one name."""
    short = [identifier(table.rpartition(".")[2]) for table in tables]
    long = [identifier(table.replace(".", "_")) for table in tables]
    counts = Counter(short)
    names = [a if counts[a] == 1 else b for a, b in zip(short, long, strict=True)]
    seen: Counter[str] = Counter()
    for place, name in enumerate(names):
        seen[name] += 1
        if seen[name] > 1:
            names[place] = f"{name}_{seen[name]}"
    return names


def _show(job: Path, contracts: dict[Path, Stream], address: Address, console: Console) -> None:
    console.line(f"wrote {job}")
    for path, stream in contracts.items():
        console.line(f"wrote {path}: {counted(len(stream.columns), 'column')} of {stream.name}")
    if address.secret and address.value:
        option, variable = address.secret
        console.line(f"the {option} is in no file: the job reads it from the variable {variable}, which must be set")
    show_next(job, console)
