"""The staging bucket of a project and region, made when there is none: private, and its objects go after a day.

Names of buckets are shared by the whole world, so a bucket of that name may be a stranger's who waits for rows. Only
one that the project lists as its own is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from dativo_ingest.exceptions import AuthenticationError, ConfigurationError
from dativo_ingest.exceptions import ConnectionError as UnreachableError

GOOGLE = "https://storage.googleapis.com"
_SCOPE = "https://www.googleapis.com/auth/devstorage.full_control"
_SECONDS = 30
_DENIED = (401, 403)
_WRONG, _CONFLICT, _THROTTLED, _BROKEN = 400, 409, 429, 500


class Bucket:
    """A bucket that may be there or not.

    Args:
        project: The id of the project that owns it.
        region: Where it lies: that of the functions, so that rows cost no traffic.
        options: How it is reached, as ``connection.gcs`` says it.
    """

    def __init__(self, project: str, region: str, options: Mapping[str, Any]) -> None:
        self.project, self.region, self.options = project, region, options
        self.name = f"dativo-staging-{project}-{region}"

    def exists(self) -> bool:
        """Say whether the project has it."""
        listed = self._ask("GET", {"prefix": self.name}).get("items", [])
        return any(bucket["name"] == self.name for bucket in listed)

    def make(self) -> None:
        """Make it unless the project has it.

        Raises:
            ConfigurationError: ``BAD_PLACE``: the name is taken by another project.
        """
        if not self.exists():
            self._ask("POST", {}, wanted(self.name, self.region))

    def _ask(self, method: str, query: Mapping[str, str], body: Any = None) -> dict[str, Any]:
        import requests
        from google.auth.exceptions import GoogleAuthError, TransportError

        url = f"{self.options.get('endpoint') or GOOGLE}/storage/v1/b"
        try:
            answer = self._session.request(
                method, url, params={"project": self.project, **query}, json=body, timeout=_SECONDS
            )
        except (requests.RequestException, TransportError) as error:
            raise self._unreachable(str(error)) from error
        except (GoogleAuthError, OSError, ValueError) as error:  # the last two: a key file that is none
            raise self._denied(str(error)) from error
        # A conflict may also be another host of ours that was faster.
        if answer.status_code == _CONFLICT and self.exists():
            return {}
        return self._read(answer)

    def _read(self, answer: Any) -> dict[str, Any]:
        if answer.status_code in _DENIED:
            raise self._denied(answer.text[:300])
        if answer.status_code == _CONFLICT:
            raise self._bad("another project has a bucket of that name")
        if answer.status_code == _THROTTLED or answer.status_code >= _BROKEN:
            raise self._unreachable(f"Google answered {answer.status_code}")
        if answer.status_code >= _WRONG:
            raise self._bad(f"Google answered {answer.status_code} {answer.text[:300]}")
        found: dict[str, Any] = answer.json()
        return found

    def _denied(self, why: str) -> AuthenticationError:
        message = (
            f"bucket {self.name} cannot be found or made ({why}); name one of yours as `staging`, or grant what "
            "docs/places-gcp.md has for it"
        )
        return AuthenticationError(message, "ACCESS_DENIED")

    def _unreachable(self, why: str) -> UnreachableError:
        return UnreachableError(f"bucket {self.name} cannot be looked for now: {why}", "STORAGE_UNREACHABLE")

    def _bad(self, why: str) -> ConfigurationError:
        return ConfigurationError(
            f"bucket {self.name} cannot be made: {why}; name one of yours as `staging`", "BAD_PLACE"
        )

    @cached_property
    def _session(self) -> Any:
        import google.auth
        import requests
        from google.auth.transport.requests import AuthorizedSession
        from google.oauth2.service_account import Credentials

        if self.options.get("anonymous"):
            return requests.Session()
        if path := self.options.get("credentials_path"):
            found = Credentials.from_service_account_file(path, scopes=[_SCOPE])  # type: ignore[no-untyped-call]
        else:
            found, _ = google.auth.default(scopes=[_SCOPE])
        return AuthorizedSession(found)  # type: ignore[no-untyped-call]


def wanted(name: str, region: str) -> dict[str, Any]:
    """Give the bucket as Google's JSON API takes it.

    https://cloud.google.com/storage/docs/json_api/v1/buckets
    """
    access = {"publicAccessPrevention": "enforced", "uniformBucketLevelAccess": {"enabled": True}}
    return {
        "name": name,
        "location": region,
        "labels": {"dativo": "1"},
        "iamConfiguration": access,
        # The second: parts of a file whose function was ended are in no listing, and would be paid for for ever.
        "lifecycle": {
            "rule": [
                {"action": {"type": action}, "condition": {"age": 1}}
                for action in ("Delete", "AbortIncompleteMultipartUpload")
            ]
        },
        "softDeletePolicy": {"retentionDurationSeconds": 0},
    }
