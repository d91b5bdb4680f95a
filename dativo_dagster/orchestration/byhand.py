"""Rows in and out for code that no job file describes: what a resource says becomes the job it would be. See `plugins`.

One loader for both, so that a block means the same in a resource and in a job file, mistakes included.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dativo_dagster.config.contract import Contract
from dativo_dagster.config.document import parse_document
from dativo_dagster.config.load import parse_job
from dativo_dagster.pipeline.secrets import SecretOptions, run_environment, with_secrets
from dativo_ingest.ending import closed_after
from dativo_ingest.exceptions import ValidationError
from dativo_ingest.model import CheckResult, Cursor, Stream, Unit, Window

if TYPE_CHECKING:
    import pyarrow as pa

    from dativo_dagster.config.job import Job, JobStream
    from dativo_ingest.protocols import Reader

ContractLike = str | Path | Mapping[str, Any]
"""A contract's file, or the contract itself as a job file would have it."""

NAME = "by_hand"
_NOBODY = {
    "source": {"connector": "files", "files": ["nothing"]},
    "target": {"connector": "files", "table": "nothing", "path": "nothing"},
}
_ANY = {"name": NAME, "schema": [{"name": "any", "type": "string"}]}


def job_by_hand(
    blocks: Mapping[str, Any], contract: ContractLike | None, *, tenant: str, base: str
) -> tuple[Job, JobStream]:
    """Make the job of one side, ``source`` or ``target``, for a run: with its tenant's secrets in it.

    Args:
        blocks: What is said, by the keys of a job file.
        contract: None where it does not matter.
        tenant: Whose secrets ``${NAME}`` finds.
        base: Where relative paths start.

    Raises:
        DativoError: A block or the contract is wrong, a secret cannot be had, or a variable is not set.
    """
    said = {"name": NAME, "tenant": tenant, **_NOBODY, **blocks, "contract": _ANY if contract is None else contract}
    document = parse_document(json.dumps(said, default=str), Path(base).absolute() / NAME)
    secrets = SecretOptions().load(tenant)
    job = with_secrets(parse_job(document, environment=run_environment(secrets)), secrets)
    (stream,) = job.streams
    return job, stream if contract is not None else replace(stream, contract=Contract(name=NAME, fields=()))


def read_rows(reader: Reader, stream: JobStream) -> Iterator[pa.RecordBatch]:
    """Yield all that a source has as batches of the contract's types.

    Raises:
        ValidationError: A row breaks the contract.
    """
    from dativo_dagster.config.forplugins import source_stream
    from dativo_dagster.pipeline.units import describe
    from dativo_dagster.validation.compile import compile_contract
    from dativo_dagster.validation.enforce import Enforcer

    wanted, enforcer = source_stream(stream), Enforcer(compile_contract(stream.contract, stream.validation), run_id="")
    for unit in reader.split(wanted, None).units:
        rows = 0
        with closed_after(reader.read(wanted, unit)) as batches:
            for batch in batches:
                verdict = enforcer.check(batch, source=unit.id, first_row=rows + 1)
                rows += batch.num_rows
                if verdict.rejected is not None and verdict.rejected.num_rows:
                    raise ValidationError(
                        f"rows of {unit.id} break the contract {stream.contract.name!r}:\n"
                        f"{describe(enforcer.violations())}\nMend the source or the contract"
                    )
                yield verdict.good


@dataclass(frozen=True)
class Given:
    """A source that was read already: what somebody's code made, read once and as a whole.

    Args:
        rows: Whatever gives Arrow: record batches, a table, a data frame.
        token: Names the rows; the same token again is the same commit.
    """

    rows: Any
    token: str

    def check(self) -> CheckResult:
        """Say that it is there."""
        return CheckResult(name="connection", passed=True)

    def discover(self) -> Sequence[Stream]:
        """Give nothing: nobody asks."""
        return ()

    def split(self, stream: Stream, since: Cursor | None) -> Window:
        """Give all as one unit."""
        return Window(units=(Unit(id=stream.name),), fingerprint=self.token, before=since, after=since)

    def read(self, stream: Stream, unit: Unit) -> Iterator[pa.RecordBatch]:  # noqa: ARG002 - there is only one
        """Yield the batches."""
        return iter(_batches(self.rows))

    def position(self, unit: Unit) -> int:  # noqa: ARG002 - bytes of memory are nobody's progress
        """Know of no bytes."""
        return 0

    def reached(self, window: Window) -> Cursor | None:
        """Leave the cursor as it is."""
        return window.after


def _batches(rows: Any) -> Iterable[pa.RecordBatch]:
    import pyarrow as pa

    if hasattr(rows, "__arrow_c_stream__"):
        stream: Iterable[pa.RecordBatch] = pa.RecordBatchReader.from_stream(rows)
        return stream
    if hasattr(rows, "__arrow_c_array__"):
        return [pa.record_batch(rows)]
    return (pa.record_batch(batch) for batch in rows)
