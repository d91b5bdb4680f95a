"""A project with Cloud Functions (v2, REST): what its admin API answers, and the functions themselves.

The client, its tokens and the functions-framework that runs a function are the real ones; what is ours is the state
of the project between them.
"""

from __future__ import annotations

import re
import threading
import uuid
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tests.servers.function_instances import Answer, BuildFailed, Instance, Starter, unpack
from tests.servers.google_accounts import Accounts, Unauthenticated

_FUNCTION = "type.googleapis.com/google.cloud.functions.v2.Function"
_METADATA = "type.googleapis.com/google.cloud.functions.v2.OperationMetadata"
_EMPTY = "type.googleapis.com/google.protobuf.Empty"
_PARENT = re.compile(r"projects/[^/]+/locations/[^/]+")
_INVALID_ARGUMENT = 3
_LOOK_SECONDS = 2.0


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """The API says no; ``reason`` is for programs."""

    def __init__(self, status: int, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.status, self.message, self.reason = status, message, reason


@dataclass
class CloudFunctions:
    """A running project.

    Attributes:
        key_file: Of an account that may do everything.
        calls: Method and path of each call of the admin API, for tests that count them.
        no_invoker: Accounts that may not call functions; ``no_deployer`` those that may not deploy.
        enabled: Whether the project may use the API.
        lines: The connections that functions were called on, and whether each is open.
    """

    folder: Path
    endpoint: str = ""
    project: str = "test-project"
    region: str = "europe-west1"
    key_file: Path = Path()
    enabled: bool = True
    calls: list[tuple[str, str]] = field(default_factory=list)
    no_invoker: set[str] = field(default_factory=set)
    no_deployer: set[str] = field(default_factory=set)
    functions: dict[str, dict[str, Any]] = field(default_factory=dict)
    instances: dict[str, Instance] = field(default_factory=dict)
    uploads: dict[str, bytes] = field(default_factory=dict)
    operations: dict[str, dict[str, Any]] = field(default_factory=dict)
    busy: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)
    lines: dict[tuple[str, int], bool] = field(default_factory=dict)
    working: dict[str, Future[None]] = field(default_factory=dict)
    owner: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(max_workers=1))

    def __post_init__(self) -> None:
        self.accounts = Accounts(self.folder, self.project)
        self.starter = Starter(self.folder / "starter.log", self.owner)

    @property
    def options(self) -> dict[str, Any]:
        """Give what goes under ``place`` of a job beside the launcher."""
        return {"project_id": self.project, "region": self.region, "api_endpoint": self.endpoint}

    def account(self, name: str, *, invoker: bool = True, deployer: bool = True) -> Path:
        """Make an account; gives its key file."""
        email = f"{name}@{self.project}.iam.gserviceaccount.com"
        if not invoker:
            self.no_invoker.add(email)
        if not deployer:
            self.no_deployer.add(email)
        return self.accounts.create(name)

    def reset(self) -> None:
        """Forget all functions and calls."""
        self.enabled = True
        for name in list(self.functions):
            self.owner.submit(self._drop, name).result()
        self.calls.clear()

    def authorize(self, authorization: str | None, path: str) -> None:
        """Refuse who may not use the admin API."""
        if not self.enabled:
            message = f"Cloud Functions API has not been used in project {self.project} before or it is disabled."
            raise Refused(403, message, "SERVICE_DISABLED")
        if self.accounts.caller(authorization) in self.no_deployer:
            raise Refused(403, f"Permission 'cloudfunctions.functions.*' denied on '{path}'")

    def admin(self, method: str, path: str, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
        """Answer one call of the admin API."""
        if method == "POST":
            return self._upload_url() if path.endswith(":generateUploadUrl") else self._create(path, query, body)
        if path.endswith("/functions"):
            return {"functions": [f for name, f in [*self.functions.items()] if name.startswith(path)]}
        if "/operations/" in path:
            return self._operation(path)
        function = self._found(self.functions, path)
        if method == "PATCH":
            return self._run(path, lambda: self._deploy(path, {**function, **body}))
        return function if method == "GET" else self._run(path, lambda: self._drop(path))

    def invoke(self, name: str, authorization: str | None, body: bytes, content_type: str) -> Answer:
        """Answer one call of a function; ``name`` is the last part of its name."""
        path = next((path for path in [*self.instances] if path.endswith(f"/{name}")), "")
        instance = self.instances.get(path)
        if instance is None:
            return 404, b"Page not found", ""
        try:
            caller = self.accounts.invoker(authorization, self._url(path))
        except Unauthenticated as error:
            return 401, f"Your client does not have permission to the requested URL: {error}".encode(), ""
        if caller in self.no_invoker:
            return 403, b"Your client does not have permission to get URL / from this server.", ""
        return instance.call(body, content_type)

    def _found(self, among: dict[str, dict[str, Any]], path: str) -> dict[str, Any]:
        if path not in among:
            raise Refused(404, f"Resource '{path}' was not found")
        return among[path]

    def _upload_url(self) -> dict[str, Any]:
        key = uuid.uuid4().hex
        source = {"bucket": "gcf-v2-uploads", "object": f"{key}.zip"}
        return {"uploadUrl": f"{self.endpoint}/upload/{key}.zip", "storageSource": source}

    def _create(self, parent: str, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
        path = f"{parent}/{query['functionId']}"
        now = _now()
        made = {**body, "name": path, "state": "DEPLOYING", "createTime": now, "updateTime": now}
        if self.functions.setdefault(path, made) is not made:
            raise Refused(409, f"Could not create Cloud Run service {path}. A resource with this name already exists.")
        return self._run(path, lambda: self._deploy(path, body))

    def _run(self, path: str, work: Any) -> dict[str, Any]:
        name = f"{_parent(path)}/operations/operation-{uuid.uuid4().hex}"
        started = {"name": name, "metadata": {"@type": _METADATA, "target": path}, "done": False}
        with self.lock:
            if path in self.busy:
                raise Refused(409, f"An operation on function {path} is already in progress")
            self.busy.add(path)
        self.operations[name] = started

        def do() -> None:
            try:
                outcome = {"response": work()}
            except BuildFailed as error:
                messages = [{"severity": "ERROR", "type": "CloudRunServiceNotFound", "message": str(error)}]
                self.functions[path] |= {"state": "FAILED", "stateMessages": messages}
                outcome = {"error": {"code": _INVALID_ARGUMENT, "message": str(error)}}
            self.busy.discard(path)
            self.operations[name] = {**started, "done": True, **outcome}

        self.working[name] = self.owner.submit(do)
        return started

    def _operation(self, name: str) -> dict[str, Any]:
        """Give an operation, a moment later: a client that finds it done does not sleep before it looks again."""
        self._found(self.operations, name)
        wait([self.working[name]], _LOOK_SECONDS)
        return self.operations[name]

    def _deploy(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        build, service = body["buildConfig"], body.get("serviceConfig", {})
        archive = self.uploads.get(build["source"]["storageSource"]["object"])
        if archive is None:
            raise BuildFailed("Build failed: the source object does not exist")
        folder = self.folder / uuid.uuid4().hex
        folder.mkdir()
        unpack(archive, folder)
        given = {"K_SERVICE": path.rpartition("/")[2], **service.get("environmentVariables", {})}
        instance = Instance(self.starter, folder, build["entryPoint"], given, float(service.get("timeoutSeconds", 60)))
        instance.start()
        if old := self.instances.pop(path, None):
            old.stop()
        self.instances[path] = instance
        url = self._url(path)
        facts = {"name": path, "state": "ACTIVE", "environment": "GEN_2", "url": url, "updateTime": _now()}
        deployed = {**self.functions[path], **body, **facts, "serviceConfig": {**service, "uri": url}}
        self.functions[path] = deployed
        return {"@type": _FUNCTION, **deployed}

    def _drop(self, path: str) -> dict[str, Any]:
        if instance := self.instances.pop(path, None):
            instance.stop()
        self.functions.pop(path, None)  # two may have asked for it
        return {"@type": _EMPTY}

    def _url(self, path: str) -> str:
        return f"{self.endpoint}/run/{path.rpartition('/')[2]}"


def _parent(path: str) -> str:
    found = _PARENT.search(path)
    if found is None:
        raise Refused(400, f"{path} is not below a location")
    return found[0]


def _now() -> str:
    return datetime.now(timezone.utc).isoformat().replace("+00:00", "Z")
