"""Secrets in files, one folder a tenant: ``{secrets_dir}/{tenant}/*``, as Docker and Kubernetes mount them.

The name of a file without its ending is the name of the secret. ``.json`` is an object, ``.env`` is variables, all else
is text without the line break at its end. Other hidden files and folders (Kubernetes' ``..data``) are not secrets.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from dativo_dagster.secrets import Format, decode, missing
from dativo_ingest.exceptions import ConfigurationError

_FORMATS: dict[str, Format] = {".json": "json", ".env": "env"}


class Config(BaseModel):
    """Where to look."""

    model_config = ConfigDict(extra="forbid")

    secrets_dir: Path = Field(default=Path("/secrets"), description="Folder with one folder a tenant.")


class Secrets:
    """Reads the files of a tenant's folder."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def load(self, tenant: str) -> dict[str, Any]:
        """Give all secrets of a tenant, by lower-case name.

        Raises:
            ConfigurationError: The tenant has no folder, or a file cannot be read.
        """
        if tenant in ("", "..") or Path(tenant).name != tenant:
            raise ConfigurationError(f"the tenant {tenant!r} cannot be the name of a folder", "SECRET_NOT_FOUND")
        folder = self.config.secrets_dir / tenant
        if not folder.is_dir():
            raise missing(f"folder {folder}", "make it, or name another with --secrets-dir")
        return dict(_secret(path) for path in sorted(folder.iterdir()) if _is_secret(path))


def _is_secret(path: Path) -> bool:
    return path.is_file() and (not path.name.startswith(".") or path.name == ".env")


def _secret(path: Path) -> tuple[str, Any]:
    name, ending = ("env", ".env") if path.name == ".env" else (path.stem, path.suffix)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(f"secret {path} cannot be read: {reason}", "SECRET_MALFORMED") from None
    form = _FORMATS.get(ending.lower(), "text")
    return name.lower(), decode(text if form != "text" else _without_line_break(text), form, where=str(path))


def _without_line_break(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r")
