"""True ODCS 3 contracts (Open Data Contract Standard, bitol.io), read with its official models, as a `Contract`.

The logical type says what a column is; the physical type makes it exact where both agree, such as ``decimal(12,2)``
for a number. Checks of the standard's library that forbid every bad value become rules. All else that the file
promises and nothing here checks (SQL, thresholds, service levels) is listed in ``Contract.unsupported``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from open_data_contract_standard.model import (
    DataQuality,
    OpenDataContractStandard,
    SchemaObject,
    SchemaProperty,
    Team,
)

from dativo_dagster.config import contract as model
from dativo_dagster.config.mistakes import Mistakes, models_in, unknown_key, validated
from dativo_dagster.config.odcstypes import odcs_type
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from dativo_dagster.config.document import Document, Location

_RANGE = {
    "minimum": "minimum",
    "maximum": "maximum",
    "exclusiveMinimum": "exclusive_minimum",
    "exclusiveMaximum": "exclusive_maximum",
}
_LENGTH = {"minLength": "minimum", "maxLength": "maximum", "minItems": "minimum", "maxItems": "maximum"}
_TYPING = {"format", "timezone", "defaultTimezone", "dimensions", "elementType"}
_SILENT = {"distanceMetric", "embeddingModel", "embeddingModelVersion", "normalized"}
_PROMISED = {"multipleOf", "uniqueItems", "minProperties", "maxProperties", "required"}
_OPTIONS = {*_RANGE, *_LENGTH, *_TYPING, *_SILENT, *_PROMISED, "pattern"}
_CHECKED_FORMATS = {"uuid", "byte", "binary", "yyyy-MM-dd", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64"}
_TESTS = {n for n in DataQuality.model_fields if n.startswith("must")}


def from_odcs(document: Document, mistakes: Mistakes, *, name: str, object_name: str | None) -> model.Contract | None:
    """Make the contract of one object of the file; None with the mistakes noted when the file is wrong."""
    file = validated(OpenDataContractStandard, document, mistakes)
    for location, why in _unknown_keys(document.data, [OpenDataContractStandard], ()):
        mistakes.add(document.mark(location, key=True), location, why)
    if file is None or len(mistakes):
        return None
    if not (file.apiVersion or "").startswith("v3."):
        mistakes.add(document.mark(("apiVersion",)), ("apiVersion",), "only ODCS v3 is read, such as v3.1.0")
        return None
    at = _chosen(file.schema_ or [], object_name, document, mistakes)
    return None if at is None else _Reader(document, mistakes, file, at).contract(name)


def _chosen(objects: Sequence[SchemaObject], wanted: str | None, document: Document, mistakes: Mistakes) -> int | None:
    names = [o.name for o in objects]
    if wanted is None and len(objects) == 1:
        return 0
    if wanted in names:
        return names.index(wanted)
    listed = ", ".join(map(str, names))
    said = f"has no object {wanted!r}" if wanted else "has several objects"
    why = f"the contract {said}; a job names one as `contract: FILE#OBJECT`, known are: {listed}"
    mistakes.add(document.mark(("schema",)), ("schema",), why)
    return None


class _Reader:
    """Reads one object of a file and collects rules and unsupported promises."""

    def __init__(self, document: Document, mistakes: Mistakes, file: OpenDataContractStandard, at: int) -> None:
        self.document, self.mistakes, self.file = document, mistakes, file
        self.at: Location = ("schema", at)
        self.object = (file.schema_ or [])[at]
        self.rules: list[model.Rule] = []
        self.unsupported: list[str] = []
        self.rows: dict[str, int] = {}

    def contract(self, name: str) -> model.Contract:
        file, members = self.file, _members(self.file)
        fields = tuple(self.field(p, (*self.at, "properties", i)) for i, p in enumerate(self.object.properties or ()))
        for i, quality in enumerate(self.object.quality or ()):
            self.object_quality(quality, (*self.at, "quality", i))
        if not fields:
            self.mistakes.add(self.document.mark(self.at), self.at, "the object has no `properties`, so no columns")
        return model.Contract(
            name=file.name or self.object.name or name,
            fields=tuple(f for f in fields if f is not None),
            version=file.version or "1.0.0",
            id=file.id,
            status=file.status or "active",
            domain=file.domain,
            data_product=file.dataProduct,
            tenant=file.tenant,
            owner=_owner(self.file, members),
            description=_description(self.file, self.object),
            tags=(*(file.tags or ()), *(self.object.tags or ())),
            object=self.object.physicalName or self.object.name,
            rules=tuple(self.rules),
            retention_days=self.retention(),
            roles=members,
            minimum_rows=self.rows.get("minimum"),
            maximum_rows=self.rows.get("maximum"),
            unsupported=tuple(self.unsupported),
            standard=f"ODCS {file.apiVersion}",
        )

    def field(self, column: SchemaProperty, at: Location) -> model.Field | None:
        name = column.physicalName or column.name
        if not name:
            self.mistakes.add(self.document.mark(at), at, "a property needs a `name`")
            return None
        try:
            kind = odcs_type(column)
        except ConfigurationError as error:
            self.mistakes.add(self.document.mark(at), at, error.message)
            return None
        options = column.logicalTypeOptions or {}
        self.column_rules(name, column, options, at)
        return model.Field(
            name=name,
            type=kind,
            required=bool(column.required or column.primaryKey),
            primary_key=bool(column.primaryKey),
            description=column.description or "",
            classification=column.classification,
            tags=tuple(column.tags or ()),
            timezone=options.get("defaultTimezone"),
        )

    def column_rules(self, name: str, column: SchemaProperty, options: Mapping[str, Any], at: Location) -> None:
        if column.required or column.primaryKey:
            self.rule("required", name)
        if column.unique:
            self.rule("unique", name)
        if column.enum:
            self.rule("enum", name, values=[e.value for e in column.enum])
        if bounds := {_RANGE[k]: v for k, v in options.items() if k in _RANGE}:
            self.rule("range", name, **bounds)
        if bounds := {_LENGTH[k]: v for k, v in options.items() if k in _LENGTH}:
            self.rule("length", name, **bounds)
        if "pattern" in options:
            self.rule("pattern", name, regex=options["pattern"])
        self.options(options, (*at, "logicalTypeOptions"))
        for i, quality in enumerate(column.quality or ()):
            self.column_quality(name, quality, (*at, "quality", i))
        for inner, where in _inside(column, at):
            self.inner(inner, where)

    def options(self, options: Mapping[str, Any], at: Location) -> None:
        for key, value in options.items():
            if key not in _OPTIONS:
                self.mistakes.add(self.document.mark((*at, key), key=True), (*at, key), unknown_key(key, _OPTIONS))
            elif key in _PROMISED or (key == "format" and value not in _CHECKED_FORMATS):
                self.leave((*at, key), value)

    def inner(self, column: SchemaProperty, at: Location) -> None:
        """List what is promised of a value inside another: only its type is checked."""
        for key in ("required", "unique", "enum", "logicalTypeOptions", "quality"):
            if getattr(column, key):
                self.leave((*at, key), "only the type of a nested value is checked")
        for deeper, where in _inside(column, at):
            self.inner(deeper, where)

    def column_quality(self, name: str, quality: DataQuality, at: Location) -> None:
        made = None if _not_ours(quality) else _as_rule(name, quality)
        if made is None:
            self.leave(at, _words(quality))
        else:
            self.rules.append(made)

    def object_quality(self, quality: DataQuality, at: Location) -> None:
        columns = (quality.arguments or {}).get("properties")
        metric = quality.metric or quality.rule
        if _not_ours(quality):
            self.leave(at, _words(quality))
        elif metric == "rowCount" and (bounds := _row_bounds(quality)):
            self.rows |= bounds
        elif metric == "duplicateValues" and isinstance(columns, list) and len(columns) == 1 and _none(quality):
            self.rule("unique", str(columns[0]))
        else:
            self.leave(at, _words(quality))

    def retention(self) -> int | None:
        days = None
        for i, level in enumerate(self.file.slaProperties or ()):
            factor = {"d": 1, "day": 1, "days": 1, "y": 365, "yr": 365, "years": 365}.get((level.unit or "").lower())
            if level.property == "retention" and isinstance(level.value, int) and factor:
                days = level.value * factor
            else:
                self.leave(("slaProperties", i), f"{level.property} {level.value} {level.unit or ''}".strip())
        return days

    def rule(self, kind: model.RuleKind, column: str, **parameters: Any) -> None:
        self.rules.append(model.Rule(kind=kind, column=column, parameters=parameters))

    def leave(self, at: Location, what: object) -> None:
        place = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in at).removeprefix(".")
        self.unsupported.append(f"{place}: {what}")


def _inside(column: SchemaProperty, at: Location) -> Iterator[tuple[SchemaProperty, Location]]:
    for i, inner in enumerate(column.properties or ()):
        yield inner, (*at, "properties", i)
    if column.items:
        yield column.items, (*at, "items")
    if column.map and column.map.key:
        yield column.map.key, (*at, "map", "key")
    if column.map and column.map.value:
        yield column.map.value, (*at, "map", "value")


def _not_ours(quality: DataQuality) -> bool:
    """Say whether a check is none of the library, or one whose failure is only to be noted."""
    return (quality.type or "library") != "library" or (quality.severity or "error").lower() in {"info", "warning"}


def _words(quality: DataQuality) -> str:
    said = quality.name or quality.description or quality.query or quality.metric or quality.rule or "a quality rule"
    test = " ".join(f"{name} {getattr(quality, name)}" for name in sorted(_TESTS) if getattr(quality, name) is not None)
    return f"{quality.type or 'library'}: {said} {test}".strip()[:160]


def _none(quality: DataQuality) -> bool:
    """Say whether a check allows no bad value at all, in rows or in percent."""
    tests = {n: getattr(quality, n) for n in _TESTS if getattr(quality, n) is not None}
    in_rows = (quality.unit or "rows") != "percent"
    return tests in ({"mustBe": 0}, {"mustBeLessOrEqualTo": 0}) or (in_rows and tests == {"mustBeLessThan": 1})


def _as_rule(name: str, quality: DataQuality) -> model.Rule | None:
    arguments, given = quality.arguments or {}, set(quality.arguments or {})
    metric = quality.metric or quality.rule
    kind: model.RuleKind
    parameters: dict[str, Any] = {}
    if (metric == "nullValues" and not given) or (
        metric == "missingValues" and set(arguments.get("missingValues", [None])) == {None}
    ):
        kind = "required"
    elif metric == "duplicateValues" and not given:
        kind = "unique"
    elif metric == "invalidValues" and given == {"validValues"}:
        kind, parameters = "enum", {"values": list(arguments["validValues"])}
    elif metric == "invalidValues" and given == {"pattern"}:
        kind, parameters = "pattern", {"regex": arguments["pattern"]}
    else:
        return None
    return model.Rule(kind=kind, column=name, parameters=parameters) if _none(quality) else None


def _row_bounds(quality: DataQuality) -> dict[str, int] | None:
    tests = {n: getattr(quality, n) for n in _TESTS if getattr(quality, n) is not None}
    if len(tests) != 1 or (quality.unit or "rows") != "rows":
        return None
    ((test, value),) = tests.items()
    if test == "mustBeBetween":
        return {"minimum": int(value[0]), "maximum": int(value[1])}
    if not isinstance(value, int):
        return None
    return {
        "mustBe": {"minimum": value, "maximum": value},
        "mustBeGreaterThan": {"minimum": value + 1},
        "mustBeGreaterOrEqualTo": {"minimum": value},
        "mustBeLessThan": {"maximum": value - 1},
        "mustBeLessOrEqualTo": {"maximum": value},
    }.get(test)


def _members(file: OpenDataContractStandard) -> tuple[dict[str, Any], ...]:
    team = file.team.members if isinstance(file.team, Team) else file.team
    said = ({"name": m.name or m.username, "responsibility": m.role} for m in team or () if not m.dateOut)
    return tuple({k: v for k, v in member.items() if v} for member in said)


def _owner(file: OpenDataContractStandard, members: Sequence[Mapping[str, Any]]) -> str | None:
    owners = [m["name"] for m in members if "owner" in m.get("responsibility", "").lower() and "name" in m]
    return owners[0] if owners else file.team.name if isinstance(file.team, Team) else None


def _description(file: OpenDataContractStandard, part: SchemaObject) -> str:
    said = file.description
    parts = (said.purpose, said.limitations, said.usage) if said else ()
    return "\n".join(p for p in (*parts, part.description) if p)


def _unknown_keys(data: Any, models: Sequence[type[BaseModel]], at: Location) -> Iterator[tuple[Location, str]]:
    """Find keys that the standard does not have: its models pass them over below the root."""
    if isinstance(data, list):
        for i, item in enumerate(data):
            yield from _unknown_keys(item, models, (*at, i))
    elif isinstance(data, Mapping) and models:
        known = {f.alias or name: f for m in models for name, f in m.model_fields.items()}
        for key, value in data.items():
            if key in known:
                yield from _unknown_keys(value, list(models_in(known[key].annotation)), (*at, key))
            elif at:  # the root refuses by itself
                yield (*at, key), unknown_key(key, known)
