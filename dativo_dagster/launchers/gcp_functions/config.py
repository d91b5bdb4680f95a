"""A Cloud Function, as a job says it under `place`."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, StringConstraints, field_validator, model_validator

RESERVED = frozenset(
    {"FUNCTION_TARGET", "FUNCTION_SIGNATURE_TYPE", "K_SERVICE", "K_REVISION", "K_CONFIGURATION", "PORT"}
)
"""Variables that the platform sets: https://cloud.google.com/run/docs/container-contract"""
OLDEST = 10
"""The minor version of Python that the SDK needs."""
ENVIRONMENT_BYTES = 32 * 1024
MOST_LABELS = 58
"""64 is what a function may have, and six are ours: https://cloud.google.com/resource-manager/docs/labels-overview"""
_LABEL = re.compile(r"(?!dativo)[a-z][a-z0-9_-]{0,62}=[a-z0-9_-]{0,63}")


class Config(BaseModel):
    """A function of the second generation.

    Attributes:
        project_id: The project; that of the credentials when left out.
        region: Where it runs; a tier 1 region is cheapest.
        service_account: What it runs as: an e-mail address. Google's default account when left out.
        runtime: ``python312`` or ``python3.12``.
        memory_mb: What one invocation may use, in MiB; processors come with it.
        timeout_seconds: How long one invocation may take.
        idle_seconds: How long a function waits for the host to take or send rows before it takes it for dead.
        start_seconds: How long its build and deployment may take.
        environment: Variables of the function. They can be read by whoever may see the function.
        requirements: Packages of the plugin, as pip reads them.
        staging: A ``gs://`` folder for rows on their way, which host and function may use.
            ``gs://dativo-staging-PROJECT-REGION/`` when left out, which is made if there is none.
        staging_options: How the staging folder is reached, as ``connection.gcs`` says it; sent to the function too.
        api_endpoint: Of the Cloud Functions API, where it is not Google's.
        transport: How the API is spoken to; ``rest`` goes through proxies and survives forks.
        keep: Whether it stays for the next run; `dativo places gc` takes it by age.
        labels: Labels besides ours.
        vpc_connector: The name of a Serverless VPC Access connector.
        ingress: Who reaches it through the network; who may call it, IAM says.
        min_instances: How many wait warm, and are paid for.
        max_instances: How many run at once.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    project_id: str | None = None
    region: str = "us-central1"
    service_account: str | None = None
    runtime: Annotated[str, StringConstraints(pattern=r"^python3\d+$")] = "python312"
    memory_mb: Annotated[int, Field(ge=128, le=32_768)] = 1024
    timeout_seconds: Annotated[int, Field(ge=1, le=3600)] = 900
    idle_seconds: PositiveFloat = 300
    start_seconds: PositiveFloat = 900
    environment: dict[str, str] = Field(default_factory=dict)
    requirements: tuple[str, ...] = ()
    staging: Annotated[str, StringConstraints(pattern="^gs://[^/]+")] | None = None
    staging_options: dict[str, Any] = Field(default_factory=dict)
    api_endpoint: str | None = None
    transport: Literal["rest", "grpc"] = "rest"
    keep: bool = True
    labels: dict[str, str] = Field(default_factory=dict)
    vpc_connector: str | None = None
    ingress: Literal["all", "internal", "internal-and-gclb"] = "all"
    min_instances: Annotated[int, Field(ge=0)] = 0
    max_instances: Annotated[int, Field(ge=1)] = 100

    @field_validator("runtime", mode="before")
    @classmethod
    def _without_dot(cls, said: object) -> object:
        return said.replace(".", "") if isinstance(said, str) else said

    @field_validator("runtime")
    @classmethod
    def _new_enough(cls, said: str) -> str:
        if int(said.removeprefix("python3")) < OLDEST:
            raise ValueError(f"the plugin SDK needs python3{OLDEST} or newer, and {said} is older")
        return said

    @field_validator("environment")
    @classmethod
    def _free_names(cls, said: dict[str, str]) -> dict[str, str]:
        taken = sorted(name for name in said if name in RESERVED or not name or name.startswith("X_GOOGLE_"))
        if taken:
            raise ValueError(f"the platform sets these itself: {', '.join(taken)}")
        if (size := sum(len(name.encode()) + len(value.encode()) for name, value in said.items())) > ENVIRONMENT_BYTES:
            raise ValueError(f"it has {size:,} bytes, and {ENVIRONMENT_BYTES:,} is what a function takes")
        return said

    @field_validator("labels")
    @classmethod
    def _as_google_takes_them(cls, said: dict[str, str]) -> dict[str, str]:
        wrong = sorted(name for name, value in said.items() if not _LABEL.fullmatch(f"{name}={value}"))
        if wrong or len(said) > MOST_LABELS:
            raise ValueError(
                f"Google does not take {', '.join(wrong) or f'more than {MOST_LABELS} besides ours'}: names and values "
                "have at most 63 characters a-z, 0-9, _ and -, and a name begins with a letter; `dativo` is ours"
            )
        return said

    @model_validator(mode="after")
    def _room_for_those_that_wait(self) -> Config:
        if self.min_instances > self.max_instances:
            raise ValueError(f"min_instances = {self.min_instances} is more than max_instances = {self.max_instances}")
        return self

    @model_validator(mode="before")
    @classmethod
    def _no_image(cls, said: object) -> object:
        if isinstance(said, dict) and said.get("image"):
            raise ValueError(
                "an `image` is not taken, Cloud Functions of the second generation are built from source; give what "
                "the plugin needs as `requirements`, or run it in docker or aws_lambda"
            )
        return said
