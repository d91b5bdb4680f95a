from __future__ import annotations

import re

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dativo_dagster.orchestration.naming import joined, slug

_ESCAPE = re.compile(r"_(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{6}))")
names = st.text(alphabet=st.one_of(st.sampled_from("_ab.-xuU02d"), st.characters()), min_size=1, max_size=12)


def unslug(text: str) -> str:
    return _ESCAPE.sub(lambda m: chr(int(m[1] or m[2] or m[3], 16)), text)


@given(names)
def test_a_slug_can_be_read_back_so_no_two_names_share_one(name):
    assert unslug(slug(name)) == name


@given(names)
def test_a_slug_is_a_name_that_dagster_accepts(name):
    assert re.fullmatch(r"[A-Za-z0-9_]+", slug(name))


@given(st.lists(names, min_size=1, max_size=3))
def test_joined_slugs_can_be_taken_apart_again(parts):
    name = joined(*parts)
    found = []
    while (at := name.find("__")) > 0:
        found.append(name[:at])
        name = name[at + 2 :]
    assert [unslug(p) for p in [*found, name]] == parts


@given(st.lists(names, min_size=2, max_size=2), st.lists(names, min_size=2, max_size=2))
def test_different_keys_give_different_op_names(one, other):
    op_names = [dg.AssetKey([slug(p) for p in key]).to_python_identifier() for key in (one, other)]
    assert (op_names[0] == op_names[1]) == (one == other)


@pytest.mark.parametrize("name", ["orders", "orders_2024", "Orders", "x2d"])
def test_an_ordinary_name_stays_as_it_is(name):
    assert slug(name) == name


def test_the_three_names_that_dagster_confuses_stay_apart():
    assert len({slug("a-b"), slug("a.b"), slug("a_b")}) == 3
