"""Secrets in environment variables, the default manager.

``DATIVO_SECRET__{TENANT}__{NAME}[__json|__env|__text|__raw]``; ``GLOBAL`` or ``ALL`` in the tenant's place is for every
tenant, and the tenant's own secret wins. Letter case does not matter.
"""

from __future__ import annotations

import os
import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from dativo_dagster.secrets import FORMATS, Format, decode

SHARED = ("ALL", "GLOBAL")


class Config(BaseModel):
    """Where to look."""

    model_config = ConfigDict(extra="forbid")

    prefix: str = Field(default="DATIVO_SECRET", min_length=1, description="First part of the variables' names.")
    delimiter: str = Field(default="__", min_length=1, description="What stands between the parts of a name.")
    allow_global_scope: bool = Field(default=True, description="Also take secrets of GLOBAL and ALL.")


class Secrets:
    """Reads the process environment."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def load(self, tenant: str) -> dict[str, Any]:
        """Give all secrets of a tenant, by lower-case name."""
        shared = SHARED if self.config.allow_global_scope else ()
        found: dict[str, Any] = {}
        for scope in (*shared, re.sub(r"[^A-Za-z0-9]", "_", tenant)):
            found.update(self._scope(scope))
        return found

    def _scope(self, scope: str) -> dict[str, Any]:
        delimiter = self.config.delimiter
        start = f"{self.config.prefix}{delimiter}{scope}{delimiter}".upper()
        found = {}
        for variable, text in os.environ.items():
            if variable.upper().startswith(start) and len(variable) > len(start):
                name, form = self._name(variable[len(start) :].lower())
                found[name] = decode(text, form, where=f"in the variable {variable}")
        return found

    def _name(self, name: str) -> tuple[str, Format]:
        for form in FORMATS:
            suffix = f"{self.config.delimiter}{form}".lower()
            if name.endswith(suffix) and name != suffix:
                return name.removesuffix(suffix), form
        return name, "auto"
