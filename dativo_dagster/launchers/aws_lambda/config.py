"""The options of a function of AWS Lambda, as a job says them under `place`. What AWS would refuse is refused here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, StringConstraints, field_validator, model_validator

from dativo_dagster.functions.dependencies import System
from dativo_dagster.functions.glibc import AL2, glibc_of

RUNTIMES = ("python3.10", "python3.11", "python3.12", "python3.13", "provided.al2", "provided.al2023")
"""https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html"""
OLD_RUNTIMES = frozenset(runtime for runtime in RUNTIMES if glibc_of(runtime) == AL2)
"""Those on Amazon Linux 2, which is at its end of life."""
_RESERVED = frozenset({"PATH", "LD_LIBRARY_PATH", "TZ", "_HANDLER", "_X_AMZN_TRACE_ID"})
_RESERVED_PREFIXES = ("AWS_", "LAMBDA_")
_ENVIRONMENT_BYTES = 4096
_ECR = r"^\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/[^\s:@]+(:[\w.-]+|@sha256:[0-9a-f]{64})$"


class Config(BaseModel):
    """One function serves one tenant and one plugin with these settings.

    Attributes:
        runtime: Left out: ``python3.12`` for classes, ``provided.al2023`` for libraries.
        memory_mb: Memory of the function; processors grow with it.
        timeout_seconds: How long one verb may take.
        idle_seconds: How long a function waits for the host to take or send rows before it takes it for dead.
        ephemeral_storage_mb: Size of ``/tmp``, where a writer's files lie until they are carried away.
        architecture: Of the processor.
        requirements: Packages that the plugin needs, as pip reads them.
        layers: ARNs of layers to add.
        image: A container image of ECR to run instead of a package: what is in it is yours, the plugin included.
        inline_mb: Up to how many MiB the rows of one read come with its reply; more go by the staging folder.
        role_arn: The role that the function takes on; left out: one is made that may log and reach its staging folder.
        subnets: Of the VPC that the function joins, with ``security_groups``.
        environment: Variables of the function. Anybody who may see the function may read them.
        tags: Of the function, besides ours.
        region: Left out: as boto3 finds it.
        staging: An ``s3://`` folder for rows on their way. Left out: a private bucket of the account,
            ``dativo-staging-ACCOUNT-REGION``, which is made when it is not there and forgets after a day.
        endpoint_url: Where the interfaces of AWS are answered instead of at Amazon.
        function_endpoint_url: The same as a function sees it, where that is another address.
        start_seconds: How long it may take to become active.
        keep: Whether the function stays for the next run; `dativo places gc` takes it by age.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    runtime: str | None = None
    memory_mb: Annotated[int, Field(ge=128, le=10240)] = 1024
    timeout_seconds: Annotated[int, Field(ge=1, le=900)] = 900
    idle_seconds: PositiveFloat = 300
    ephemeral_storage_mb: Annotated[int, Field(ge=512, le=10240)] = 512
    architecture: Literal["x86_64", "arm64"] = "x86_64"
    requirements: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    image: Annotated[str, StringConstraints(pattern=_ECR)] | None = None
    inline_mb: Annotated[float, Field(ge=0, le=3)] = 3
    role_arn: str | None = None
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    environment: dict[str, str] = Field(default_factory=dict)
    tags: dict[str, str] = Field(default_factory=dict)
    region: str | None = None
    staging: Annotated[str, StringConstraints(pattern="^s3://[^/]+")] | None = None
    endpoint_url: str | None = None
    function_endpoint_url: str | None = None
    start_seconds: PositiveFloat = 120
    keep: bool = True

    @field_validator("runtime")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None and value not in RUNTIMES:
            known = ", ".join(RUNTIMES)
            message = f"{value!r} is no runtime of AWS Lambda that runs plugins; known are {known}"
            raise ValueError(message)
        return value

    @field_validator("environment")
    @classmethod
    def _allowed(cls, value: dict[str, str]) -> dict[str, str]:
        if bad := sorted(name for name in value if name in _RESERVED or name.startswith(_RESERVED_PREFIXES)):
            message = f"AWS Lambda sets {', '.join(bad)} itself; take other names"
            raise ValueError(message)
        if (size := sum(len(f"{name}{text}".encode()) for name, text in value.items())) > _ENVIRONMENT_BYTES:
            message = f"the variables take {size} bytes, and AWS Lambda takes {_ENVIRONMENT_BYTES}"
            raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _joined(self) -> Config:
        if bool(self.subnets) != bool(self.security_groups):
            message = "a VPC is joined by `subnets` and `security_groups` together; one of them is missing"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _whole(self) -> Config:
        packed = {"runtime": self.runtime, "requirements": self.requirements, "layers": self.layers}
        if self.image and (said := [name for name, value in packed.items() if value]):
            message = f"an `image` brings what it needs itself; take out {', '.join(said)}"
            raise ValueError(message)
        return self

    def system(self, runtime: str) -> System:
        """Give what the packages for a Python runtime must run on."""
        machine = "aarch64" if self.architecture == "arm64" else "x86_64"
        return System(runtime.removeprefix("python"), glibc_of(runtime), machine)
