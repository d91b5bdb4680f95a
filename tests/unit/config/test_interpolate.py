from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dativo_dagster.config.document import parse_document
from dativo_dagster.config.interpolate import Filler, Unresolved, UnsetVariable, interpolated, shell_style

ENVIRONMENT = {"HOST": "db.test", "EMPTY": "", "DOLLAR": "${HOST} $$"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("${HOST}", "db.test"),
        ("a-${HOST}:${PORT:-5432}/b", "a-db.test:5432/b"),
        ("${HOST:-other}", "db.test"),
        ("${NONE:-}", ""),
        ("${EMPTY}", ""),
        ("${EMPTY:-default}", "default"),
        ("${NONE:-${HOST}}", "db.test"),
        ("${NONE:-${ALSO:-deep}}", "deep"),
        ('${NONE:-{"a": {}}}', '{"a": {}}'),
        ("${HOST:?say where}", "db.test"),
        ("$$", "$"),
        ("$${HOST}", "${HOST}"),
        ("$HOST", "$HOST"),
        ("^a$", "^a$"),
        ("5 $ each", "5 $ each"),
        ("${DOLLAR}", "${HOST} $$"),
    ],
)
def test_variables_are_replaced_by_one_rule(text, value):
    assert interpolated(text, ENVIRONMENT) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${NONE}", "the environment variable NONE is not set; set it, or write ${NONE:-default}"),
        ("${NONE:?ask the owner}", "the environment variable NONE is not set: ask the owner"),
        ("${EMPTY:?}", "the environment variable EMPTY is not set; set it, or write ${EMPTY:-default}"),
        ("${A:-${B}}", "the environment variable B is not set; set it, or write ${B:-default}"),
    ],
)
def test_a_variable_that_is_not_set_is_named(text, message):
    with pytest.raises(UnsetVariable) as caught:
        interpolated(text, ENVIRONMENT)
    assert str(caught.value) == message


@pytest.mark.parametrize("text", ["${", "${HOST", "${}", "${1}", "${HOST-x}", "${HO ST}", "${NONE:-{}"])
def test_what_is_no_variable_is_a_mistake(text):
    with pytest.raises(ValueError, match="dollar sign") as caught:
        interpolated(text, ENVIRONMENT)
    assert not isinstance(caught.value, UnsetVariable)


@given(st.text())
def test_doubling_its_dollar_signs_protects_any_text(text):
    assert interpolated(text.replace("$", "$$"), {}) == text


@given(st.text(), st.dictionaries(st.text(), st.text()))
def test_any_text_is_replaced_or_refused(text, environment):
    try:
        interpolated(text, environment)
    except ValueError:
        assert "${" in text


def test_what_came_from_the_environment_is_told_to_who_asks():
    used: dict[str, str] = {}
    interpolated("${HOST} ${NONE:-default}", ENVIRONMENT, used)
    assert used == {"db.test": "HOST"}


def test_bare_names_are_written_with_braces():
    assert shell_style("$A/${B}/$$C/x$") == "${A}/${B}/$$C/x$"


def fill(text: str, **rules):
    wrong: list[str] = []
    filler = Filler(ENVIRONMENT, lambda mark, _at, why, code: wrong.append(f"{mark} {code} {why}"), **rules)
    document = parse_document(text, Path("f.yaml"))
    return filler.fill(document.data, document.mark(())), wrong


def test_a_tree_is_filled_and_keeps_its_places():
    data, wrong = fill("a: ${HOST}\nb: [x, '${NONE:-1}']\n")
    assert (data, wrong) == ({"a": "db.test", "b": ["x", "1"]}, [])
    assert str(data["b"].marks[1]) == "f.yaml:2:8"


def test_keys_are_never_filled():
    assert fill("${HOST}: 1")[0] == {"${HOST}": 1}


def test_every_unset_variable_is_told_with_its_place():
    _, wrong = fill("a: ${X}\nb:\n  - ${Y}\n")
    assert [line.split(" ")[:2] for line in wrong] == [
        ["f.yaml:1:4", "UNSET_VARIABLE"],
        ["f.yaml:3:5", "UNSET_VARIABLE"],
    ]


def test_where_a_variable_may_wait_the_text_stays_as_it_was():
    data, wrong = fill("a: ${X}-${HOST}-$$\n", may_wait=lambda location: location == ("a",))
    assert (data, wrong) == ({"a": "${X}-${HOST}-$$"}, [])
    assert isinstance(data["a"], Unresolved)


def test_what_is_to_be_left_is_left():
    assert fill("contract: {pattern: '^$$x'}", leave=lambda at: at == ("contract",))[0] == {
        "contract": {"pattern": "^$$x"}
    }
