"""Calls of a deployed function, authenticated by an id token for its address."""

from __future__ import annotations

import threading
import time
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dativo_dagster.functions import faults
from dativo_dagster.functions.cloud import Answer, Limits
from dativo_dagster.functions.prices import gcp_price
from dativo_dagster.launchers.gcp_functions.connections import Connections

if TYPE_CHECKING:
    from dativo_dagster.functions.prices import Price
    from dativo_dagster.launchers.gcp_functions.admin import Deployed
    from dativo_dagster.launchers.gcp_functions.config import Config
    from dativo_ingest.exceptions import DativoError

LARGEST_BYTES = 32 * 1024 * 1024
"""Of a request and of an answer: https://cloud.google.com/functions/quotas"""
_CHUNK_BYTES = 1024 * 1024
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
    """`dativo_dagster.functions.cloud.Functions` over HTTP; it has connections until it is closed.

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
        self._connections = Connections()

    def close(self) -> None:
        """Close the connections; a call that still runs closes its own at its end."""
        self._connections.close()

    def invoke(self, payload: bytes) -> Answer:
        """Send a request and wait for its reply; tries nothing twice.

        Raises:
            DativoError: One of `faults`.
        """
        # What is packed could become more than it may, and what says it is nevertheless is no reply.
        plain = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        headers = {"Authorization": f"Bearer {self._token()}", **plain}
        begun = time.monotonic()
        status, body, told = self._send(payload, headers, self.limits.seconds + _GRACE_SECONDS)
        took = time.monotonic() - begun
        if status != _OK:
            raise self._fault(status, body, told)
        return Answer(payload=body, function=self.function, seconds=took)

    def _send(self, payload: bytes, headers: dict[str, str], seconds: float) -> tuple[int, bytes, Any]:
        """Give status, body and headers of the answer; a redirection is one, else who answers could ask for another."""
        import requests
        from urllib3.exceptions import HTTPError, ReadTimeoutError

        end, how = time.monotonic() + seconds, {"timeout": seconds, "stream": True, "allow_redirects": False}
        try:
            with self._connections.one() as kept, kept.post(self.uri, data=payload, headers=headers, **how) as answer:
                return answer.status_code, self._body(answer.raw, end, seconds), answer.headers
        except (requests.ReadTimeout, ReadTimeoutError) as error:
            raise faults.timed_out(self.function, seconds) from error
        except (requests.RequestException, HTTPError) as error:
            raise faults.unreachable(self.function, str(error)) from error

    def _body(self, raw: Any, end: float, seconds: float) -> bytes:
        """Read as much as a reply may have, for as long as it may take: a plugin may stream without an end."""
        body = bytearray()
        while chunk := raw.read1(_CHUNK_BYTES, decode_content=False):
            body += chunk
            if len(body) > LARGEST_BYTES:
                raise faults.crashed(self.function, f"it answers more than {LARGEST_BYTES:,} bytes", retryable=False)
            if time.monotonic() > end:
                raise faults.timed_out(self.function, seconds)
        return bytes(body)

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
