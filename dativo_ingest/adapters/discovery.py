"""What a plugin says of its connection and its objects, in the words of `model`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dativo_ingest.exceptions import PluginError
from dativo_ingest.model import CheckResult, Column, PluginRef, Stream

_PASSING = {"CONNECTION_ERROR", "CONNECTION_FAILED", "NETWORK_ERROR", "RATE_LIMIT_EXCEEDED", "TIMEOUT_ERROR"}


def check_result(ref: PluginRef, result: Any, name: str) -> CheckResult:
    """Give the answer of `check_connection`; a plugin may say ``retryable`` itself, else its error code tells."""
    if not isinstance(getattr(result, "success", None), bool):
        message = f"plugin {ref}: check_connection gave {type(result).__name__}; it must give a ConnectionTestResult"
        raise PluginError(message, "PLUGIN_BAD_RESULT", {"plugin": str(ref)})
    details = dict(result.details or {})
    said = getattr(result, "retryable", details.get("retryable"))
    return CheckResult(
        name=name,
        passed=result.success,
        message=str(result.message),
        code=result.error_code or (None if result.success else "PLUGIN_ERROR"),
        retryable=not result.success and (result.error_code in _PASSING if said is None else bool(said)),
        details=details,
    )


def streams(ref: PluginRef, result: Any) -> list[Stream]:
    """Give the answer of `discover`; what has no place of its own is kept in ``properties``.

    Raises:
        PluginError: ``PLUGIN_FAILED``, the plugin found nothing and says of an error; ``PLUGIN_BAD_RESULT``.
    """
    objects, metadata = getattr(result, "objects", None), getattr(result, "metadata", None) or {}
    if not isinstance(objects, (list, tuple)) or not all(isinstance(o, Mapping) and o.get("name") for o in objects):
        message = f"plugin {ref}: discover must give a DiscoveryResult whose objects are dicts with a name"
        raise PluginError(message, "PLUGIN_BAD_RESULT", {"plugin": str(ref)})
    if not objects and metadata.get("error"):
        raise PluginError(f"plugin {ref}: discover failed: {metadata['error']}", "PLUGIN_FAILED", {"plugin": str(ref)})
    return [_stream(o, metadata) for o in objects]


def _stream(found: Mapping[str, Any], metadata: Mapping[str, Any]) -> Stream:
    properties = {k: v for k, v in found.items() if k not in {"name", "description", "columns"}}
    if metadata:
        properties["metadata"] = dict(metadata)
    return Stream(
        name=str(found["name"]),
        description=str(found.get("description") or ""),
        columns=tuple(_columns(found.get("columns") or found.get("schema") or ())),
        properties=properties,
    )


def _columns(said: Any) -> Iterable[Column]:
    """Read any of the shapes that are in use: names, dicts, a mapping to types, or a JSON Schema."""
    if isinstance(said, Mapping):
        required = said.get("required")
        said = said.get("properties", said)
        wanted = set(required) if isinstance(required, (list, tuple)) else set()
        for name, value in said.items():
            facts = value if isinstance(value, Mapping) else {"type": value}
            yield _column({**facts, "name": name, "required": name in wanted or facts.get("required") is True})
        return
    for facts in said:
        yield _column(facts if isinstance(facts, Mapping) else {"name": facts})


def _column(facts: Mapping[str, Any]) -> Column:
    kind = facts.get("type") or "string"
    if isinstance(kind, (list, tuple)):  # JSON Schema: ["integer", "null"]
        kind = next((k for k in kind if k != "null"), "string")
    return Column(
        name=str(facts["name"]),
        type=str(kind),
        nullable=bool(facts.get("nullable", not facts.get("required", False))),
        description=str(facts.get("description") or ""),
    )
