"""The flat form of a contract: what our own jobs and those of the earlier system write. For `config.contractfile`.

The models say what may be written; the editor's JSON Schema comes from them. Blocks of the earlier system that were
read and never used stay readable, and each promise in them ends up in ``Contract.unsupported``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from dativo_dagster.config import contract as model
from dativo_dagster.config.types import parse_type
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from dativo_dagster.config.document import Document, Map
    from dativo_dagster.config.mistakes import Mistakes

Bound = bool | int | float | str


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class FlatColumn(_Block):
    """One column and the rules that hold for it."""

    name: str = Field(min_length=1)
    type: str = Field(default="string", description="A logical type, such as int64, decimal(12,2) or list<string>.")
    required: bool = Field(default=False, description="The value is never NULL.")
    primary_key: bool = Field(default=False, description="Part of the key of a row; a key column is required.")
    unique: bool = Field(default=False, description="No value occurs twice in one run.")
    enum: list[Bound | None] | None = Field(default=None, min_length=1, description="All values there may be.")
    minimum: Bound | None = None
    maximum: Bound | None = None
    exclusive_minimum: Bound | None = None
    exclusive_maximum: Bound | None = None
    min_length: int | None = Field(default=None, ge=0, description="In characters, or elements of a list.")
    max_length: int | None = Field(default=None, ge=0)
    pattern: str | None = Field(default=None, description="A regular expression (RE2) that matches anywhere.")
    timezone: str | None = Field(
        default=None,
        description="Zone of values of a timestamptz that say none; for a timestamp, the zone whose clocks it shows.",
    )
    classification: str | None = None
    description: str = ""
    tags: list[str] = []

    @field_validator("type")
    @classmethod
    def _type(cls, text: str) -> str:
        try:
            parse_type(text)
        except ConfigurationError as error:
            raise ValueError(error.message) from None
        return text


class FlatRole(_Block):
    """Who does what in a team."""

    name: str | None = None
    email: str | None = None
    responsibility: str | None = None


class FlatTeam(_Block):
    """Who answers for the data."""

    owner: str
    roles: list[FlatRole] = []


class FlatCompliance(_Block):
    """What the law and the house ask for."""

    classification: list[str] = []
    regulations: list[str] = []
    retention_days: int | None = Field(default=None, ge=0)
    security: dict[str, Any] | None = None
    user_consent_required: bool | None = None


class FlatFinops(_Block):
    """Who pays."""

    cost_center: str | None = None
    business_tags: list[str] | None = None
    project: str | None = None
    environment: str | None = None


class FlatDescription(_Block):
    """Why the data exists, what it cannot do, and how to use it."""

    purpose: str | None = None
    limitations: str | None = None
    usage: str | None = None


class FlatQuality(_Block):
    """Expectations of the earlier system, which never ran them; neither do we, and the contract says so."""

    expectations: list[Any] = []
    monitoring: dict[str, Any] | None = None
    alerts: dict[str, Any] | None = None


class FlatContract(_Block):
    """A data contract in the flat form."""

    schema_ref: str | None = Field(default=None, alias="$schema", description="Where editors find this schema.")
    api_version: str | None = Field(default=None, alias="apiVersion")
    kind: str | None = None
    status: str = "active"
    id: str | None = None
    name: str | None = Field(default=None, description="Left out: `object`, else the name of the file.")
    version: str | int | float = "1.0.0"
    domain: str | None = None
    data_product: str | None = Field(default=None, alias="dataProduct")
    tenant: str | None = None
    description: FlatDescription | str | None = None
    tags: list[str] = []
    source_type: str | None = None
    object: str | None = Field(default=None, description="What the columns are read from at the source.")
    columns: list[FlatColumn] = Field(alias="schema", min_length=1)
    team: FlatTeam | None = None
    compliance: FlatCompliance | None = None
    finops: FlatFinops | None = None
    minimum_rows: int | None = Field(default=None, ge=0, description="Fewest rows of one run.")
    maximum_rows: int | None = Field(default=None, ge=0, description="Most rows of one run.")
    data_quality: FlatQuality | None = None
    change_management: dict[str, Any] | None = None
    target: dict[str, Any] | None = Field(default=None, description="Of the earlier system, which ignored it.")


def from_flat(flat: FlatContract, document: Document, mistakes: Mistakes, *, name: str) -> model.Contract:
    """Make the contract and note rules that cannot hold; ``name`` serves when the file says none."""
    for i, key, why in _misfits(flat.columns):
        mistakes.add(document.mark(("schema", i, key), key=True), ("schema", i, key), why)
    team, compliance = flat.team, flat.compliance or FlatCompliance()
    return model.Contract(
        name=flat.name or flat.object or name,
        fields=tuple(_field(c) for c in flat.columns),
        version=str(flat.version),
        id=flat.id,
        status=flat.status,
        domain=flat.domain,
        data_product=flat.data_product,
        tenant=flat.tenant,
        owner=team.owner if team else None,
        description=_description(flat.description),
        tags=tuple(flat.tags),
        source_type=flat.source_type,
        object=flat.object,
        rules=tuple(rule for c in flat.columns for rule in _rules(c)),
        classification=tuple(compliance.classification),
        regulations=tuple(compliance.regulations),
        retention_days=compliance.retention_days,
        finops=flat.finops.model_dump(exclude_none=True) if flat.finops else {},
        roles=tuple(r.model_dump(exclude_none=True) for r in team.roles) if team else (),
        minimum_rows=flat.minimum_rows,
        maximum_rows=flat.maximum_rows,
        unsupported=tuple(_unsupported(flat)),
    )


def unnest(data: Map) -> Map:
    """Turn the nested form (root ``asset``) into the flat one, as the earlier system did at load."""
    asset: Map = data["asset"]
    flat, governance = asset.without("governance"), asset.get("governance")
    if not isinstance(governance, type(asset)):
        return flat if governance is None else asset
    marks = asset.marks["governance"]
    if "owner" in governance and "team" not in flat:
        flat.put("team", governance.only("owner"), marks)
    if "tags" in governance and "tags" not in flat:
        flat.put("tags", governance["tags"], governance.marks["tags"])
    if compliance := governance.only("classification", "regulations", "retention_days"):
        if isinstance(compliance.get("classification"), str):
            compliance["classification"] = [compliance["classification"]]
        before = flat.get("compliance")
        flat.put("compliance", compliance.over(before) if before else compliance, marks)
    if rest := governance.without("owner", "tags", "classification", "regulations", "retention_days"):
        flat.put("governance", rest, marks)
    return flat


def _description(said: FlatDescription | str | None) -> str:
    if isinstance(said, FlatDescription):
        return "\n".join(part for part in (said.purpose, said.limitations, said.usage) if part)
    return said or ""


def _field(column: FlatColumn) -> model.Field:
    return model.Field(
        name=column.name,
        type=parse_type(column.type),
        required=column.required or column.primary_key,
        primary_key=column.primary_key,
        description=column.description,
        classification=column.classification,
        tags=tuple(column.tags),
        timezone=column.timezone,
    )


def _rules(column: FlatColumn) -> Iterator[model.Rule]:
    if column.required or column.primary_key:
        yield model.Rule(kind="required", column=column.name)
    if column.unique:
        yield model.Rule(kind="unique", column=column.name)
    if column.enum is not None:
        yield model.Rule(kind="enum", column=column.name, parameters={"values": column.enum})
    bounds = ("minimum", "maximum", "exclusive_minimum", "exclusive_maximum")
    if given := {b: v for b in bounds if (v := getattr(column, b)) is not None}:
        yield model.Rule(kind="range", column=column.name, parameters=given)
    lengths = {"minimum": column.min_length, "maximum": column.max_length}
    if given := {b: v for b, v in lengths.items() if v is not None}:
        yield model.Rule(kind="length", column=column.name, parameters=given)
    if column.pattern is not None:
        yield model.Rule(kind="pattern", column=column.name, parameters={"regex": column.pattern})


def _unsupported(flat: FlatContract) -> Iterator[str]:
    if flat.data_quality is None:
        return
    for i, expectation in enumerate(flat.data_quality.expectations):
        yield f"data_quality.expectations[{i}]: {str(expectation)[:120]}"


_PAIRS = (("minimum", "maximum"), ("exclusive_minimum", "exclusive_maximum"), ("min_length", "max_length"))
_FITS = {
    "pattern": ("string",),
    "min_length": ("string", "binary", "list", "map"),
    "max_length": ("string", "binary", "list", "map"),
    "timezone": ("timestamptz", "timestamp"),
}


def _misfits(columns: list[FlatColumn]) -> Iterator[tuple[int, str, str]]:
    """Find what no type and no data can keep; `validation.compile` looks at the values of rules."""
    names: set[str] = set()
    for i, column in enumerate(columns):
        if column.name in names:
            yield i, "name", f"the column {column.name!r} is there already; a name is given once"
        names.add(column.name)
        kind = str(parse_type(column.type)).partition("[")[0].partition("<")[0]
        for key, kinds in _FITS.items():
            if getattr(column, key) is not None and kind not in kinds:
                yield i, key, f"{kind} has no {key}; it is for {', '.join(kinds)}"
        for low, high in _PAIRS:
            least, most = getattr(column, low), getattr(column, high)
            if type(least) is type(most) and least is not None and least > most:
                yield i, low, f"{least} is more than {high} {most}, so no value could be right"
