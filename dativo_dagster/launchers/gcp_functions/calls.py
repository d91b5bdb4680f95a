"""Calls of a deployed function, authenticated by an id token for its address."""

from __future__ import annotations

import threading
import time
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from dativo_dagster.functions import faults
from dativo_dagster.functions.cloud import KEPT_ALIVE, Answer, Limits
from dativo_dagster.functions.prices import gcp_price

if TYPE_CHECKING:
    from dativo_dagster.functions.prices import Price
    from dativo_dagster.launchers.gcp_functions.admin import Deployed
    from dativo_dagster.launchers.gcp_functions.config import Config
    from dativo_ingest.exceptions import DativoError

LARGEST_BYTES = 32 * 1024 * 1024
"""Of a request and of an answer: https://cloud.google.com/functions/quotas"""
_GRACE_SECONDS = 15.0
"""How much later than the platform the host gives up."""
_OK = 200
_DENIED = (401, 403)
_TIMED_OUT = (408, 504)
_NO_ROOM = "no available instance"
"""Part of what Cloud Run says, with several statuses, when no instance took the request.

https://cloud.google.com/run/docs/troubleshooting
"""
_TOO_LARGE, _GONE, _THROTTLED, _FAILED = 413, 404, 429, 500


class CloudFunction:
    """`dativo_dagster.functions.cloud.Functions` over HTTP.

    Attributes:
        place, function, limits, price: As `Functions` describes them.
    """

    place = "gcp_functions"

    def __init__(self, deployed: Deployed, config: Config) -> None:
        self.uri = deployed.uri
        self.function = deployed.name.rpartition("/")[2]
        self.limits = Limits(
            request_bytes=LARGEST_BYTES,
            reply_bytes=LARGEST_BYTES,
            seconds=config.timeout_seconds,
            memory_mb=config.memory_mb,
        )
        self.price: Price | None = gcp_price(config.region, config.memory_mb)
        self._lock = threading.Lock()

    def invoke(self, payload: bytes, seconds: float) -> Answer:
        """Send a request and wait for its reply; tries nothing twice.

        Raises:
            DativoError: One of `faults`.
        """
        if len(payload) > LARGEST_BYTES:
            raise faults.beyond(self.function, "the request in bytes", len(payload), LARGEST_BYTES)
        headers = {"Authorization": f"Bearer {self._token()}", "Content-Type": "application/json"}
        begun = time.monotonic()
        answer = self._send(payload, headers, min(seconds, self.limits.seconds) + _GRACE_SECONDS)
        took = time.monotonic() - begun
        if answer.status != _OK:
            raise self._fault(answer.status, answer.data, answer.headers)
        return Answer(payload=answer.data, function=self.function, seconds=took)

    def _send(self, payload: bytes, headers: dict[str, str], seconds: float) -> Any:
        import requests
        from google.auth.exceptions import TransportError
        from google.auth.transport.requests import Request

        try:
            with session() as kept:
                return Request(kept)(self.uri, "POST", payload, headers, timeout=seconds)
        except TransportError as error:
            if isinstance(error.__cause__ or error.__context__, requests.ReadTimeout):
                raise faults.timed_out(self.function, seconds) from error
            raise faults.unreachable(self.function, str(error)) from error

    def _token(self) -> str:
        from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, TransportError
        from google.auth.transport.requests import Request

        try:
            with self._lock:
                if not self._identity.valid:
                    self._identity.refresh(Request())
                return str(self._identity.token)
        except DefaultCredentialsError as error:
            why = "id tokens need a service account: its key file, its impersonation, or a machine that runs as it"
            raise faults.denied(self.function, why) from error
        except GoogleAuthError as error:
            passing = error.retryable or isinstance(error, TransportError)
            raise (faults.unreachable if passing else faults.denied)(self.function, str(error)) from error

    @cached_property
    def _identity(self) -> Any:
        from google.oauth2.id_token import fetch_id_token_credentials

        return fetch_id_token_credentials(self.uri)  # type: ignore[no-untyped-call]

    def _fault(self, status: int, body: bytes, headers: Any) -> DativoError:
        said = body[:300].decode(errors="replace").strip()
        if status in _DENIED:
            return faults.denied(self.function, f"{status}; it needs the role Cloud Run Invoker", status=status)
        if status in _TIMED_OUT:
            return faults.timed_out(self.function, self.limits.seconds, status=status)
        if status == _THROTTLED or _NO_ROOM in said:
            after = str(headers.get("Retry-After", ""))
            return faults.throttled(self.function, float(after) if after.isdigit() else None, status=status)
        if status == _GONE:
            return faults.unreachable(self.function, "it is not there any more", status=status)
        # An answer that is too large would be as large the next time.
        lasting = status == _TOO_LARGE or (status == _FAILED and "too large" in said)
        return faults.crashed(self.function, f"{status} {said}".strip(), retryable=not lasting, status=status)


def session() -> Any:
    """Give a session of requests whose connections outlive silence."""
    import requests

    made = requests.Session()
    for adapter in made.adapters.values():
        cast("Any", adapter).poolmanager.connection_pool_kw["socket_options"] = KEPT_ALIVE
    return made
