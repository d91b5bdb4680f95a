from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dativo_ingest.exceptions import ConfigurationError
from dativo_ingest.loader import plugin_ref


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    (tmp_path / "jobs").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


def _code(text, base):
    with pytest.raises(ConfigurationError) as caught:
        plugin_ref(text, base)
    return caught.value


def test_a_relative_path_starts_at_the_working_directory_and_else_at_the_job(folder):
    (folder / "jobs" / "a.py").touch()
    assert plugin_ref("a.py:A", folder / "jobs").path == str(folder / "jobs" / "a.py")
    (folder / "work" / "a.py").touch()
    found = plugin_ref("a.py:A", folder / "jobs")
    assert (found.path, found.name, found.kind) == (str(folder / "work" / "a.py"), "A", "python")


def test_nothing_of_the_plugin_runs_when_it_is_found(folder):
    (folder / "work" / "a.py").write_text("raise SystemExit('ran')")
    assert plugin_ref("a.py:A", folder).name == "A"


def test_the_last_colon_parts_the_path_from_the_name(folder):
    (folder / "work" / "a:b.py").touch()
    assert plugin_ref("a:b.py:A", folder).path.endswith("a:b.py")


def test_a_link_keeps_its_own_folder_where_its_siblings_are(folder):
    (folder / "jobs" / "real.py").touch()
    (folder / "work" / "link.py").symlink_to(folder / "jobs" / "real.py")
    assert plugin_ref("link.py:A", folder).path == str(folder / "work" / "link.py")


@pytest.mark.parametrize("there", ["libx.so", "libx.dylib", "libx.dll"])
def test_a_library_is_found_under_the_suffix_of_this_system(folder, there):
    (folder / "jobs" / there).touch()
    found = plugin_ref("libx.so:create_reader", folder / "jobs")
    assert (found.path, found.kind) == (str(folder / "jobs" / there), "native")


@pytest.mark.parametrize("text", ["a.py", ":A", "a.py:", "a.txt:A", "a:A", "native:"])
def test_a_text_of_another_form_says_which_form_there_is(folder, text):
    error = _code(text, folder)
    assert error.error_code == "BAD_PLUGIN"
    assert ".py" in error.message


def test_a_missing_file_says_where_it_was_looked_for(folder):
    error = _code("x/a.py:A", folder / "jobs")
    assert error.error_code == "PLUGIN_NOT_FOUND"
    assert str(folder / "work" / "x") in error.message
    assert str(folder / "jobs" / "x") in error.message


def test_a_place_that_was_looked_in_is_named_once(folder):
    assert _code("x/a.py:A", Path()).message.endswith(f"there is no a.py in {folder / 'work' / 'x'}")


def test_a_missing_library_says_that_it_must_be_built(folder):
    assert "cargo build" in _code("libx.so:create_reader", folder).message


def test_a_missing_library_may_lie_where_cargo_was_told_to_build(folder, monkeypatch):
    monkeypatch.setenv("CARGO_TARGET_DIR", "/builds")
    message = _code("target/release/libx.so:create_reader", folder).message
    assert message.endswith("builds into /builds as CARGO_TARGET_DIR says")


def test_a_folder_is_no_plugin(folder):
    (folder / "work" / "a.py").mkdir()
    assert "folder" in _code("a.py:A", folder).message


def test_a_library_of_ours_is_found_where_the_environment_says(folder, monkeypatch):
    (folder / "libcsv_reader.so").touch()
    monkeypatch.setenv("DATIVO_NATIVE", str(folder))
    found = plugin_ref("native:csv-reader", folder)
    assert (found.path, found.name, found.kind) == (str(folder / "libcsv_reader.so"), "csv-reader", "native")


def test_a_library_of_ours_that_is_not_built_says_how_to_build_it(folder, monkeypatch):
    monkeypatch.delenv("DATIVO_NATIVE", raising=False)
    error = _code("native:no_such_reader", folder)
    assert error.error_code == "PLUGIN_NOT_FOUND"
    assert "make rust" in error.message


def test_a_folder_of_the_environment_without_the_library_is_named_with_what_it_has(folder, monkeypatch):
    (folder / "libother.so").touch()
    monkeypatch.setenv("DATIVO_NATIVE", str(folder))
    error = _code("native:csv_reader", folder)
    assert error.error_code == "PLUGIN_NOT_FOUND"
    assert f"(here are: other); looked in {folder}, as DATIVO_NATIVE says" in error.message
    assert "make rust" not in error.message


def test_without_the_platform_no_library_of_ours_is_here(folder, monkeypatch):
    monkeypatch.delenv("DATIVO_NATIVE", raising=False)
    monkeypatch.setitem(sys.modules, "dativo_dagster", None)  # as if it were not there
    assert "platform is not installed" in _code("native:csv_reader", folder).message
