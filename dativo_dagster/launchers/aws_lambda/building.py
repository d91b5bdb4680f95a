"""What a function is made of: for a class Amazon's Python, the SDK and a layer; for a library our own runtime."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dativo_dagster.functions import glibc
from dativo_dagster.functions.dependencies import SDK_NEEDS, dependencies
from dativo_dagster.functions.package import Package, check_unzipped, inside, pack, plugin_package
from dativo_dagster.launchers.aws_lambda.account import tag
from dativo_dagster.launchers.aws_lambda.config import OLD_RUNTIMES
from dativo_dagster.launchers.aws_lambda.layers import FOLDER, layer, published
from dativo_dagster.owner import host_label, owner_of
from dativo_dagster.telemetry import warn_once
from dativo_ingest.exceptions import ConfigurationError
from dativo_ingest.model import PluginRef

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from dativo_dagster.launchers.aws_lambda.account import Account
    from dativo_dagster.launchers.aws_lambda.config import Config

BOOTSTRAP = Path(__file__).parents[2] / "native" / "lambda_bootstrap"
"""The program that runs libraries where there is no Python; a wheel has it."""
_UNZIPPED_BYTES = 250_000_000
"""What a function may have on its disk, layers included."""
_HANDLER = "dativo_ingest.functions.aws.lambda_handler"
_WITH_PYTHON = {"provided.al2": "python3.11", "provided.al2023": "python3.12"}
"""Systems without Python, and the runtime of the same system that has it."""
_SYMBOL = b"dativo_plugin_init\0"  # a name as libraries of our ABI have it in their table of symbols
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Built:
    """Of a function: its runtime, handler, package, layers, and the plugin as the package has it.

    One that is an image of the user's has no runtime and no package.
    """

    runtime: str | None
    handler: str
    package: Package | None
    layers: tuple[str, ...]
    plugin: PluginRef

    @property
    def content(self) -> str:
        """Name the content of the package; empty where there is none."""
        return self.package.hash if self.package else ""


def build(account: Account, tenant: str, plugin: PluginRef, *, publish: bool = True) -> Built:
    """Pack a plugin, and publish the layer that it needs.

    Args:
        account: Where.
        tenant: Whose function it will be.
        plugin: What is packed.
        publish: Whether a layer that is not there is made; else its name is empty.

    Raises:
        ConfigurationError: ``GLIBC_TOO_NEW``, ``WRONG_MACHINE``: the runtime cannot load the library.
            ``PACKAGE_TOO_LARGE``, ``REQUIREMENTS_UNRESOLVED``, ``FUNCTION_REFUSED``.
    """
    config = account.config
    if config.image:
        return _image(plugin)
    runtime = _runtime(config, plugin)
    if runtime in OLD_RUNTIMES:
        warn_once(_LOG, "%s is on Amazon Linux 2, which is at its end of life; take a newer `runtime`", runtime)
    _must_run(config, runtime, plugin)
    if runtime.startswith("provided"):
        return _library(runtime, plugin)
    package = plugin_package(plugin, {})
    needed = dependencies((*SDK_NEEDS, *config.requirements), config.system(runtime), FOLDER)
    check_unzipped({"plugin and SDK": package.unzipped, "requirements": needed.unzipped}, _UNZIPPED_BYTES)
    there = (
        layer(account, tenant, needed, runtime, config.architecture) if publish else published(account, tenant, needed)
    )
    return Built(
        runtime=runtime,
        handler=_HANDLER,
        package=package,
        layers=(there,),
        plugin=PluginRef(path=inside(plugin), name=plugin.name, kind=plugin.kind),
    )


def suited(config: Config, plugin: PluginRef) -> None:
    """Refuse, as `build` does, a plugin that its runtime cannot run; nobody is asked for that."""
    if not config.image:
        _must_run(config, _runtime(config, plugin), plugin)


def named(config: Config, role: str, plugin: PluginRef) -> None:
    """Refuse a name that a library does not have, as every other place does: our bootstrap asks for none."""
    from dativo_ingest.native.library import of_role

    if plugin.kind == "native" and not config.image and _runtime(config, plugin).startswith("provided"):
        of_role(plugin.path, plugin.name, role)


def _must_run(config: Config, runtime: str, plugin: PluginRef) -> None:
    if plugin.kind == "native":
        glibc.check(Path(plugin.path), runtime, config.architecture)
    if runtime.startswith("provided"):
        _must_need_no_python(config, runtime, plugin)


def _runtime(config: Config, plugin: PluginRef) -> str:
    """Choose the runtime: our bootstrap does not speak the older ABI of libraries, which SDK and Python do."""
    runtime = config.runtime or ("provided.al2023" if plugin.kind == "native" else "python3.12")
    if plugin.kind != "native" or runtime not in _WITH_PYTHON or _SYMBOL in Path(plugin.path).read_bytes():
        return runtime
    _LOG.info("%s is a library of the older ABI: it runs on %s", plugin, _WITH_PYTHON[runtime])
    return _WITH_PYTHON[runtime]


def tags(config: Mapping[str, Any], content: str, *, keep: bool) -> dict[str, str]:
    """Say whose a function is.

    Args:
        config: What its plugin is opened with.
        content: The hash of its package, or its image.
        keep: Whether it stays for the next run.
    """
    owner = owner_of(config)
    said = {
        "dativo": "1",
        "dativo.tenant": owner.tenant,
        "dativo.job": owner.job,
        "dativo.stream": owner.stream,
        "dativo.host": host_label(),
        "dativo.hash": content,
        "dativo.keep": str(keep).lower(),
    }
    return {name: tag(value) for name, value in said.items()}


def _image(plugin: PluginRef) -> Built:
    """Run what is in an image: there, too, the plugin lies in the folder that packages have it in."""
    here, native = Path(plugin.path).name, plugin.kind == "native"
    return Built(
        runtime=None,
        handler=f"{here}:{plugin.name}" if native else _HANDLER,
        package=None,
        layers=(),
        plugin=PluginRef(path=here if native else inside(plugin), name=plugin.name, kind=plugin.kind),
    )


def _must_need_no_python(config: Config, runtime: str, plugin: PluginRef) -> None:
    if plugin.kind != "native":
        message = f"{runtime} has no Python, and plugin {plugin} is a class; leave `runtime` out, or give python3.12"
        raise ConfigurationError(message, "FUNCTION_REFUSED")
    if config.requirements:
        message = f"{runtime} has no Python: plugin {plugin} cannot have `requirements`"
        raise ConfigurationError(message, "FUNCTION_REFUSED")
    if not BOOTSTRAP.is_file():
        message = f"{BOOTSTRAP} is not there; `make rust` builds it, and a wheel of this package has it"
        raise ConfigurationError(message, "PLUGIN_NOT_FOUND")
    glibc.check(BOOTSTRAP, runtime, config.architecture)


def _library(runtime: str, plugin: PluginRef) -> Built:
    name = Path(plugin.path).name
    package = pack({"bootstrap": BOOTSTRAP.read_bytes(), name: Path(plugin.path).read_bytes()})
    check_unzipped({"library and bootstrap": package.unzipped}, _UNZIPPED_BYTES)
    return Built(
        runtime=runtime,
        handler=f"{name}:{plugin.name}",
        package=package,
        layers=(),
        plugin=PluginRef(path=name, name=plugin.name, kind="native"),
    )
