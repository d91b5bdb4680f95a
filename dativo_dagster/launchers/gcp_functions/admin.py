"""The project as its administrator sees it: functions are found, deployed and removed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dativo_dagster.launchers.gcp_functions.naming import MARK
from dativo_dagster.launchers.gcp_functions.refusals import not_deployed, refusals, unreachable
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from dativo_dagster.functions.package import Package
    from dativo_dagster.launchers.gcp_functions.config import Config
    from dativo_dagster.launchers.gcp_functions.naming import Named

ENTRY = "entry"
"""The function in ``main.py`` that the platform calls."""
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_UPLOAD_SECONDS = 300
_LOOK_SECONDS = 1.0
_OK = 200
_INGRESS = {"all": "ALLOW_ALL", "internal": "ALLOW_INTERNAL_ONLY", "internal-and-gclb": "ALLOW_INTERNAL_AND_GCLB"}


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """A function that takes calls at ``uri``; ``name`` is that of the API."""

    name: str
    uri: str


class Project:
    """A region of a project."""

    def __init__(self, config: Config) -> None:
        self.config = config

    @cached_property
    def id(self) -> str:
        """Name the project: the one that the job says, else that of the credentials."""
        with self._refusals("no project is known"):
            project = self.config.project_id or self._project_of_credentials()
        if not project:
            raise ConfigurationError(
                "place gcp_functions: no project is known; set `project_id`, or the variable GOOGLE_CLOUD_PROJECT",
                "BAD_PLACE",
            )
        return project

    @property
    def parent(self) -> str:
        """Give the name of the region."""
        return f"projects/{self.id}/locations/{self.config.region}"

    def name_of(self, named: Named) -> str:
        """Give the name of a function as the API has it."""
        return f"{self.parent}/functions/{named.id}"

    def deploy(self, named: Named, package: Package) -> Deployed:
        """Deploy a function, or find it as it was deployed before.

        Raises:
            ConfigurationError: ``FUNCTION_NOT_DEPLOYED``: Google could not build or start it.
        """
        name = self.name_of(named)
        with self._refusals(f"function {name} cannot be deployed"):
            if self._cleared(name) is None:
                self._create(name, named, package)
            return self._when_active(name)

    def has(self, named: Named) -> bool:
        """Say whether a function is there, or on its way by another host."""
        name = self.name_of(named)
        with self._refusals(f"function {name} cannot be found"):
            return self._state(name) not in {None, "FAILED", "DELETING"}

    def remove(self, name: str) -> None:
        """Remove a function; it may be gone already."""
        with self._refusals(f"function {name} cannot be removed"):
            self._delete(name)

    def ours(self) -> list[Any]:
        """Give the functions that carry our label, as the API has them."""
        with self._refusals(f"the functions of {self.parent} cannot be listed"):
            asked = {"parent": self.parent, "filter": f"labels.{MARK}=1"}
            return [found for found in self._client.list_functions(asked) if found.labels.get(MARK) == "1"]

    def _state(self, name: str) -> str | None:
        """Give the state of a function; None when there is none."""
        from google.api_core.exceptions import NotFound

        try:
            return str(self._client.get_function({"name": name}).state.name)
        except NotFound:
            return None

    def _cleared(self, name: str) -> str | None:
        """Give the state once no function is there that failed; other hosts may remove it, too."""
        from google.api_core.exceptions import Conflict

        deadline = time.monotonic() + self.config.start_seconds
        while (state := self._settled(name)) == "FAILED":
            try:
                self._delete(name)
            except Conflict:  # noqa: PERF203 - somebody is at it
                if time.monotonic() > deadline:
                    raise
                time.sleep(_LOOK_SECONDS)
        return state

    def _settled(self, name: str) -> str | None:
        """Give the state once nobody is removing it, which takes Google a minute or more."""
        deadline = time.monotonic() + self.config.start_seconds
        while (state := self._state(name)) == "DELETING":
            if time.monotonic() > deadline:
                raise TimeoutError
            time.sleep(_LOOK_SECONDS)
        return state

    def _delete(self, name: str) -> None:
        from google.api_core.exceptions import NotFound

        try:
            self._client.delete_function({"name": name}).result(timeout=self.config.start_seconds)
        except NotFound:
            return

    def _create(self, name: str, named: Named, package: Package) -> None:
        from google.api_core.exceptions import Conflict, GoogleAPICallError

        upload = self._client.generate_upload_url({"parent": self.parent})
        self._put(upload.upload_url, package.data)
        asked = {"parent": self.parent, "function_id": named.id, "function": self._function(named, upload)}
        try:
            self._client.create_function(asked).result(timeout=self.config.start_seconds)
        except Conflict:  # another host was faster; it is the same function
            return
        except GoogleAPICallError as error:
            if self._state(name) == "FAILED":  # whatever the class of the error is, it would fail again
                raise not_deployed(f"function {name} cannot be deployed", str(error.message)) from error
            raise

    def _when_active(self, name: str) -> Deployed:
        """Wait for whoever deploys it."""
        deadline = time.monotonic() + self.config.start_seconds
        while (found := self._client.get_function({"name": name})).state.name != "ACTIVE":
            if found.state.name not in {"DEPLOYING", "UNKNOWN", "STATE_UNSPECIFIED"}:
                said = "; ".join(message.message for message in found.state_messages)
                raise not_deployed(name, f"its state is {found.state.name}: {said or 'see its log'}")
            if time.monotonic() > deadline:
                raise TimeoutError
            time.sleep(_LOOK_SECONDS)
        return Deployed(name=name, uri=found.service_config.uri)

    def _function(self, named: Named, upload: Any) -> dict[str, Any]:
        config = self.config
        service: dict[str, Any] = {
            "timeout_seconds": config.timeout_seconds,
            "available_memory": f"{config.memory_mb}Mi",
            "environment_variables": config.environment,
            "min_instance_count": config.min_instances,
            "max_instance_count": config.max_instances,
            "max_instance_request_concurrency": 1,  # memory_mb holds for each invocation
            "ingress_settings": _INGRESS[config.ingress],
        }
        if config.service_account:
            service["service_account_email"] = config.service_account
        if config.vpc_connector:
            service["vpc_connector"] = config.vpc_connector
        source = {"storage_source": upload.storage_source}
        build = {"runtime": config.runtime, "entry_point": ENTRY, "source": source}
        return {
            "environment": "GEN_2",
            "description": named.description,
            "build_config": build,
            "service_config": service,
            "labels": named.labels,
        }

    def _put(self, url: str, data: bytes) -> None:
        from google.auth.transport.requests import Request

        answer = Request()(url, "PUT", data, {"Content-Type": "application/zip"}, timeout=_UPLOAD_SECONDS)
        if answer.status != _OK:
            raise unreachable("the source of a function cannot be sent", f"Google answered {answer.status}")

    def _refusals(self, what: str) -> AbstractContextManager[None]:
        return refusals(what, self.config.start_seconds)

    @staticmethod
    def _project_of_credentials() -> str | None:
        import google.auth

        found: str | None = google.auth.default(scopes=[_SCOPE])[1]
        return found

    @cached_property
    def _client(self) -> Any:
        from google.api_core.client_options import ClientOptions
        from google.cloud.functions_v2 import FunctionServiceClient

        options = ClientOptions(api_endpoint=self.config.api_endpoint) if self.config.api_endpoint else None
        return FunctionServiceClient(transport=self.config.transport, client_options=options)
