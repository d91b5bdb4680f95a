"""Service accounts with real keys: what Google's OAuth server does for them, and nothing is taken on trust."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import crypt, jwt

_HOUR = 3600
_API = "https://cloudfunctions.googleapis.com/"  # and for what it signs itself, whatever the endpoint is
_GOOGLE = "https://oauth2.googleapis.com/token"  # what the client signs for, whatever token_uri says


class Unauthenticated(Exception):  # noqa: N818 - an answer, not a fault
    """A token is missing, or is not what it says."""


@dataclass
class _Key:
    private: str
    public: str

    @classmethod
    def new(cls) -> _Key:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return cls(private.decode(), public.decode())


@dataclass
class Accounts:
    """The accounts of a project; each is one key file that ``GOOGLE_APPLICATION_CREDENTIALS`` may name.

    Attributes:
        id_tokens: For whom each was issued, for tests that count them.
    """

    folder: Path
    project: str
    token_uri: str = ""
    keys: dict[str, _Key] = field(default_factory=dict)
    issuer: _Key = field(default_factory=_Key.new)
    id_tokens: list[str] = field(default_factory=list)

    def create(self, name: str) -> Path:
        """Make an account; gives its key file."""
        email, key = f"{name}@{self.project}.iam.gserviceaccount.com", _Key.new()
        self.keys[email] = key
        file = self.folder / f"{name}.json"
        facts = {
            "type": "service_account",
            "project_id": self.project,
            "private_key_id": name,
            "private_key": key.private,
            "client_email": email,
            "client_id": name,
            "token_uri": self.token_uri,
        }
        file.write_text(json.dumps(facts))
        file.chmod(0o600)
        return file

    def token(self, body: bytes) -> dict[str, Any]:
        """Give an id token or an access token for a signed assertion, as the token endpoint does."""
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        claims = self._claims(form.get("assertion", ""))
        if claims.get("aud") not in (self.token_uri, _GOOGLE):
            raise Unauthenticated(f"the assertion is for {claims.get('aud')}")
        if audience := claims.get("target_audience"):
            self.id_tokens.append(audience)
            return {"id_token": self._issue(claims["iss"], audience)}
        return {"access_token": self._issue(claims["iss"], "access"), "expires_in": _HOUR, "token_type": "Bearer"}

    def caller(self, authorization: str | None) -> str:
        """Give who calls an API: by an access token of ours, or by a JWT that the account signed itself."""
        token = _bearer(authorization)
        claims = _unverified(token)
        if claims.get("iss") == self.token_uri:
            return self.invoker(authorization, "access")
        claims = self._claims(token)
        if claims["aud"] != _API:
            raise Unauthenticated(f"the token is for {claims['aud']}")
        return str(claims["iss"])

    def invoker(self, authorization: str | None, *audiences: str) -> str:
        """Give who calls by a token of ours that is for one of the audiences."""
        claims = _decode(_bearer(authorization), self.issuer.public)
        if claims["aud"] not in audiences:
            raise Unauthenticated(f"the token is for {claims['aud']}")
        return str(claims["email"])

    def _claims(self, assertion: str) -> dict[str, Any]:
        email = str(_unverified(assertion).get("iss"))
        if email not in self.keys:
            raise Unauthenticated(f"there is no account {email}")
        return _decode(assertion, self.keys[email].public)

    def _issue(self, email: str, audience: str) -> str:
        now = int(time.time())
        claims = {"iss": self.token_uri, "aud": audience, "email": email, "sub": email, "iat": now, "exp": now + _HOUR}
        signer = crypt.RSASigner.from_string(self.issuer.private, "issuer")  # type: ignore[no-untyped-call]
        token: bytes = jwt.encode(signer, claims)  # type: ignore[no-untyped-call]
        return token.decode()


def _bearer(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated("there is no bearer token")
    return token


def _unverified(token: str) -> dict[str, Any]:
    try:
        claims: dict[str, Any] = jwt.decode(token, verify=False)  # type: ignore[no-untyped-call]
    except ValueError as error:
        raise Unauthenticated(str(error)) from error
    return claims


def _decode(token: str, public: str) -> dict[str, Any]:
    try:
        claims: dict[str, Any] = jwt.decode(token, certs=public)  # type: ignore[no-untyped-call]
    except ValueError as error:
        raise Unauthenticated(str(error)) from error
    return claims
