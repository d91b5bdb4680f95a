"""A path becomes a loaded library, or an error that says what is wrong with it."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
import threading

import pytest

from dativo_ingest import native
from dativo_ingest.exceptions import PluginError, PluginVersionError
from dativo_ingest.native.library import NativeLibrary
from dativo_ingest.native_json import JsonLibrary
from tests.clibrary import c_library


def test_a_library_is_loaded_once_whatever_name_leads_to_it(tmp_path):
    library = native.load_library(c_library("v1"))
    (tmp_path / "other.so").symlink_to(c_library("v1"))
    assert isinstance(library, NativeLibrary)
    assert native.load_library(str(c_library("v1"))) is library
    assert native.load_library(tmp_path / "other.so") is library


def test_threads_that_load_one_library_at_once_get_the_same(tmp_path):
    path = shutil.copy(c_library("v1"), tmp_path / "libv1.so")
    found: list[native.Library] = []
    threads = [threading.Thread(target=lambda: found.append(native.load_library(path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(map(id, found))) == 1


def test_a_library_that_was_built_again_is_loaded_again_and_the_first_goes_on(tmp_path):
    path = shutil.copy(c_library("v1"), tmp_path / "libv1.so")
    before = native.load_library(path)
    shutil.copy(c_library("v1", "NO_SPEC"), tmp_path / "new.so").replace(path)
    after = native.load_library(path)
    assert after.spec() == {}
    assert native.load_library(path) is after
    assert before.spec()["name"] == "numbers"


def test_v1_is_asked_for_before_the_older_abi():
    assert isinstance(native.load_library(c_library("old")), JsonLibrary)
    assert native.load_library(c_library("v1")).spec()["version"] == "1.0.0"
    assert native.load_library(c_library("old")).spec() == {}


def test_a_library_that_is_no_plugin_is_told_which_symbols_make_one(tmp_path):
    (tmp_path / "a.c").write_text("int answer(void) { return 42; }")
    subprocess.run(["cc", "-shared", "-fPIC", tmp_path / "a.c", "-o", tmp_path / "liba.so"], check=True)
    with pytest.raises(PluginError, match="dativo_plugin_init, extract_batch, write_batch") as caught:
        native.load_library(tmp_path / "liba.so")
    assert caught.value.error_code == "NOT_A_PLUGIN"


def _elf(path, machine: int, bits: int = 2):
    path.write_bytes(b"\x7fELF" + bytes([bits, 1, 1]) + bytes(9) + struct.pack("<HHI", 3, machine, 1) + bytes(40))


CANNOT = {
    "missing": (lambda path: None, "No such file"),
    "a folder": (lambda path: path.mkdir(), "not a file"),
    "text": (lambda path: path.write_text("#!/bin/sh\n"), "no library"),
    "empty": (lambda path: path.touch(), "no library"),
    "a header": (lambda path: path.write_bytes(c_library("v1").read_bytes()[:40]), "no library"),
    "cut short": (lambda path: path.write_bytes(c_library("v1").read_bytes()[:3000]), "cut short"),
    "cut a little": (lambda path: path.write_bytes(c_library("v1").read_bytes()[:-1]), "cut short"),
    "another machine": (lambda path: _elf(path, 183), "built for 64 bit aarch64"),
    "an unknown machine": (lambda path: _elf(path, 4242), "built for 64 bit machine 4242"),
    "32 bits": (lambda path: _elf(path, 3, 1), "built for 32 bit x86"),
}


@pytest.mark.skipif(sys.platform != "linux" or os.uname().machine != "x86_64", reason="names of x86-64 Linux")
@pytest.mark.parametrize("what", CANNOT)
def test_what_cannot_be_loaded_says_why(what, tmp_path):
    make, why = CANNOT[what]
    path = tmp_path / "libbad.so"
    make(path)
    with pytest.raises(PluginError, match=why) as caught:
        native.load_library(path)
    assert caught.value.error_code == "PLUGIN_LOAD_FAILED"
    assert str(path) in caught.value.message
    assert not caught.value.retryable


def test_a_library_without_the_one_it_needs_names_that(tmp_path):
    for name, text in {
        "needed": "int needed(void) { return 1; }",
        "needs": "int needed(void); int f(void) { return needed(); }",
    }.items():
        (tmp_path / f"{name}.c").write_text(text)
        more = ["-L", tmp_path, "-lneeded"] if name == "needs" else []
        subprocess.run(
            ["cc", "-shared", "-fPIC", tmp_path / f"{name}.c", "-o", tmp_path / f"lib{name}.so", *more], check=True
        )
    (tmp_path / "libneeded.so").unlink()
    with pytest.raises(PluginError, match=r"a library that it needs is missing .*libneeded\.so"):
        native.load_library(tmp_path / "libneeds.so")


def test_a_library_with_an_unknown_symbol_names_it(tmp_path):
    (tmp_path / "a.c").write_text("int nowhere(void); int f(void) { return nowhere(); }")
    subprocess.run(["cc", "-shared", "-fPIC", tmp_path / "a.c", "-o", tmp_path / "liba.so"], check=True)
    with pytest.raises(PluginError, match="nowhere"):
        native.load_library(tmp_path / "liba.so")


@pytest.mark.parametrize("define", ["VERSION=2", "VERSION=0", "INIT_STATUS=3"])
def test_another_version_is_refused_and_both_are_named(define):
    with pytest.raises(PluginVersionError, match="versions 1 to 1") as caught:
        native.load_library(c_library("v1", define))
    assert caught.value.required_version == "1"


@pytest.mark.parametrize("size", [0, 8, 47, 81, 88, 2**40, 2**63])
def test_a_table_of_a_size_that_makes_no_sense_is_refused(size):
    with pytest.raises(PluginError, match="bytes") as caught:
        native.load_library(c_library("v1", f"TABLE_SIZE={size}ULL"))
    assert caught.value.error_code == "PLUGIN_BAD_ANSWER"


def test_a_table_that_ends_behind_release_is_a_table():
    assert (
        native.load_library(c_library("v1", "TABLE_SIZE=offsetof(DativoPlugin,reserved)")).spec()["name"] == "numbers"
    )


def test_a_library_that_opens_nothing_is_refused():
    with pytest.raises(PluginError, match="no `open`"):
        native.load_library(c_library("v1", "NO_OPEN"))


def test_what_a_library_says_while_it_starts_is_its_error():
    with pytest.raises(Exception, match="no licence") as caught:
        native.load_library(c_library("v1", "INIT_STATUS=1"))
    assert caught.value.error_code == "CONFIGURATION_ERROR"
    assert "dativo_plugin_init" in caught.value.message


def test_a_status_that_there_is_not_is_refused():
    with pytest.raises(PluginError, match="status 9"):
        native.load_library(c_library("v1", "INIT_STATUS=9"))


@pytest.mark.parametrize(("role", "name"), [("reader", "create_writer"), ("writer", "reader"), ("reader", "Create")])
def test_a_name_that_does_not_fit_the_role_names_those_that_do(role, name):
    library = native.load_library(c_library("v1"))
    with pytest.raises(Exception, match=f"create_{role} or .*:{role}") as caught, getattr(library, role)(name, {}):
        pass
    assert caught.value.error_code == "WRONG_ROLE"
