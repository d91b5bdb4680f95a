"""Requirements are resolved for the system of a function, and once."""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

import pytest

from dativo_dagster.functions import dependencies as module
from dativo_dagster.functions.dependencies import System, dependencies
from dativo_ingest.exceptions import ConfigurationError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_only_wheels_that_an_old_c_library_loads_are_asked_for() -> None:
    old, new = System("3.11", (2, 26)), System("3.12", (2, 34), "aarch64")
    assert old.platforms == ("manylinux_2_26_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
    assert new.platforms[0] == "manylinux_2_34_aarch64"
    assert "manylinux_2_28_aarch64" in new.platforms


def test_what_was_resolved_once_is_read_from_the_cache(cache: Path) -> None:
    system = System("3.12", (2, 34))
    kept = module.pack({"python/one.py": b"1"})
    # No such package is in any index: only the cache can answer.
    asked = ["-no-such-package"]
    with pytest.raises(ConfigurationError):
        dependencies(asked, system, "python/")
    (cache / "dativo" / "packages").mkdir(parents=True, exist_ok=True)
    module._keep(module._kept(asked, system, "python/"), kept.data)
    found = dependencies(asked, system, "python/")
    assert found.data == kept.data
    assert found.hash == dependencies(asked, system, "python/").hash
    assert found.unzipped == 1


def test_a_host_without_pip_is_told_which_python_lacks_it_and_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    with pytest.raises(ConfigurationError) as caught:
        dependencies(["one"], System("3.12", (2, 34)))
    assert caught.value.error_code == "REQUIREMENTS_UNRESOLVED"
    assert caught.value.message.startswith(f"{sys.executable} has no pip")
    assert "ensurepip" in caught.value.message


def test_what_no_wheel_fits_is_refused_with_the_words_of_pip() -> None:
    with pytest.raises(ConfigurationError, match=r"Python 3\.12 on x86_64 with glibc 2\.34") as caught:
        dependencies(["/no/such/file.whl"], System("3.12", (2, 34)))
    assert caught.value.error_code == "REQUIREMENTS_UNRESOLVED"


def wheel(folder: Path, name: str, *requires: str, content: str = "X = 1\n") -> Path:
    """Make a wheel of one module."""
    path, about = folder / f"{name}-1.0-py3-none-any.whl", f"{name}-1.0.dist-info"
    facts = [f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", *(f"Requires-Dist: {each}\n" for each in requires)]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", content)
        archive.writestr(f"{about}/METADATA", "".join(facts))
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return path


def test_a_local_wheel_is_packed_below_the_prefix(tmp_path: Path) -> None:
    first = dependencies([str(wheel(tmp_path, "tiny_part"))], System("3.12", (2, 34)), "python/")
    names = set(zipfile.ZipFile(io.BytesIO(first.data)).namelist())
    assert "python/tiny_part.py" in names
    assert not any(name.endswith("RECORD") for name in names)


def test_a_local_wheel_that_changed_is_packed_anew(tmp_path: Path) -> None:
    packed = [
        dependencies([str(wheel(tmp_path, "tiny_part", content=content))], System("3.12", (2, 34))).hash
        for content in ("X = 1\n", "X = 2\n")
    ]
    assert packed[0] != packed[1]


def test_conditions_of_requirements_are_held_against_the_python_of_the_function(tmp_path: Path) -> None:
    theirs = "3.12" if sys.version_info[:2] != (3, 12) else "3.13"
    for name in ("tiny_there", "tiny_here"):
        wheel(tmp_path, name)
    whole = wheel(
        tmp_path,
        "tiny_whole",
        f"tiny_there @ file://{tmp_path}/tiny_there-1.0-py3-none-any.whl ; python_version == '{theirs}'",
        f"tiny_here @ file://{tmp_path}/tiny_here-1.0-py3-none-any.whl ; python_version != '{theirs}'",
    )
    found = dependencies([str(whole)], System(theirs, (2, 34)))
    names = set(zipfile.ZipFile(io.BytesIO(found.data)).namelist())
    assert {name for name in names if name.endswith(".py")} == {"tiny_whole.py", "tiny_there.py"}
