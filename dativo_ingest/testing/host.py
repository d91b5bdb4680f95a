"""A doorway up to the platform: its validation and its places, where it is installed beside the SDK."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from dativo_ingest.testing.checks import NotApplicable

if TYPE_CHECKING:
    from dativo_ingest.model import Stream
    from dativo_ingest.protocols import Launcher

MISSING = "this needs the platform: pip install dativo-dagster"


def rejections(stream: Stream) -> Callable[[Any, str], str]:
    """Give a function that validates a batch of a unit and says what was rejected; nothing when nothing was.

    Raises:
        NotApplicable: The platform is not installed.
    """
    config = _import("config.contract")
    types = _import("config.types")
    fields = tuple(
        config.Field(name=c.name, type=types.parse_type(c.type), required=not c.nullable) for c in stream.columns
    )
    compiled = _import("validation.compile").compile_contract(
        config.Contract(name=stream.name, fields=fields), _import("config.job").Validation(mode="quarantine")
    )
    enforce = _import("validation.enforce").Enforcer

    def rejected(batch: Any, unit: str) -> str:
        enforcer = enforce(compiled, run_id="conformance")
        enforcer.check(batch, source=unit, first_row=1)
        return "; ".join(f"{v.rule}: {v.count:,} rows" for v in enforcer.violations())

    return rejected


def launcher(name: str, options: Mapping[str, Any] | None = None) -> Launcher:
    """Open a place by its name in a job.

    Raises:
        NotApplicable: The platform is not installed.
        ConfigurationError: There is no such place, or it refuses its options.
    """
    module = _import("registry").load("launchers", name)
    made: Launcher = module.Launcher(module.Config(**(options or {})))
    return made


def _import(name: str) -> Any:
    try:
        return importlib.import_module(f"dativo_dagster.{name}")
    except ModuleNotFoundError as error:
        raise NotApplicable(f"{MISSING} ({error.name} is not there)") from error
