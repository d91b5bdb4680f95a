"""Old import path of cloud execution: a plugin in a function of a cloud, under its old calls.

They lead to the places ``aws_lambda`` and ``gcp_functions``. A job names these by ``engine.cloud_execution`` or
``place``, and only there rows stay Arrow, units run side by side and a reader keeps its state: what comes through
`CloudPluginExecutor.invoke_plugin` is JSON, one page a call.

A function is named by its tenant and its content, never by what the caller calls it, so nobody overwrites another's.
It stays for the next use until ``dativo places gc``, unless ``keep: false`` stands under ``aws`` or ``gcp``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from dativo_ingest import doorways
from dativo_ingest.config import AssetDefinition, SourceConfig, TargetConfig
from dativo_ingest.exceptions import SandboxError
from dativo_ingest.loader.asclass import placed_class
from dativo_ingest.loader.cloudclass import CloudReaderWrapper, CloudWriterWrapper
from dativo_ingest.plugins import BaseReader, BaseWriter, plugin_at

if TYPE_CHECKING:
    from dativo_ingest.model import PluginRef
    from dativo_ingest.protocols import Launcher

__all__ = [
    "AWSLambdaExecutor",
    "CloudExecutionConfig",
    "CloudPluginExecutor",
    "CloudReaderWrapper",
    "CloudWriterWrapper",
    "GCPCloudFunctionsExecutor",
    "create_cloud_executor",
    "create_cloud_reader_wrapper",
    "create_cloud_writer_wrapper",
]

PLUGIN_TYPES = {"python": "python", "rust": "native"}


@dataclass
class CloudExecutionConfig:
    """The block ``engine.cloud_execution`` of a job's source or target."""

    enabled: bool = False
    provider: str = "aws"
    runtime: str = "python3.11"
    memory_mb: int = 512
    timeout_seconds: int = 300
    aws_config: dict[str, Any] = field(default_factory=dict)
    gcp_config: dict[str, Any] = field(default_factory=dict)
    environment_variables: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> CloudExecutionConfig:
        """Read the block; ``aws`` and ``gcp`` in it become ``aws_config`` and ``gcp_config``."""
        gcp = dict(config.get("gcp") or {})
        return cls(
            enabled=bool(config.get("enabled", False)),
            provider=str(config.get("provider", "aws")).lower(),
            runtime=config.get("runtime", "python3.11"),
            memory_mb=config.get("memory_mb", 512),
            timeout_seconds=config.get("timeout_seconds", 300),
            aws_config=dict(config.get("aws") or {}),
            gcp_config={"region": "us-central1", **gcp} if gcp else {},
            environment_variables=dict(config.get("environment_variables") or {}),
        )


class CloudPluginExecutor:
    """Runs plugins in functions of one cloud; subclass it to run them elsewhere."""

    provider: ClassVar[str]

    def __init__(self, config: CloudExecutionConfig) -> None:
        self.config = config
        self._plugins: dict[str, PluginRef] = {}
        self._opened: dict[tuple[str, str], Any] = {}
        self._pages: dict[tuple[str, str], tuple[int, Iterator[Any]]] = {}

    def deploy_plugin(self, plugin_path: str, plugin_type: str, function_name: str) -> str:
        """Take a plugin on, and give what `invoke_plugin` knows it by; its function is made when it is first asked.

        Args:
            plugin_path: ``path.py:Class``, or ``library.so:create_reader``.
            plugin_type: ``python`` or ``rust``.
            function_name: What the caller calls it; the function has a name of its own.

        Raises:
            ValueError: There is no such plugin, or no such type.
        """
        if plugin_type not in PLUGIN_TYPES:
            raise ValueError(f"unsupported plugin type {plugin_type!r}; known are {', '.join(PLUGIN_TYPES)}")
        ref = plugin_at(plugin_path)
        if ref.kind != PLUGIN_TYPES[plugin_type]:
            raise ValueError(f"plugin {plugin_path} is none of type {plugin_type!r}")
        self._plugins[function_name] = ref
        return function_name

    def invoke_plugin(self, function_identifier: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Run one operation and give ``{"statusCode": 200, "body": JSON}``.

        Args:
            function_identifier: What `deploy_plugin` gave.
            payload: ``operation`` (``check_connection``, ``discover``, ``extract`` with ``batch_index``,
                ``write_batch`` with ``records`` and ``file_counter``, ``commit_files`` with ``metadata``) and
                ``config``, the keywords of a source, or what the earlier system gave a writer.

        Raises:
            ValueError: `deploy_plugin` gave no such thing.
            SandboxError: ``PLACE_UNSUPPORTED``: there is no such operation.
            DativoError: As the plugin raised it; nothing that failed is ever taken for an empty answer.
        """
        if function_identifier not in self._plugins:
            raise ValueError(f"no plugin is deployed as {function_identifier!r}")
        return {"statusCode": 200, "body": json.dumps(self._answer(function_identifier, payload), default=str)}

    def cleanup_plugin(self, function_identifier: str) -> None:
        """Let a plugin go; one that was never taken on is none."""
        self._plugins.pop(function_identifier, None)
        for key in [key for key in self._opened if key[0] == function_identifier]:
            self._pages.pop(key, None)
            self._opened.pop(key).close()

    def launcher(self, kind: str) -> Launcher:
        """Make the launcher for plugins of a kind, ``python`` or ``native``."""
        own = self.config.aws_config if self.provider == "aws" else self.config.gcp_config
        said = {
            "provider": self.provider,
            "runtime": self.config.runtime,
            "memory_mb": self.config.memory_mb,
            "timeout_seconds": self.config.timeout_seconds,
            "environment_variables": self.config.environment_variables,
            self.provider: own,
        }
        if kind == "native" and self.provider == "aws" and self.config.runtime.startswith("python"):
            del said["runtime"]  # a library has a runtime of its own
        return doorways.function(said)

    def _answer(self, known: str, payload: Mapping[str, Any]) -> Any:
        operation, config = str(payload.get("operation")), payload.get("config") or {}
        key = (known, json.dumps(config, sort_keys=True, default=str))
        if operation == "write_batch":
            writer = self._writer(key, config)
            return {"metadata": writer.write_batch(list(payload["records"]), int(payload.get("file_counter", 0)))}
        if operation == "commit_files":
            return self._writer(key, config).commit_files(list(payload["metadata"]))
        if operation == "extract":
            return self._page(key, self._reader(key, config), int(payload.get("batch_index", 0)))
        if operation in ("check_connection", "discover"):
            return getattr(self._reader(key, config), operation)().to_dict()
        raise SandboxError(
            f"{operation} of plugin {self._plugins[known]} cannot be called in a function; what can be called is "
            "check_connection, discover, extract, write_batch and commit_files",
            "PLACE_UNSUPPORTED",
            {"verb": operation},
            retryable=False,
        )

    def _page(self, key: tuple[str, str], reader: BaseReader, index: int) -> dict[str, Any]:
        """Give one page. Asked in turn they come from one read; going back reads anew."""
        at, pages = self._pages.pop(key, (0, iter(())))
        if at == 0 or index < at:
            at, pages = 0, reader.extract()
        page = next(islice(pages, index - at, None), None)
        if page is not None:
            self._pages[key] = (index + 1, pages)
        return {"batch": page, "has_more": page is not None}

    def _reader(self, key: tuple[str, str], config: Mapping[str, Any]) -> BaseReader:
        said = {name: value for name, value in config.items() if value not in ({}, [])}
        found: BaseReader = self._plugin(key, BaseReader, SourceConfig(**said))
        return found

    def _writer(self, key: tuple[str, str], config: Mapping[str, Any]) -> BaseWriter:
        asset = AssetDefinition(name=config.get("asset_name"), schema=config.get("schema"))
        names = {"type": "target_type", "connection": "connection", "file_format": "file_format", "engine": "engine"}
        target = TargetConfig(**{name: config[said] for name, said in names.items() if config.get(said)})
        found: BaseWriter = self._plugin(key, BaseWriter, asset, target, str(config.get("output_base") or ""))
        return found

    def _plugin(self, key: tuple[str, str], base: type, *made_with: Any) -> Any:
        """Give the plugin that was made with a configuration; made now when there is none."""
        if key not in self._opened:
            ref = self._plugins[key[0]]
            self._opened[key] = placed_class(ref, base, lambda: self.launcher(ref.kind))(*made_with)
        return self._opened[key]


class AWSLambdaExecutor(CloudPluginExecutor):
    """Runs plugins in functions of AWS Lambda."""

    provider = "aws"


class GCPCloudFunctionsExecutor(CloudPluginExecutor):
    """Runs plugins in Google Cloud Functions."""

    provider = "gcp"


_EXECUTORS = {each.provider: each for each in (AWSLambdaExecutor, GCPCloudFunctionsExecutor)}


def create_cloud_executor(config: CloudExecutionConfig) -> CloudPluginExecutor:
    """Make what runs plugins as ``config`` says; no cloud is asked before a plugin is.

    Raises:
        ValueError: The provider is unknown.
    """
    if config.provider not in _EXECUTORS:
        raise ValueError(f"unsupported cloud provider {config.provider!r}; known are {', '.join(_EXECUTORS)}")
    return _EXECUTORS[config.provider](config)


def create_cloud_reader_wrapper(plugin_path: str, plugin_type: str, config: CloudExecutionConfig) -> type[BaseReader]:
    """Give a class of readers in a function, to be called with a source's configuration."""
    executor = create_cloud_executor(config)

    class Reader(CloudReaderWrapper):
        def __init__(self, source_config: SourceConfig) -> None:
            super().__init__(source_config, plugin_path, plugin_type, executor)

    return Reader


def create_cloud_writer_wrapper(plugin_path: str, plugin_type: str, config: CloudExecutionConfig) -> type[BaseWriter]:
    """Give a class of writers in a function, to be called with an asset, a target's configuration and a base."""
    executor = create_cloud_executor(config)

    class Writer(CloudWriterWrapper):
        def __init__(self, asset_definition: AssetDefinition, target_config: TargetConfig, output_base: str) -> None:
            super().__init__(asset_definition, target_config, output_base, plugin_path, plugin_type, executor)

    return Writer


def cloud_class(ref: PluginRef, base: type, said: CloudExecutionConfig | Mapping[str, Any]) -> type[Any] | None:
    """Give a subclass of ``base`` whose instances run in a function; None where the block is not enabled."""
    config = said if isinstance(said, CloudExecutionConfig) else CloudExecutionConfig.from_dict(said)
    if not config.enabled:
        return None
    executor = create_cloud_executor(config)
    return placed_class(ref, base, lambda: executor.launcher(ref.kind))
