from __future__ import annotations

from pathlib import Path

import pytest

from dativo_dagster.config.paths import resolve_path


@pytest.fixture
def base(tmp_path, monkeypatch) -> Path:
    (tmp_path / "here").mkdir()
    (tmp_path / "job").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "job"


def test_what_exists_in_the_working_directory_is_meant(base):
    Path("a.csv").touch()
    (base / "a.csv").touch()
    assert resolve_path("a.csv", base) == Path("a.csv")


def test_else_what_stands_beside_the_file_is_meant(base):
    assert resolve_path("a.csv", base) == base / "a.csv"


def test_a_glob_exists_where_it_matches(base):
    (base / "a.csv").touch()
    assert resolve_path("*.csv", base) == base / "*.csv"
    Path("b.csv").touch()
    assert resolve_path("*.csv", base) == Path("*.csv")


def test_an_absolute_path_is_what_it_says(base, tmp_path):
    assert resolve_path(str(tmp_path / "x"), base) == tmp_path / "x"


@pytest.mark.parametrize("text", ["a\0b", "x" * 5000, "~nobody/x", "**x/[", "."])
def test_no_text_breaks_it(base, text):
    assert isinstance(resolve_path(text, base), Path)
