"""A plugin in a function of a cloud under the shape of `plugins`, for code that imports `cloud_plugin_executor`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from dativo_ingest.exceptions import DativoError, PluginError
from dativo_ingest.plugins import BaseReader, BaseWriter, ConnectionTestResult, DiscoveryResult

if TYPE_CHECKING:
    from dativo_ingest.cloud_plugin_executor import CloudPluginExecutor
    from dativo_ingest.config import AssetDefinition, SourceConfig, TargetConfig
    from dativo_ingest.validator import IncrementalStateManager

_OF_READERS = ("type", "connection", "credentials", "objects", "files", "incremental", "engine")


class _Deployed:
    """What both wrappers do: deploy when first asked, ask, and let go."""

    plugin_path: str
    plugin_type: str
    executor: CloudPluginExecutor
    function_identifier: str | None = None
    _role: ClassVar[str]

    def _ask(self, operation: str, config: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        if self.function_identifier is None:
            name = f"dativo-{self._role}-{id(self):x}"
            self.function_identifier = self.executor.deploy_plugin(self.plugin_path, self.plugin_type, name)
        payload = {"operation": operation, "config": config, **more}
        reply = self.executor.invoke_plugin(self.function_identifier, payload)
        body: dict[str, Any] = json.loads(reply.get("body") or "{}")
        if reply.get("statusCode", 200) != 200:  # noqa: PLR2004 - HTTP's word for well done
            message = f"{operation} of plugin {self.plugin_path} failed in its function: {body.get('error', reply)}"
            raise PluginError(
                message, "PLUGIN_FAILED", {"plugin": self.plugin_path, "traceback": body.get("traceback")}
            )
        return body

    def close(self) -> None:
        """Let the plugin go."""
        if self.function_identifier is not None:
            self.executor.cleanup_plugin(self.function_identifier)
            self.function_identifier = None


class CloudReaderWrapper(_Deployed, BaseReader):
    """A reader in a function; ``plugin_type`` is ``python`` or ``rust``."""

    _role = "reader"

    def __init__(
        self, source_config: SourceConfig, plugin_path: str, plugin_type: str, executor: CloudPluginExecutor
    ) -> None:
        super().__init__(source_config)
        self.plugin_path, self.plugin_type, self.executor = plugin_path, plugin_type, executor

    def check_connection(self) -> ConnectionTestResult:
        """Ask the plugin; that it could not be asked is an answer, too."""
        try:
            return ConnectionTestResult(**self._ask("check_connection", self._config()))
        except DativoError as error:
            return ConnectionTestResult(
                success=False,
                message=error.message,
                error_code="CLOUD_EXECUTION_ERROR",
                details=error.to_dict(),
            )

    def discover(self) -> DiscoveryResult:
        """Ask the plugin."""
        return DiscoveryResult(**self._ask("discover", self._config()))

    def extract(self, state_manager: IncrementalStateManager | None = None) -> Iterator[list[dict[str, Any]]]:  # noqa: ARG002 - kept signature
        """Yield the pages, each fetched when it is wanted."""
        index, more = 0, True
        while more:
            answer = self._ask("extract", self._config(), batch_index=index)
            if answer.get("batch"):
                yield answer["batch"]
            index, more = index + 1, bool(answer.get("has_more"))

    def _config(self) -> dict[str, Any]:
        return {name: getattr(self.source_config, name) for name in _OF_READERS if getattr(self.source_config, name)}


class CloudWriterWrapper(_Deployed, BaseWriter):
    """A writer in a function; its ``output_base`` must be in a bucket, since nobody else sees the function's disk."""

    _role = "writer"

    def __init__(
        self,
        asset_definition: AssetDefinition,
        target_config: TargetConfig,
        output_base: str,
        plugin_path: str,
        plugin_type: str,
        executor: CloudPluginExecutor,
    ) -> None:
        super().__init__(asset_definition, target_config, output_base)
        self.plugin_path, self.plugin_type, self.executor = plugin_path, plugin_type, executor

    def write_batch(self, records: list[dict[str, Any]], file_counter: int) -> list[dict[str, Any]]:
        """Write rows."""
        answer = self._ask("write_batch", self._config(), records=records, file_counter=file_counter)
        return list(answer.get("metadata") or [])

    def commit_files(self, file_metadata: list[dict[str, Any]]) -> dict[str, Any]:
        """Ask the plugin."""
        return self._ask("commit_files", self._config(), metadata=file_metadata)

    def _config(self) -> dict[str, Any]:
        asset, target = self.asset_definition, self.target_config
        return {
            "asset_name": asset.name,
            "schema": asset.schema or [],
            "output_base": self.output_base,
            "target_type": target.type,
            "connection": target.connection or {},
            "file_format": target.file_format,
            "engine": target.engine or {},
        }
