"""Reads Arrow IPC files without making a row: what a source that already speaks Arrow looks like.

source:
  custom_reader: plugins/arrow_reader.py:ArrowReader
  files: [{path: data/readings.arrow}]
"""

from pathlib import Path

from dativo_ingest import BaseReader, ConnectionTestResult, DiscoveryResult


class ArrowReader(BaseReader):
    """Anything with ``__arrow_c_stream__`` may be yielded: a pyarrow reader here, a polars frame just as well."""

    __version__ = "1.0.0"
    requires_sdk = ">=1.1,<2"

    @property
    def paths(self):
        return [Path(file["path"]) for file in self.source_config.files]

    def check_connection(self):
        missing = [str(path) for path in self.paths if not path.exists()]
        if missing:
            return ConnectionTestResult(
                success=False, message=f"no such file: {', '.join(missing)}", error_code="RESOURCE_NOT_FOUND"
            )
        return ConnectionTestResult(success=True, message=f"{len(self.paths)} files")

    def discover(self):
        import pyarrow as pa

        found = []
        for path in self.paths:
            with pa.ipc.open_file(path) as file:
                columns = [{"name": field.name, "type": str(field.type)} for field in file.schema]
                found.append({"name": path.stem, "type": "file", "columns": columns})
        return DiscoveryResult(objects=found)

    def extract(self, state_manager=None):
        import pyarrow as pa

        for path in self.paths:
            with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as file:
                for number in range(file.num_record_batches):
                    yield file.get_batch(number)
