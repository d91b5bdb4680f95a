"""The only imports that go up: what old import paths promise and the platform does.

Each function imports when it is called and says so when only the SDK is installed. Called by `config`, `validator`,
`cli`, `sandbox` and `cloud_plugin_executor`; no job's plugin takes this way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from dativo_ingest.protocols import Launcher


def job(path: Path) -> Any:
    """Load a job file."""
    with _platform("a job file"):
        from dativo_dagster.config.load import load_job
    return load_job(path)


def runner(path: Path) -> Any:
    """Load a runner file."""
    with _platform("a runner file"):
        from dativo_dagster.config.runner import load_runner
    return load_runner(path)


def asset(path: Path) -> dict[str, Any]:
    """Load a contract as the keywords of `config.AssetDefinition`."""
    with _platform("a contract file"):
        from dativo_dagster.config.contractfile import load_contract
        from dativo_dagster.config.forplugins import asset as described
    return described(load_contract(path))


def connector(name: str) -> None:
    """Refuse a connector that the platform does not have."""
    with _platform("a look at the connectors"):
        from dativo_dagster.registry import entry
    entry("connectors", name)


def sandbox(said: Mapping[str, Any]) -> Launcher:
    """Give the container that a ``plugins.sandbox`` block means."""
    with _platform("a sandbox"):
        from dativo_dagster.config.places import container
        from dativo_dagster.pipeline.plugins import launcher_of
    return launcher_of(container(said, "the sandbox"))


def function(said: Mapping[str, Any]) -> Launcher:
    """Give the cloud function that a ``cloud_execution`` block means."""
    with _platform("a cloud function"):
        from dativo_dagster.config.places import function as placed
        from dativo_dagster.pipeline.plugins import launcher_of
    return launcher_of(placed(said, "the cloud execution"))


def stores(options: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Say how the object stores are reached that options of a source or target mention."""
    with _platform("a way to object stores"):
        from dativo_dagster.storage.portable import portable
    return portable(options)


def command_line(arguments: Sequence[str] | None) -> int:
    """Run the command line and give its exit code."""
    with _platform("the command line"):
        from dativo_dagster.cli import main
    return main(arguments)


@contextmanager
def _platform(what: str) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "dativo_dagster":
            raise
        message = f"{what} needs the platform, and only the SDK is installed: pip install dativo-dagster"
        raise ConfigurationError(message, "PLATFORM_MISSING") from error
