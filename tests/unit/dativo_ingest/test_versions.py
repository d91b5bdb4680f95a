from __future__ import annotations

import warnings

import pytest

from dativo_ingest import versions
from dativo_ingest.exceptions import PluginVersionError


@pytest.mark.parametrize(
    ("version", "requirement", "fits"),
    [
        ("1.2.0", ">=1.0,<2", True),
        ("2.0.0", ">=1.0,<2", False),
        ("2.0.0rc1", "<2", False),
        ("2.0.0rc1", ">=2.0.0rc1", True),
        ("2.0.0rc1", ">=2", False),
        ("1.10", ">1.9", True),
        ("1.0", "==1.0.0", True),
        ("1.0.0", "1", True),
        ("1.0.1", "1.0", False),
        ("1.2.5", "~=1.2.3", True),
        ("1.3.0", "~=1.2.3", False),
        ("1.9", "~=1.2", True),
        ("2.0", "~=1.2", False),
        ("1.9", "^1.2", True),
        ("2.0", "^1.2", False),
        ("0.3.0", "^0.2.1", False),
        ("0.2.9", "^0.2.1", True),
        ("1.2", "!=1.2", False),
        ("1.2", "<=1.2 , >= 1.2", True),
        ("1.2.0+local", ">=1.2", True),
        ("9.9", "", True),
    ],
)
def test_a_version_lies_in_a_range_or_not(version, requirement, fits):
    assert versions.satisfies(version, requirement) is fits


@pytest.mark.parametrize("text", ["", "one", "1.x", ">=1", "1..2"])
def test_what_is_no_version_is_told(text):
    with pytest.raises(ValueError, match="is no version"):
        versions.parse(text)


def test_the_error_names_both_sides_and_the_plugin():
    with pytest.raises(PluginVersionError) as caught:
        versions.check_requirement("plugin /x/a.py:A", ">=2", "1.2.0")
    error = caught.value
    assert error.error_code == "PLUGIN_VERSION_INCOMPATIBLE"
    assert (error.plugin_version, error.required_version) == ("1.2.0", ">=2")
    for said in ("/x/a.py:A", ">=2", "1.2.0"):
        assert said in error.message


@pytest.mark.parametrize("requirement", ["nonsense", "=>1", 5, ">=1,x"])
def test_a_malformed_range_is_the_plugins_mistake(requirement):
    with pytest.raises(PluginVersionError, match="is no range"):
        versions.check_requirement("p", requirement, "1.2.0")


def test_no_range_and_no_declaration_mean_any_version():
    versions.check_requirement("p", None, "9.0")


def test_deprecated_use_warns_once_and_says_what_to_use():
    with pytest.warns(DeprecationWarning, match="use this"):
        versions.deprecated("that thing", "this")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        versions.deprecated("that thing", "this")
