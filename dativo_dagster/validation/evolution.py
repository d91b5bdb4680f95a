"""What a contract would change in a table, and which of it a job allows. Pure; decided before anything is written.

Tables call it with both sides as columns of logical types *as the table stores them*.

====================  ==========================================================================================
add                   a column of the contract is new; it is added, nullable, since earlier rows have no value
widen                 int32 to int64, float32 to double, a decimal gets more digits before the point
relax                 the contract lets a column be NULL that was required
rename                ``evolution.rename`` says that a column has another name now
require               the contract now requires a column that may be NULL; the table keeps it nullable, because
                      its earlier rows may have NULL, and new rows are held to the contract by validation
drop                  the contract no longer has a column: refused unless ``evolution.drop``. The run does not
                      write NULL instead: a column forgotten in a contract would silently stop to be filled
narrow, incompatible  every other change of a type: refused, there is no setting for it
====================  ==========================================================================================
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from dativo_dagster.config import types as lt
from dativo_ingest.exceptions import ConfigurationError
from dativo_ingest.model import Column, SchemaChange

if TYPE_CHECKING:
    from dativo_dagster.config.job import Evolution

_WIDER = {
    ("int8", "int16"), ("int8", "int32"), ("int8", "int64"), ("int16", "int32"), ("int16", "int64"),
    ("int32", "int64"), ("uint8", "uint16"), ("uint8", "uint32"), ("uint16", "uint32"), ("float32", "double"),
}  # fmt: skip


def diff(wanted: Sequence[Column], have: Sequence[Column], policy: Evolution) -> tuple[SchemaChange, ...]:
    """Compare the columns that the contract wants with those that the table has, by name."""
    if not have:
        return ()
    names = {c.name for c in have}
    renamed = {old: new for old, new in policy.rename.items() if old in names and new not in names}
    found = [SchemaChange(kind="rename", column=old, before=old, after=new) for old, new in renamed.items()]
    old = {renamed.get(c.name, c.name): c for c in have}
    new = {c.name: c for c in wanted}
    found += [
        SchemaChange(kind="drop", column=n, before=c.type, allowed=policy.drop) for n, c in old.items() if n not in new
    ]
    for name, column in new.items():
        if name not in old:
            found.append(SchemaChange(kind="add", column=name, after=column.type, allowed=policy.add))
            continue
        found += _typed(name, lt.parse_type(old[name].type), lt.parse_type(column.type), policy)
        found += _nullable(name, old[name], column, policy)
    return tuple(found)


def promised(wanted: Sequence[Column], have: Sequence[Column]) -> tuple[Column, ...]:
    """Give the columns of a table after the changes: nullable also where only an earlier row may be NULL."""
    old = {c.name: c for c in have}
    return tuple(
        dataclasses.replace(c, nullable=c.nullable or (bool(have) and (c.name not in old or old[c.name].nullable)))
        for c in wanted
    )


def refuse(changes: Iterable[SchemaChange], table: str) -> None:
    """Stop when a change is not allowed.

    Raises:
        ConfigurationError: ``SCHEMA_CHANGE_REFUSED``, naming each change and the setting that would allow it.
    """
    asked = list(changes)
    refused = [c for c in asked if not c.allowed]
    if not refused:
        return
    lines = "\n".join(f"  {_sentence(c)}: {_advice(c, asked)}" for c in refused)
    raise ConfigurationError(
        f"table {table}: the contract asks for changes of the table that the job does not allow; nothing was "
        f"written\n{lines}",
        "SCHEMA_CHANGE_REFUSED",
        {"table": table, "changes": [c.to_json() for c in refused]},
    )


def _typed(path: str, old: lt.LogicalType, new: lt.LogicalType, policy: Evolution) -> Iterator[SchemaChange]:
    if old == new:
        return
    if isinstance(old, lt.Struct) and isinstance(new, lt.Struct):
        yield from _struct(path, dict(old.fields), dict(new.fields), policy)
    elif isinstance(old, lt.List) and isinstance(new, lt.List):
        yield from _typed(f"{path}.element", old.element, new.element, policy)
    elif isinstance(old, lt.Map) and isinstance(new, lt.Map) and old.key == new.key:
        yield from _typed(f"{path}.value", old.value, new.value, policy)
    else:
        kind = "widen" if _widens(old, new) else "narrow" if _widens(new, old) else "incompatible"
        allowed = kind == "widen" and policy.widen
        yield SchemaChange(kind=kind, column=path, before=str(old), after=str(new), allowed=allowed)


def _struct(
    path: str, old: Mapping[str, lt.LogicalType], new: Mapping[str, lt.LogicalType], policy: Evolution
) -> Iterator[SchemaChange]:
    for name, kind in old.items():
        if name not in new:
            yield SchemaChange(kind="drop", column=f"{path}.{name}", before=str(kind), allowed=policy.drop)
    for name, kind in new.items():
        if name in old:
            yield from _typed(f"{path}.{name}", old[name], kind, policy)
        else:
            yield SchemaChange(kind="add", column=f"{path}.{name}", after=str(kind), allowed=policy.add)


def _widens(old: lt.LogicalType, new: lt.LogicalType) -> bool:
    if isinstance(old, lt.Decimal) and isinstance(new, lt.Decimal):
        return new.scale == old.scale and new.precision > old.precision
    return (str(old), str(new)) in _WIDER


def _nullable(name: str, old: Column, new: Column, policy: Evolution) -> Iterator[SchemaChange]:
    if new.nullable and not old.nullable:
        yield SchemaChange(kind="relax", column=name, before="required", after="nullable", allowed=policy.relax)
    if old.nullable and not new.nullable:
        yield SchemaChange(kind="require", column=name, before="nullable", after="nullable, required by the contract")


def _sentence(change: SchemaChange) -> str:
    if change.before and change.after:
        return f"{change.kind} {change.column!r} from {change.before} to {change.after}"
    return f"{change.kind} {change.column!r} ({change.before or change.after})"


def _advice(change: SchemaChange, asked: Sequence[SchemaChange]) -> str:
    if change.kind == "drop":
        twins = [c.column for c in asked if c.kind == "add" and c.after == change.before]
        hint = f", or `evolution.rename: {{{change.column}: {twins[0]}}}` if it has a new name" if twins else ""
        return f"put it back into the contract, set `evolution.drop: true` to delete it{hint}"
    if change.kind in {"add", "widen", "relax"}:
        return f"set `evolution.{change.kind}: true`"
    return "no setting allows this; write to a new table, or give the column a new name"
