import pytest

from dativo_dagster.config.contract import Contract, Field, Rule
from dativo_dagster.config.job import Validation
from dativo_dagster.config.types import parse_type
from dativo_dagster.validation.compile import compile_contract
from dativo_ingest.exceptions import ConfigurationError


def compiled(*rules, mode="strict", type_="int8", **field):
    contract = Contract(name="c", fields=(Field(name="a", type=parse_type(type_), **field),), rules=rules)
    return compile_contract(contract, Validation(mode=mode))


def test_a_required_field_is_checked_though_no_rule_says_it():
    assert [r.id for r, _ in compiled(required=True).columns[0].checks] == ["a_required"]
    rule = Rule(kind="required", column="a")
    assert [r.id for r, _ in compiled(rule, required=True).columns[0].checks] == ["a_required"]


def test_warn_keeps_every_column_nullable():
    assert not compiled(required=True).schema.field("a").nullable
    assert compiled(required=True, mode="warn").schema.field("a").nullable


def test_a_rule_about_no_column_is_refused():
    with pytest.raises(ConfigurationError, match="rule 'unique' is about 'b', which is no column"):
        compiled(Rule(kind="unique", column="b"))


def test_a_nested_value_cannot_be_unique():
    with pytest.raises(ConfigurationError, match="BAD_RULE"):
        compiled(Rule(kind="unique", column="a"), type_="list<int8>")
