"""A look at a source or a table outside a run: is it there, what does it have, does it keep its contract."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from dativo_dagster.pipeline.assemble import open_reader, open_table
from dativo_dagster.pipeline.checked import with_checks
from dativo_ingest.exceptions import DativoError
from dativo_ingest.model import CheckResult, Counts, Stream
from dativo_ingest.result import StreamResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dativo_dagster.config.job import Job, JobStream


def evaluate(job: Job, stream: JobStream) -> StreamResult:
    """Hold the table as it stands against its contract: every row is read, nothing is written."""
    from dativo_dagster.config.job import Validation
    from dativo_dagster.validation.compile import compile_contract
    from dativo_dagster.validation.enforce import Enforcer

    table, started = open_table(job, stream), time.monotonic()
    columns = tuple(table.columns())
    promised = [c.name for c in columns if c.name in {f.name for f in stream.contract.fields}]
    enforcer = Enforcer(compile_contract(stream.contract, Validation(mode="quarantine")), run_id="")
    rows = kept = 0
    for batch in table.scan():
        # A table may have more than the contract asks for, such as a virtual partition column.
        kept += enforcer.check(batch.select(promised), source=table.identifier, first_row=rows + 1).good.num_rows
        rows += batch.num_rows
    return with_checks(
        stream,
        StreamResult(
            job=job.name,
            tenant=job.tenant,
            stream=stream.name,
            table=stream.target.table,
            status="evaluated",
            counts=Counts(read=rows, written=kept, rejected=rows - kept),
            columns=columns,
            violations=enforcer.violations(),
            seconds=time.monotonic() - started,
        ),
    )


def check_connection(job: Job, stream: JobStream, side: str) -> CheckResult:
    """Try to reach the ``source`` or the ``target`` of a stream; an error of ours is an answer, not an exception."""
    try:
        if side == "target":
            return open_table(job, stream).check()
        with open_reader(job, stream) as reader:
            return reader.check()
    except DativoError as error:
        return CheckResult.failed("connection", error)


def discover(job: Job, stream: JobStream) -> Sequence[Stream]:
    """List what the source of a stream has."""
    with open_reader(job, stream) as reader:
        return reader.discover()
