"""Secrets for a run: the chosen manager's, for one tenant, as what ``${NAME}`` in a job finds.

Called by the CLI and by Dagster's resources before they load a job for a run; definitions never have secrets.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dativo_dagster import registry
from dativo_dagster.secrets import literals, variables
from dativo_dagster.telemetry import secrets_in

if TYPE_CHECKING:
    from dativo_dagster.config.job import Job

DEFAULT_MANAGER = "env"


@dataclass(frozen=True, kw_only=True)
class SecretOptions:
    """Which manager, and how; what is None comes from the environment.

    Args:
        manager: Name in the registry; ``DATIVO_SECRET_MANAGER``, else ``env``.
        config: Path of a YAML or JSON file, or JSON itself; ``DATIVO_SECRET_MANAGER_CONFIG``, else nothing.
        folder: The folder of the filesystem manager, when its configuration names none.
    """

    manager: str | None = None
    config: str | None = None
    folder: str | None = None

    def load(self, tenant: str) -> dict[str, Any]:
        """Give all secrets of a tenant, by lower-case name.

        Raises:
            ConfigurationError: The manager is unknown, lacks its extra or is configured wrongly, or a secret is wrong.
            AuthenticationError: The manager refused the login.
            ConnectionError: The manager cannot be reached.
        """
        name = self.manager or os.environ.get("DATIVO_SECRET_MANAGER") or DEFAULT_MANAGER
        module = registry.ready("secrets", name)
        config = self._configuration(module.Config)
        return dict(module.Secrets(config).load(tenant))

    def _configuration(self, model: Any) -> Any:
        from dativo_dagster.config.document import Document, Map, Mark, parse_document, read_document
        from dativo_dagster.config.interpolate import Filler
        from dativo_dagster.config.mistakes import Mistakes, validated

        text = self.config or os.environ.get("DATIVO_SECRET_MANAGER_CONFIG") or ""
        place = Path("--secret-manager-config")
        inline = text.lstrip().startswith("{")
        document = parse_document(text, place) if inline or not text else read_document(Path(text))
        data, mistakes = document.data or Map(Mark(str(document.path))), Mistakes()
        data = Filler(os.environ, mistakes.add, used=mistakes.secret).fill(data, document.mark(()))
        if self.folder is not None and "secrets_dir" in model.model_fields and isinstance(data, Map):
            data.setdefault("secrets_dir", self.folder)
        config = validated(model, Document(document.path, data), mistakes)
        mistakes.raise_any()
        return config


def load_for_run(path: Path, options: SecretOptions | None = None) -> Job:
    """Load a job with its tenant's secrets and every variable required.

    Raises:
        DativoError: The file is wrong, a secret cannot be had, or a variable that the job names is not set.
    """
    from dativo_dagster.config.load import load_job

    tenant = load_job(path, strict_environment=False).tenant
    return load_with(path, (options or SecretOptions()).load(tenant))


def load_with(path: Path, secrets: Mapping[str, Any]) -> Job:
    """Load a job with secrets at hand and every variable required; ``Job.secrets`` is then what nobody may see.

    Raises:
        ConfigurationError: The file is wrong, or a variable that the job names is not set.
    """
    from dativo_dagster.config.load import load_job

    return with_secrets(load_job(path, environment=run_environment(secrets)), secrets)


def with_secrets(job: Job, secrets: Mapping[str, Any]) -> Job:
    """Add what is to be hidden: all that the manager gave, and what plain variables and options say to be secret."""
    sides = [options for stream in job.streams for options in (stream.source.options, stream.target.options)]
    named = {name: value for value, name in job.variables.items()}
    return replace(job, secrets=frozenset({*literals(secrets), *secrets_in([*sides, named])}))


def run_environment(secrets: Mapping[str, Any]) -> dict[str, str]:
    """Give the variables of a run: those of the process, and over them the names that secrets give."""
    return {**os.environ, **variables(secrets)}
