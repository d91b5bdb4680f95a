import pytest

from dativo_dagster.config.job import Evolution
from dativo_dagster.validation.evolution import diff, promised, refuse
from dativo_ingest.exceptions import ConfigurationError
from dativo_ingest.model import Column

NONE = Evolution(add=False, widen=False, relax=False, drop=False)


def columns(**kinds):
    return [Column(name=n, type=k.rstrip("!"), nullable=not k.endswith("!")) for n, k in kinds.items()]


def kinds(wanted, have, policy=None):
    return [(c.kind, c.column, c.allowed) for c in diff(wanted, have, policy or Evolution())]


def test_equal_columns_in_any_order_have_no_difference():
    assert kinds(columns(a="int64", b="string"), columns(b="string", a="int64")) == []


def test_a_table_that_does_not_exist_has_nothing_to_change():
    assert kinds(columns(a="int64"), []) == []


@pytest.mark.parametrize(
    ("old", "new", "kind", "allowed"),
    [
        ("int32", "int64", "widen", True),
        ("int8", "int32", "widen", True),
        ("float32", "double", "widen", True),
        ("decimal(10,2)", "decimal(12,2)", "widen", True),
        ("int64", "int32", "narrow", False),
        ("decimal(12,2)", "decimal(10,2)", "narrow", False),
        ("decimal(10,2)", "decimal(12,4)", "incompatible", False),
        ("int32", "double", "incompatible", False),
        ("timestamp", "timestamptz", "incompatible", False),
        ("string", "int64", "incompatible", False),
        ("list<int32>", "int32", "incompatible", False),
    ],
)
def test_a_type_may_only_become_one_that_holds_every_value_it_held(old, new, kind, allowed):
    assert kinds(columns(a=new), columns(a=old)) == [(kind, "a", allowed)]


@pytest.mark.parametrize(
    ("have", "wanted", "change"),
    [
        (columns(a="int32"), columns(a="int32", b="string"), ("add", "b", False)),
        (columns(a="int32"), columns(a="int64"), ("widen", "a", False)),
        (columns(a="int32!"), columns(a="int32"), ("relax", "a", False)),
        (columns(a="int32", b="string"), columns(a="int32"), ("drop", "b", False)),
    ],
)
def test_each_class_of_change_is_refused_when_its_setting_is_off(have, wanted, change):
    assert kinds(wanted, have, NONE) == [change]


def test_nested_changes_are_told_by_their_path():
    old = columns(a="struct<x: int32, gone: string>", l="list<struct<y: int32>>", m="map<string,int32>")
    new = columns(a="struct<x: int64, fresh: date>", l="list<struct<y: int64>>", m="map<string,int64>")
    assert kinds(new, old) == [
        ("drop", "a.gone", False),
        ("widen", "a.x", True),
        ("add", "a.fresh", True),
        ("widen", "l.element.y", True),
        ("widen", "m.value", True),
    ]


def test_a_rename_is_one_change_once_and_none_after():
    policy = Evolution(rename={"old": "new"})
    assert kinds(columns(new="string"), columns(old="string"), policy) == [("rename", "old", True)]
    assert kinds(columns(new="string"), columns(new="string"), policy) == []


def test_a_renamed_column_may_be_widened_in_the_same_step():
    policy = Evolution(rename={"old": "new"})
    assert kinds(columns(new="int64"), columns(old="int32"), policy) == [
        ("rename", "old", True),
        ("widen", "new", True),
    ]


def test_a_refusal_names_each_change_and_the_setting_that_allows_it():
    changes = diff(columns(a="int32", c="string"), columns(a="int64", b="string", d="date"), Evolution(add=False))
    with pytest.raises(ConfigurationError) as caught:
        refuse(changes, "shop.orders")
    message = caught.value.message
    assert "table shop.orders" in message
    assert "narrow 'a' from int64 to int32: no setting allows this" in message
    assert "drop 'b' (string): put it back into the contract, set `evolution.drop: true` to delete it" in message
    assert "`evolution.rename: {b: c}` if it has a new name" in message
    assert "add 'c' (string): set `evolution.add: true`" in message
    assert caught.value.error_code == "SCHEMA_CHANGE_REFUSED"
    assert [c["column"] for c in caught.value.details["changes"]] == ["b", "d", "a", "c"]


def test_allowed_changes_are_not_refused():
    refuse(diff(columns(a="int64", b="date"), columns(a="int32!"), Evolution()), "t")


def test_a_table_never_promises_that_an_earlier_row_has_a_value():
    have = columns(old="string", kept="string!")
    wanted = columns(old="string!", kept="string!", new="string!")
    assert {c.name: c.nullable for c in promised(wanted, have)} == {"old": True, "kept": False, "new": True}
    assert promised(wanted, []) == tuple(wanted)
