"""Reads pages of JSON from an HTTP API: bearer token, pages, rate limits and increments. Standard library only.

source:
  custom_reader: plugins/json_api_reader.py:JSONAPIReader
  connection: {base_url: "https://api.example.com", timeout: 30}
  credentials: {token: "${API_TOKEN}"}
  objects: [users]                    # each is an endpoint below base_url
  engine:
    options:
      page_size: 100                  # sent as ?per_page=
      max_pages: null                 # stop after so many, for a try
      longest_wait_seconds: 60        # a Retry-After up to this is waited for, a longer one ends the run retryably
  incremental: {strategy: updated_at, cursor_field: updated_at}      # optional: sends ?since=<newest seen>

A page is ``{"data": [...], "next": "<url or path of the next page, or null>"}``.
"""

import http.client
import json
import logging
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from dativo_ingest import (
    AuthenticationError,
    BaseReader,
    ConnectionError,
    ConnectionTestResult,
    DiscoveryResult,
    RateLimitError,
    TransientError,
    ValidationError,
)

log = logging.getLogger(__name__)
WAITS = 5


class JSONAPIReader(BaseReader):
    """One instance reads the endpoints that the job names, page after page."""

    __version__ = "1.1.0"
    requires_sdk = ">=1.0,<2"

    def __init__(self, source_config):
        super().__init__(source_config)
        connection, options = source_config.connection or {}, (source_config.engine or {}).get("options") or {}
        self.base_url = connection["base_url"].rstrip("/") + "/"
        self.timeout = connection.get("timeout", 30)
        self.token = (source_config.credentials or {}).get("token")
        self.page_size = options.get("page_size", 100)
        self.max_pages = options.get("max_pages")
        self.longest_wait = options.get("longest_wait_seconds", 60)

    def check_connection(self):
        try:
            self._get("")
        except AuthenticationError as error:
            return ConnectionTestResult(success=False, message=error.message, error_code="AUTH_FAILED")
        except (ConnectionError, TransientError) as error:
            return ConnectionTestResult(success=False, message=error.message, error_code="CONNECTION_ERROR")
        return ConnectionTestResult(success=True, message=f"{self.base_url} answers")

    def discover(self):
        objects = [{"name": name, "type": "endpoint"} for name in self._get("")["objects"]]
        return DiscoveryResult(objects=objects, metadata={"base_url": self.base_url})

    def extract(self, state_manager=None):
        for name in self.source_config.objects or []:
            yield from self._pages(name, state_manager)

    def _pages(self, name, state_manager):
        since, newest = self._since(name, state_manager), None
        query = {"per_page": self.page_size, **({"since": since} if since else {})}
        at, pages = f"{name}?{urllib.parse.urlencode(query)}", 0
        while at and (self.max_pages is None or pages < self.max_pages):
            answer = self._get(at)
            if not isinstance(answer.get("data"), list):
                raise ValidationError(f"{self.base_url}{at}: a page without a list called 'data'", "BAD_PAGE")
            newest = max([newest or "", *(str(row.get(self._cursor, "")) for row in answer["data"])])
            yield answer["data"]
            at, pages = answer.get("next"), pages + 1
        if state_manager and newest:
            self._remember(name, state_manager, max(newest, since or ""))

    @property
    def _cursor(self):
        return (self.source_config.incremental or {}).get("cursor_field") or "updated_at"

    def _since(self, name, state_manager):
        if state_manager is None:
            return None
        state = state_manager.read_state(Path(self.source_config.incremental["state_path"]))
        return state.get(f"{name}.{self._cursor}", {}).get("last_value")

    def _remember(self, name, state_manager, value):
        path = Path(self.source_config.incremental["state_path"])
        state = state_manager.read_state(path)
        state_manager.write_state(path, {**state, f"{name}.{self._cursor}": {"last_value": value}})

    def _get(self, at):
        """Get one page; waits when the server asks for it, a few times and not for long."""
        for _ in range(WAITS):
            try:
                return self._once(at)
            except RateLimitError as error:
                if error.retry_after is None or error.retry_after > self.longest_wait:
                    raise
                log.info("rate limit: waiting for %s s", error.retry_after)
                time.sleep(error.retry_after)
        raise RateLimitError(f"{self.base_url}{at}: still refused after waiting {WAITS} times")

    def _once(self, at):
        url = urllib.parse.urljoin(self.base_url, at)
        request = urllib.request.Request(url, headers={"Accept": "application/json"})
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise _refused(url, error) from None
        except (urllib.error.URLError, TimeoutError, OSError) as error:
            raise ConnectionError(f"{url}: no answer ({error}); is the server up?") from error
        except (ValueError, http.client.HTTPException) as error:
            raise TransientError(f"{url}: the answer is no JSON; was it cut off?", "BAD_PAGE") from error


def _refused(url, error):
    if error.code in (401, 403):
        return AuthenticationError(f"{url}: {error.code}; check credentials.token and what it may see")
    if error.code == 429:
        wait = error.headers.get("Retry-After")
        seconds = float(wait) if wait and wait.replace(".", "", 1).isdigit() else None
        return RateLimitError(f"{url}: too many requests", retry_after=seconds)
    if error.code >= 500:
        return TransientError(f"{url}: {error.code}; the server failed", "SERVER_ERROR")
    return ValidationError(f"{url}: {error.code}; is the endpoint spelled right?", "RESOURCE_NOT_FOUND")
