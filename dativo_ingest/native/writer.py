"""A writer behind the C ABI v1, in the shape that the pipeline knows: `protocols.WriterPlugin`."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from dativo_ingest.exceptions import DativoError, ValidationError
from dativo_ingest.model import CheckResult, DataFile
from dativo_ingest.native import abi
from dativo_ingest.native.answers import mapping, values
from dativo_ingest.native.instance import MISSING, Pool, Request
from dativo_ingest.native.reader import checked_by

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa

    from dativo_ingest.native.errors import Call


class NativeWriter:
    """A target in a native library; each thread that writes has an instance of its own."""

    def __init__(self, pool: Pool, call: Call, *, commits: bool) -> None:
        self.commits = commits
        self._pool = pool
        self._call = call

    def check(self) -> CheckResult:
        """Ask the plugin whether it reaches its target."""
        return checked_by(self._pool, self._call)

    def write(self, batches: Iterable[Any], base: str, name: str) -> list[DataFile]:
        """Hand the batches to the plugin, which pulls them one by one; no batches is no call.

        Raises:
            PluginError: ``ROWS_LOST``: the plugin says that it is done and did not take or did not lay down every row.
        """
        call = replace(self._call, verb="write")
        rows = _Rows(batches)
        if rows.schema is None:
            return []
        found = self._write(Request("write", {"base": base, "name": name}), rows, call)
        files = values(DataFile, found, "files", call)
        laid = sum(f.rows for f in files)
        if not rows.ended or (laid != rows.rows and not self.commits):
            taken = f"{rows.rows:,} rows were taken{'' if rows.ended else ', more were there,'} and {laid:,} laid down"
            raise call.broken(f"answered OK, but {taken}", "ROWS_LOST", taken=rows.rows, laid=laid)
        return files

    def _write(self, request: Request, rows: _Rows, call: Call) -> Any:
        """Call the plugin; an error of whoever makes the batches comes back as it was."""
        stream = rows.exported()
        try:
            with self._pool.instance() as instance:
                found = instance.write(request, stream)
        except DativoError as error:
            if rows.failed is None:
                raise
            raise rows.failed from error
        finally:
            rows.close(stream)
        if rows.failed is not None:
            raise rows.failed
        if found is MISSING:
            raise call.broken("the plugin writes nothing: it has no `write`")
        return found

    def commit(self, token: str, files: Sequence[DataFile]) -> Mapping[str, Any]:
        """Let the plugin make the files visible; nothing to do where it has no commit."""
        found = self._ask("commit", token, files)
        return {} if found is MISSING else mapping(found, replace(self._call, verb="commit"))

    def abort(self, files: Sequence[DataFile]) -> None:
        """Let the plugin remove what it left."""
        self._ask("abort", "", files)

    def cancel(self) -> None:
        """Ask all that runs to fail soon with ``CANCELLED``; any thread may."""
        self._pool.cancel()

    def _ask(self, verb: str, token: str, files: Sequence[DataFile]) -> Any:
        with self._pool.instance() as instance:
            return instance.ask(Request(verb, {"token": token, "files": [f.to_json() for f in files]}))


class _Rows:
    """Batches on their way into a plugin: counted, of one schema, and remembering what went wrong on our side."""

    def __init__(self, batches: Iterable[Any]) -> None:
        source = iter(batches)
        first = next(source, None)
        self.schema: pa.Schema | None = None if first is None else _batch(first).schema
        self._source = source if first is None else chain((first,), source)
        self.rows = 0
        self.ended = self.closed = False
        self.failed: BaseException | None = None

    def exported(self) -> abi.ArrowArrayStream:
        import pyarrow as pa

        stream = abi.ArrowArrayStream()
        reader = pa.RecordBatchReader.from_batches(self.schema, self._pulled())
        reader._export_to_c(ctypes.addressof(stream))  # noqa: SLF001 - pyarrow's way to export by address
        return stream

    def _pulled(self) -> Iterator[pa.RecordBatch]:
        """Yield the batches, in whatever thread the plugin asks for them."""
        try:
            for item in self._source:
                batch = self._alike(_batch(item))
                if self.closed:
                    return
                self.rows += batch.num_rows
                yield batch
        except GeneratorExit:  # the plugin lets go of the rows
            raise
        except BaseException as error:
            self.failed = error
            raise
        self.ended = True

    def _alike(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if not batch.schema.equals(self.schema):
            raise ValidationError("batches for one writer have different columns", "COLUMNS_DIFFER")
        return batch

    def close(self, stream: abi.ArrowArrayStream) -> None:
        """Take the stream back from a plugin that left it; whoever still pulls gets no more."""
        self.closed = True
        if stream.release:
            stream.release(ctypes.byref(stream))


def _batch(item: Any) -> pa.RecordBatch:
    import pyarrow as pa

    return item if isinstance(item, pa.RecordBatch) else pa.record_batch(item)
