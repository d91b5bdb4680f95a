"""Requirements are resolved for the system of a function, and once."""

from __future__ import annotations

import io
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


def test_what_no_wheel_fits_is_refused_with_the_words_of_pip() -> None:
    with pytest.raises(ConfigurationError, match=r"Python 3\.12 on x86_64 with glibc 2\.34") as caught:
        dependencies(["/no/such/file.whl"], System("3.12", (2, 34)))
    assert caught.value.error_code == "REQUIREMENTS_UNRESOLVED"


def test_a_local_wheel_is_packed_below_the_prefix(tmp_path: Path) -> None:
    wheel = tmp_path / "tiny_part-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny_part.py", "X = 1\n")
        archive.writestr("tiny_part-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-part\nVersion: 1.0\n")
        archive.writestr("tiny_part-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("tiny_part-1.0.dist-info/RECORD", "")
    first = dependencies([str(wheel)], System("3.12", (2, 34)), "python/")
    names = set(zipfile.ZipFile(io.BytesIO(first.data)).namelist())
    assert "python/tiny_part.py" in names
    assert not any(name.endswith("RECORD") for name in names)
