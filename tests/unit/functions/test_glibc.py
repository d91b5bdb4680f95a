"""What a library needs of the system that loads it, read from real libraries."""

import platform
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from dativo_dagster.functions.glibc import AL2, AL2023, UBUNTU_22, UBUNTU_24, Needs, check, glibc_of, needs
from dativo_ingest.exceptions import ConfigurationError
from tests.clibrary import c_library
from tests.native import native_library, native_program

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="libraries of Linux are looked at")

HERE = platform.machine()
OTHER = {"x86_64": "aarch64", "aarch64": "x86_64"}[HERE] if HERE in {"x86_64", "aarch64"} else "x86_64"


@pytest.fixture
def ours():
    """The program that asks: any Linux has it."""
    return Path(sys.executable).resolve()


@pytest.mark.parametrize(
    ("runtime", "glibc"),
    [
        ("provided.al2", AL2),
        ("provided.al2023", AL2023),
        ("python3.10", AL2),
        ("python3.11", AL2),
        ("python3.12", AL2023),
        ("python3.13", AL2023),
        ("python310", UBUNTU_22),
        ("python313", UBUNTU_22),
        ("python314", UBUNTU_24),
    ],
)
def test_each_runtime_has_its_glibc(runtime, glibc):
    assert glibc_of(runtime) == glibc


def test_an_unknown_runtime_is_refused():
    with pytest.raises(ConfigurationError, match="nodejs20") as refused:
        glibc_of("nodejs20.x")
    assert refused.value.error_code == "UNKNOWN_RUNTIME"


@pytest.mark.rust
@pytest.mark.parametrize("runtime", ["provided.al2", "provided.al2023"])
def test_what_is_built_here_runs_on_each_of_amazons_systems(runtime):
    for built in (native_program("lambda_bootstrap"), native_library("csv_reader"), native_library("parquet_writer")):
        check(built, runtime, HERE)
        assert needs(built).machine == HERE


def test_a_library_for_a_newer_glibc_is_refused_where_it_is_older():
    library = c_library("v1", "NEW_GLIBC")
    check(library, "provided.al2023", HERE)
    with pytest.raises(ConfigurationError, match=r"zigbuild.*-gnu\.2\.26") as refused:
        check(library, "provided.al2", HERE)
    assert refused.value.error_code == "GLIBC_TOO_NEW"
    assert refused.value.details["needs"] == "2.34"


@pytest.mark.skipif(shutil.which("objdump") is None, reason="the other opinion is objdump's")
def test_the_highest_version_is_the_one_that_objdump_finds(ours):
    listed = subprocess.run(["objdump", "-T", ours], capture_output=True, text=True, check=True).stdout
    versions = [word.split("GLIBC_")[1].rstrip(")") for word in listed.split() if "GLIBC_" in word]
    highest = max(tuple(map(int, version.split(".")[:2])) for version in versions if version[0].isdigit())
    assert needs(ours) == Needs(HERE, highest)


def test_a_library_of_another_machine_is_refused(ours):
    with pytest.raises(ConfigurationError, match=f"built for {HERE} and the function is {OTHER}") as refused:
        check(ours, "provided.al2023", "arm64" if OTHER == "aarch64" else OTHER)
    assert refused.value.error_code == "WRONG_MACHINE"


@pytest.mark.parametrize("size", [0, 20, 4000])
def test_what_is_no_library_or_cut_short_is_refused(size, ours, tmp_path):
    cut = tmp_path / "libx.so"
    cut.write_bytes(ours.read_bytes()[:size])
    with pytest.raises(ConfigurationError, match=r"libx\.so is no library") as refused:
        needs(cut)
    assert refused.value.error_code == "LIBRARY_UNREADABLE"


def test_what_is_damaged_inside_is_refused_and_holds_nobody_up(ours, tmp_path):
    whole, damaged = ours.read_bytes(), tmp_path / "libx.so"
    start, size, count = struct.unpack_from("<40xQ10xHH", whole)
    sections = range(start, start + size * count, size)
    [needed] = [at for at in sections if struct.unpack_from("<4xI", whole, at) == (0x6FFFFFFE,)]
    names = sections[struct.unpack_from("<40xI", whole, needed)[0]]
    for at, wrong in ((needed + 24, b"\xff" * 8), (names + 24, b"\0\0\0\0\0\xff\0\0")):  # where they are
        damaged.write_bytes(whole[:at] + wrong + whole[at + 8 :])
        with pytest.raises(ConfigurationError, match=r"libx\.so is no library"):
            needs(damaged)
    damaged.write_bytes(whole[: needed + 44] + b"\xff" * 4 + whole[needed + 48 :])  # how many there are
    assert needs(damaged) == needs(ours)
