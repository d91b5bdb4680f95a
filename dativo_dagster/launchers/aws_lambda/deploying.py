"""Deploys a function once for each content and settings; what is deployed already is only looked up.

The name of a function holds its tenant, its plugin and a hash of all that it is made of: no two tenants share one, and
another version is another function beside the first, so that a run never changes what another one uses.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dativo_dagster.launchers.aws_lambda.account import plain, tenant_key
from dativo_dagster.launchers.aws_lambda.refusals import refusals
from dativo_ingest.exceptions import TransientError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dativo_dagster.functions.package import Package
    from dativo_dagster.functions.staging import Staging
    from dativo_dagster.launchers.aws_lambda.config import Config

DIRECT_BYTES = 50_000_000
"""What AWS takes in a call; more goes by its object store."""
_NAME_CHARACTERS = 64
_NO_SETTING = frozenset({"keep", "start_seconds", "idle_seconds", "endpoint_url", "function_endpoint_url", "inline_mb"})
_LOOK_SECONDS = 0.25
_ASSUMED_SECONDS = 60.0
"""How long a new role may take until Lambda can take it on; Amazon says that it is some seconds."""
_NOT_YET = ("cannot be assumed", "execution role does not have permissions")
"""What Lambda says of a role, or of its policy in a VPC, that is not known everywhere yet."""
_SPENT = frozenset({"Failed", "Inactive"})
"""States that nobody waits out: it could not be started, or AWS put it to sleep after weeks without a call."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """What a function is made of; ``own`` sets one apart that lives only as long as its opening.

    One without a package is the image of its place.
    """

    tenant: str
    plugin: str
    runtime: str | None
    handler: str
    role_arn: str
    package: Package | None
    layers: tuple[str, ...] = ()
    own: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


def function_name(made: Made, config: Config) -> str:
    """Name a function: ``dativo-<tenant>-<plugin>-<hash>``, of 64 characters at most.

    A name that had to be shortened or cleaned is still its tenant's own: the hash knows the whole.
    """
    settings = config.model_dump(mode="json", exclude=set(_NO_SETTING))
    facts = [settings, made.tenant, made.runtime, made.handler, made.role_arn, made.package and made.package.hash]
    # The plugin's path is no part of it: hosts that have it elsewhere share the function.
    digest = hashlib.sha256(json.dumps([*facts, made.layers, made.own]).encode()).hexdigest()[:16]
    start = f"dativo-{tenant_key(made.tenant)}-"
    room = _NAME_CHARACTERS - len(f"{start}-{digest}")
    return f"{start}{plain(Path(made.plugin).stem)[:room]}-{digest}"


def deploy(client: Any, made: Made, config: Config, staging: Staging) -> str:
    """Deploy a function unless it is there, wait until it is active, and give its name.

    Args:
        client: Of boto3, for Lambda.
        made: What it is made of.
        config: The settings of the place.
        staging: Where a package waits that is too large for a call.

    Raises:
        ConfigurationError: ``FUNCTION_REFUSED``: AWS does not take the settings.
        AuthenticationError: ``FUNCTION_DENIED``: these credentials may not deploy.
        TransientError: ``FUNCTION_NOT_READY``: it did not become active in time.
    """
    name = function_name(made, config)
    with refusals(f"function {name}"):
        state = _state(client, name)
        if state in _SPENT:
            with contextlib.suppress(client.exceptions.ResourceNotFoundException):  # another host was faster
                client.delete_function(FunctionName=name)
            state = None
        if state is None:
            with _code(made, config, staging) as code:
                _create(client, code, _settings(name, made, config))
        if state != "Active":
            _wait(client, name, config.start_seconds)
    return name


def is_deployed(client: Any, made: Made, config: Config) -> bool:
    """Say whether a function is there, or on its way by another host; nothing is asked of it."""
    name = function_name(made, config)
    with refusals(f"function {name}"):
        return _state(client, name) not in {None, *_SPENT}


def _state(client: Any, name: str) -> str | None:
    """Give the state of a function; None where there is none."""
    try:
        return str(client.get_function_configuration(FunctionName=name)["State"])
    except client.exceptions.ResourceNotFoundException:
        return None


@contextlib.contextmanager
def _code(made: Made, config: Config, staging: Staging) -> Iterator[dict[str, Any]]:
    """Give the code and how it is started, as AWS takes it."""
    if made.package is None:
        yield {
            "PackageType": "Image",
            "Code": {"ImageUri": config.image},
            "ImageConfig": {"Command": [made.handler]},
        }
        return
    started = {"Runtime": made.runtime, "Handler": made.handler, "Layers": [*made.layers, *config.layers]}
    if len(made.package.data) <= DIRECT_BYTES:
        yield {**started, "Code": {"ZipFile": made.package.data}}
        return
    with uploaded(made.package, staging, made.tenant) as there:
        yield {**started, "Code": there}


@contextlib.contextmanager
def uploaded(package: Package, staging: Staging, tenant: str) -> Iterator[dict[str, str]]:
    """Put a package where AWS fetches it, for the time of a block: a call takes 50 MB."""
    folder = staging.folder({"tenant": tenant})
    try:
        folder.put("package.zip", package.data)
        at = urlsplit(f"{folder.url}package.zip")
        yield {"S3Bucket": at.netloc, "S3Key": at.path.lstrip("/")}
    finally:
        folder.remove()


def _settings(name: str, made: Made, config: Config) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "FunctionName": name,
        "Role": made.role_arn,
        "Timeout": config.timeout_seconds,
        "MemorySize": config.memory_mb,
        "EphemeralStorage": {"Size": config.ephemeral_storage_mb},
        "Architectures": [config.architecture],
        "Environment": {"Variables": dict(config.environment)},
        "Tags": {**config.tags, **made.tags},
        "Description": f"dativo: {Path(made.plugin).name} of {made.tenant}",
    }
    if config.subnets:
        settings["VpcConfig"] = {"SubnetIds": [*config.subnets], "SecurityGroupIds": [*config.security_groups]}
    return settings


def _create(client: Any, code: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    end = time.monotonic() + _ASSUMED_SECONDS
    while True:
        try:
            client.create_function(**settings, **code)
        except client.exceptions.ResourceConflictException:
            pass  # another host deploys the same content under the same name: it is waited for like our own
        except client.exceptions.InvalidParameterValueException as error:
            if not any(said in str(error) for said in _NOT_YET) or time.monotonic() > end:
                raise
            time.sleep(2)
            continue
        return


def _wait(client: Any, name: str, seconds: float) -> None:
    from botocore.exceptions import WaiterError

    try:
        waiter = client.get_waiter("function_active_v2")
        tries = max(1, int(seconds / _LOOK_SECONDS))
        waiter.wait(FunctionName=name, WaiterConfig={"Delay": _LOOK_SECONDS, "MaxAttempts": tries})
    except WaiterError as error:
        said = (error.last_response or {}).get("Configuration", {})
        reason, failed = said.get("StateReason", "no reason given"), said.get("State") == "Failed"
        when = ", and is deployed anew by the next try" if failed else f" in {seconds:g} seconds; raise `start_seconds`"
        raise TransientError(
            f"function {name} did not become active ({reason}){when}; its state in the console may tell more",
            "FUNCTION_NOT_READY",
            {"function": name},
        ) from error
