"""Plugins in Google Cloud Functions of the second generation: deployed by content, called one verb at a time.

```yaml
source:
  custom_reader: plugins/orders.py:OrdersReader
  place: {launcher: gcp_functions, project_id: acme, region: europe-west1, staging: gs://acme-staging/dativo}
```

`docs/places-gcp.md` says which roles the host and the function need.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dativo_dagster.functions.launching import FunctionLauncher
from dativo_dagster.launchers.gcp_functions.config import Config
from dativo_dagster.telemetry import warn_once

if TYPE_CHECKING:
    from dativo_dagster.functions.call import Deployed
    from dativo_dagster.functions.staging import Staging
    from dativo_dagster.launchers.gcp_functions.admin import Project
    from dativo_dagster.launchers.gcp_functions.bucket import Bucket
    from dativo_ingest.model import Leftover, PluginRef

__all__ = ["Config", "Launcher"]

_LOG = logging.getLogger(__name__)


class Launcher(FunctionLauncher):
    """Deploys plugins to Cloud Functions."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def suits(self, plugin: PluginRef) -> None:
        """See that the runtime can run a plugin."""
        from dativo_dagster.launchers.gcp_functions.source import suited

        suited(plugin, self.config.runtime)

    def is_made(self, plugin: PluginRef, config: Mapping[str, Any]) -> bool:
        """Say whether the function of a plugin is there; one that is not kept never is."""
        from dativo_dagster.launchers.gcp_functions.naming import named
        from dativo_dagster.launchers.gcp_functions.source import source
        from dativo_dagster.owner import owner_of

        if not self.config.keep:
            return False
        package = source(plugin, self.config.requirements, self.config.runtime)
        return self._project.has(named(owner_of(config), package, self.config))

    def leftovers(self, older_than: datetime) -> list[Leftover]:
        """Find functions and staged rows that nobody uses."""
        from dativo_dagster.functions import claims
        from dativo_dagster.launchers.gcp_functions.tidy import leftovers

        staged = claims.leftovers(self._staging, older_than) if self.config.staging or self._bucket.exists() else ()
        return [*leftovers(self._project, older_than, self._claims), *staged]

    def remove(self, leftover: Leftover) -> None:
        """Remove one; it may be gone already."""
        from dativo_dagster.launchers.gcp_functions.tidy import KIND

        if leftover.kind == KIND:
            self._project.remove(leftover.name)
        else:
            self._staging.remove(leftover)

    @contextmanager
    def deployed(self, role: str, plugin: PluginRef, config: Mapping[str, Any]) -> Iterator[Deployed]:
        """Deploy a plugin, or find it deployed."""
        from dativo_dagster.functions.call import Deployed, Settings
        from dativo_dagster.functions.claims import claim
        from dativo_dagster.functions.package import inside
        from dativo_dagster.launchers.gcp_functions.calls import CloudFunction
        from dativo_dagster.launchers.gcp_functions.naming import named
        from dativo_dagster.launchers.gcp_functions.source import source
        from dativo_dagster.launchers.gcp_functions.tidy import remove_own
        from dativo_dagster.owner import owner_of
        from dativo_ingest.model import PluginRef

        if not self.config.service_account:
            warn_once(
                _LOG,
                "plugin %s runs as Google's default account of the project, which may have many rights; give it a "
                "`service_account` of its own",
                plugin,
            )
        if not self.config.staging:
            self._bucket.make()
        package = source(plugin, self.config.requirements, self.config.runtime)
        name = named(owner_of(config), package, self.config)
        with claim(self._staging, asdict(owner_of(config)), name.id):
            try:
                with closing(CloudFunction(self._project.deploy(name, package), self.config)) as function:
                    yield Deployed(
                        functions=function,
                        staging=self._staging,
                        role=role,
                        plugin=PluginRef(path=inside(plugin), name=plugin.name, kind=plugin.kind),
                        config=config,
                        settings=Settings(idle_seconds=self.config.idle_seconds),
                    )
            finally:
                if not self.config.keep:
                    remove_own(self._project, name)

    @cached_property
    def _project(self) -> Project:
        from dativo_dagster.launchers.gcp_functions.admin import Project

        return Project(self.config)

    @cached_property
    def _bucket(self) -> Bucket:
        from dativo_dagster.launchers.gcp_functions.bucket import Bucket

        return Bucket(self._project.id, self.config.region, self.config.staging_options)

    def _claims(self, staging: str) -> frozenset[str]:
        """Give the ids of functions that somebody has open, as hosts tell in a folder; in our bucket if it is ""."""
        from dativo_dagster.functions.claims import claims

        if not staging and not self._bucket.exists():
            return frozenset()
        return frozenset(function for function, _ in claims(self._staging_at(staging)))

    @cached_property
    def _staging(self) -> Staging:
        return self._staging_at(self.config.staging)

    def _staging_at(self, folder: str | None) -> Staging:
        from dativo_dagster.functions.staging import Staging

        said = self.config.staging_options
        url = folder or f"gs://{self._bucket.name}/"
        # A key file is the host's; the function has an account of its own.
        options = {name: value for name, value in said.items() if name != "credentials_path"}
        return Staging(url=url, connection={"gcs": dict(said)}, options=options)
