"""Plugins in functions of AWS Lambda: deployed by content, called one verb at a time.

```yaml
source:
  custom_reader: plugins/orders.py:OrdersReader
  place: {launcher: aws_lambda, region: eu-west-1, memory_mb: 2048}
```

`docs/places-aws.md` says which rights the host needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dativo_dagster.functions.launching import FunctionLauncher
from dativo_dagster.launchers.aws_lambda.config import Config
from dativo_dagster.owner import owner_of

if TYPE_CHECKING:
    from dativo_dagster.functions.call import Deployed
    from dativo_dagster.functions.staging import Staging
    from dativo_dagster.launchers.aws_lambda.account import Account
    from dativo_dagster.launchers.aws_lambda.building import Built
    from dativo_dagster.launchers.aws_lambda.deploying import Made
    from dativo_ingest.model import Leftover, PluginRef

__all__ = ["Config", "Launcher"]


class Launcher(FunctionLauncher):
    """Deploys plugins to AWS Lambda."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def suits(self, plugin: PluginRef) -> None:
        """See that the runtime can run a plugin; what is in an image of yours is not known here."""
        from dativo_dagster.launchers.aws_lambda.building import suited

        suited(self.config, plugin)

    def is_made(self, plugin: PluginRef, config: Mapping[str, Any]) -> bool:
        """Say whether the function of a plugin is there, with its role and layer; one that is not kept never is."""
        from dativo_dagster.launchers.aws_lambda.building import build
        from dativo_dagster.launchers.aws_lambda.deploying import is_deployed
        from dativo_dagster.launchers.aws_lambda.role import find

        if not self.config.keep:
            return False
        tenant = owner_of(config).tenant
        role_arn = self.config.role_arn or find(self._account, tenant, self._account.staging_url(tenant))
        if role_arn is None:
            return False
        made = self._made(plugin, config, build(self._account, tenant, plugin, publish=False), role_arn)
        return is_deployed(self._account.client("lambda"), made, self.config)

    def leftovers(self, older_than: datetime) -> list[Leftover]:
        """Find functions, layers, roles, logs and staged rows that nobody uses."""
        from dativo_dagster.functions import claims
        from dativo_dagster.launchers.aws_lambda.tidy import leftovers

        staged = [left for staging in self._account.stagings() for left in claims.leftovers(staging, older_than)]
        return [*leftovers(self._account, older_than), *staged]

    def remove(self, leftover: Leftover) -> None:
        """Remove one; it may be gone already."""
        from dativo_dagster.launchers.aws_lambda.tidy import KINDS, remove

        if leftover.kind in KINDS:
            remove(self._account, leftover)
            return
        tenant_folder = leftover.name.rstrip("/").rpartition("/")[0]
        self._account.staging_at(tenant_folder).remove(leftover)

    @contextmanager
    def deployed(self, role: str, plugin: PluginRef, config: Mapping[str, Any]) -> Iterator[Deployed]:
        """Deploy a plugin, or find it deployed."""
        from dativo_dagster.functions.call import Deployed, Settings
        from dativo_dagster.launchers.aws_lambda.building import build, named

        named(self.config, role, plugin)
        tenant = owner_of(config).tenant
        staging = self._account.staging(tenant)
        built = build(self._account, tenant, plugin)
        with self._function(plugin, config, built, staging) as name:
            yield Deployed(
                functions=self._invoked(name),
                staging=staging,
                role=role,
                plugin=built.plugin,
                config=config,
                settings=Settings(
                    idle_seconds=self.config.idle_seconds,
                    inline_bytes=int(self.config.inline_mb * 1024 * 1024),
                ),
            )

    @contextmanager
    def _function(self, plugin: PluginRef, config: Mapping[str, Any], built: Built, staging: Staging) -> Iterator[str]:
        """Give the name of an active function; one that is not kept goes on any exit, with all that is its own."""
        from secrets import token_hex

        from dativo_dagster.functions.claims import claim
        from dativo_dagster.launchers.aws_lambda.deploying import deploy, function_name
        from dativo_dagster.launchers.aws_lambda.role import role
        from dativo_dagster.launchers.aws_lambda.tidy import remove_own

        tenant, own = owner_of(config).tenant, "" if self.config.keep else token_hex(8)
        role_arn = self.config.role_arn or role(self._account, tenant, staging.url, own)
        made = self._made(plugin, config, built, role_arn, own)
        name = function_name(made, self.config)
        with claim(staging, asdict(owner_of(config)), name):
            try:
                yield deploy(self._account.client("lambda"), made, self.config, staging)
            finally:
                if own:
                    remove_own(self._account, name, made.role_arn)

    def _made(self, plugin: PluginRef, config: Mapping[str, Any], built: Built, role_arn: str, own: str = "") -> Made:
        from dativo_dagster.launchers.aws_lambda.building import tags
        from dativo_dagster.launchers.aws_lambda.deploying import Made
        from dativo_dagster.launchers.aws_lambda.tidy import STAGING

        return Made(
            tenant=owner_of(config).tenant,
            plugin=plugin.path,
            runtime=built.runtime,
            handler=built.handler,
            role_arn=role_arn,
            package=built.package,
            layers=built.layers,
            own=own,
            tags={
                **tags(config, built.content or str(self.config.image), keep=self.config.keep),
                STAGING: self._account.root_tag,
            },
        )

    def _invoked(self, name: str) -> Any:
        from dativo_dagster.functions.cloud import Limits
        from dativo_dagster.functions.prices import lambda_price
        from dativo_dagster.launchers.aws_lambda.invoking import PAYLOAD_BYTES, LambdaFunction

        limits = Limits(
            request_bytes=PAYLOAD_BYTES,
            reply_bytes=PAYLOAD_BYTES,
            seconds=self.config.timeout_seconds,
            memory_mb=self.config.memory_mb,
        )
        price = lambda_price(self._account.region, self.config.architecture)
        return LambdaFunction(self._account.invoker(), name, limits, price)

    @cached_property
    def _account(self) -> Account:
        from dativo_dagster.launchers.aws_lambda.account import Account

        return Account(self.config)
