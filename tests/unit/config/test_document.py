from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dativo_dagster.config.document import MAX_BYTES, MAX_DEPTH, MAX_NODES, Document, Map, parse_document, read_document
from dativo_ingest.exceptions import ConfigurationError

PATH = Path("f.yaml")


def parsed(text: str) -> Document:
    return parse_document(text, PATH)


def refused(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        parsed(text)
    assert caught.value.error_code == "BAD_YAML"
    return caught.value.message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("0o17", 15),
        ("017", 17),
        ("0x1F", 31),
        ("-3", -3),
        ("1_000", "1_000"),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("-.inf", float("-inf")),
        ("2024-01-31", "2024-01-31"),
        ("12:30:45", "12:30:45"),
        ('"12"', "12"),
        ("!!str 12", "12"),
        ("! 12", "12"),
        ("=", "="),
    ],
)
def test_scalars_are_read_as_yaml_1_2_has_them(text, value):
    assert parsed(f"key: {text}").data == {"key": value}


def test_nan_is_a_number():
    value = parsed("key: .NaN").data["key"]
    assert value != value  # noqa: PLR0124 - that is what NaN is


def test_keys_are_text_whatever_they_look_like():
    assert parsed("no: 1\n1: 2\nnull: 3").data == {"no": 1, "1": 2, "null": 3}


def test_every_key_and_value_knows_its_place():
    document = parsed("a: 1\nb:\n  - x\n  - {c: 2}\n")
    assert str(document.mark(("b", 1, "c"))) == "f.yaml:4:9"
    assert str(document.mark(("b", 1, "c"), key=True)) == "f.yaml:4:6"
    assert document.where(("b", 0)) == "f.yaml:3:5"


def test_what_is_missing_is_told_at_the_nearest_part_around_it():
    document = parsed("a:\n  b: 1\nc: [1]\n")
    assert document.where(("a", "x")) == "f.yaml:1:1"
    assert document.where(("c", 7)) == "f.yaml:3:4"
    assert document.where(("x",)) == "f.yaml:1:1"


def test_places_survive_a_merge_of_two_files():
    base = parse_document("a: {x: 1, y: 2}\nb: 3", Path("base.yaml")).data
    merged = Document(PATH, parsed("a: {y: 4}").data.over(base))
    assert merged.data == {"a": {"x": 1, "y": 4}, "b": 3}
    assert [str(merged.mark(at)) for at in (("a", "x"), ("a", "y"), ("b",))] == [
        "base.yaml:1:8",
        "f.yaml:1:8",
        "base.yaml:2:4",
    ]


def test_a_merge_goes_one_level_deep_and_leaves_both_sides_alone():
    base, job = parsed("a: {o: {x: 1, y: 2}}").data, parsed("a: {o: {y: 3}}").data
    assert job.over(base) == {"a": {"o": {"y": 3}}}
    assert base == {"a": {"o": {"x": 1, "y": 2}}}


def test_anchors_and_merge_keys_work():
    assert parsed("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: *a\nd: {<<: [*a, {z: 4}]}").data == {
        "a": {"x": 1, "y": 2},
        "b": {"x": 1, "y": 3},
        "c": {"x": 1, "y": 2},
        "d": {"x": 1, "y": 2, "z": 4},
    }


def test_an_empty_file_holds_nothing():
    assert parsed("# nothing\n").data is None


BILLION_LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 20)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a:\n\tb: 1", "f.yaml:2:1: a tab indents this line; use spaces"),
        ("a:\n  b: 1\n  \tc: 1", "f.yaml:3:3: a tab indents this line; use spaces"),
        ("a: 1\nb: 2\na: 3", "f.yaml:3:1: the key 'a' stands here again, first in line 1; remove one"),
        ("a: {b: 1, b: 2}", "f.yaml:1:11: the key 'b' stands here again, first in line 1; remove one"),
        (
            "a: [1\nb: 2",
            "f.yaml:2:2: this is not YAML: did not find expected ',' or ']' (while parsing a flow sequence)",
        ),
        ("a: b: c", "f.yaml:1:5: this is not YAML: mapping values are not allowed in this context"),
        ("a: 1\n---\nb: 1", "f.yaml:2:1: a second document starts here; put it into a file of its own"),
        ("a: &a [*a]", "f.yaml:1:8: *a stands inside what it names"),
        ("a: *b", "f.yaml:1:4: nothing before this is anchored as &b"),
        ("? [1]\n: 2", "f.yaml:1:3: a key is a word, not a list, a mapping or an alias"),
        ("a: {<<: 3}", "f.yaml:1:9: << takes a mapping or a list of mappings"),
        ("a: \x07", "f.yaml:1:4: the character U+0007 may not stand in YAML; remove it"),
        ("a: \ud800", "f.yaml:1:4: the character U+D800 may not stand in YAML; remove it"),
        (
            "a: !!python/object/apply:os.system [ls]",
            "f.yaml:1:4: the tag tag:yaml.org,2002:python/object/apply:os.system is not supported; leave it out",
        ),
        ("a: !!binary YQ==", "f.yaml:1:4: the tag tag:yaml.org,2002:binary is not supported; leave it out"),
        ("a: " + "1" * 5000, "f.yaml:1:4: a number of so many digits cannot be read; put it in quotes"),
        ("[" * 100_000, f"f.yaml:1:{MAX_DEPTH + 1}: nested deeper than {MAX_DEPTH} levels"),
        ("- " * 100_000, f"f.yaml:1:{2 * MAX_DEPTH + 1}: nested deeper than {MAX_DEPTH} levels"),
        (
            "a" * (MAX_BYTES + 1),
            "f.yaml:1:1: the text is longer than 1,000,000 characters; nothing we read is that long",
        ),
        (BILLION_LAUGHS, "f.yaml:5:35: more than 50,000 values, aliases unfolded; nothing we read has so many"),
    ],
)
@pytest.mark.timeout(60)
def test_what_is_no_yaml_of_ours_is_refused_with_its_place(text, message):
    assert refused(text) == message


def test_as_many_values_as_allowed_are_read():
    assert len(parsed("[" + "1," * (MAX_NODES - 1) + "]").data) == MAX_NODES - 1


def test_a_file_of_ten_megabytes_is_refused_unread(tmp_path):
    path = tmp_path / "big.yaml"
    path.write_text("a: [" + "x, " * 3_500_000 + "]")
    with pytest.raises(ConfigurationError, match=r"big.yaml:1:1: the file is larger than 1,000,000 bytes"):
        read_document(path)


def test_text_that_is_not_utf_8_is_refused_with_its_place(tmp_path):
    path = tmp_path / "latin.yaml"
    path.write_bytes("a: 1\nb: Zürich\n".encode("latin-1"))
    with pytest.raises(ConfigurationError, match=r"latin.yaml:2:5: byte 0xfc is not UTF-8; save the file as UTF-8"):
        read_document(path)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert str(read_document(path).mark(("a",), key=True)) == f"{path}:1:1"


@pytest.mark.parametrize("what", ["missing", "folder"])
def test_what_cannot_be_opened_is_told_by_name(tmp_path, what):
    path = tmp_path if what == "folder" else tmp_path / "none.yaml"
    with pytest.raises(ConfigurationError) as caught:
        read_document(path)
    assert caught.value.error_code == "NO_SUCH_FILE"
    assert str(path) in caught.value.message


@given(st.text())
def test_any_text_is_data_or_a_configuration_error(text):
    try:
        data = parsed(text).data
    except ConfigurationError as error:
        assert error.message.startswith("f.yaml:")
    else:
        assert isinstance(data, (Map, list, str, int, float, type(None)))


_text = st.text(
    st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=99
)  # libyaml joins no escaped surrogates
_plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_text, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(_text, _plain, max_size=5))
def test_json_is_yaml(data):
    assert parsed(json.dumps(data)).data == data
