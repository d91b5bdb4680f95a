"""What a package for a function holds, and that its bytes tell its content."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import pytest

from dativo_dagster.functions.package import Package, check_unzipped, inside, pack, plugin_package
from dativo_ingest.exceptions import ConfigurationError
from dativo_ingest.loader.packing import sdk_files
from dativo_ingest.model import PluginRef


def names(package: Package) -> set[str]:
    return set(zipfile.ZipFile(io.BytesIO(package.data)).namelist())


def test_the_same_files_give_the_same_bytes_whenever_and_in_whatever_order(tmp_path: Path) -> None:
    plugin = tmp_path / "orders.py"
    plugin.write_text("class Orders: ...\n")
    ref = PluginRef(path=str(plugin), name="Orders")
    first = plugin_package(ref, {"main.py": b"1"})
    os.utime(plugin, (1e9, 1e9))
    assert plugin_package(ref, {"main.py": b"1"}).data == first.data
    assert pack({"a": b"1", "b": b"2"}).hash == pack({"b": b"2", "a": b"1"}).hash


def test_other_files_give_another_hash(tmp_path: Path) -> None:
    plugin = tmp_path / "orders.py"
    plugin.write_text("class Orders: ...\n")
    ref = PluginRef(path=str(plugin), name="Orders")
    first = plugin_package(ref, {}).hash
    plugin.write_text("class Orders: pass\n")
    assert plugin_package(ref, {}).hash != first


def test_another_sdk_gives_another_hash_so_that_a_function_has_that_of_its_host(tmp_path: Path) -> None:
    (tmp_path / "orders.py").write_text("class Orders: ...\n")
    sdk = sdk_files()
    assert set(sdk) <= names(plugin_package(PluginRef(path=str(tmp_path / "orders.py"), name="Orders"), {}))
    changed = {**sdk, "dativo_ingest/functions/handling.py": b"PROTOCOL = 3\n"}
    assert pack(changed).hash != pack(sdk).hash


def test_a_plugin_takes_along_what_it_imports_from_beside_itself_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "orders.py").write_text("import helper\nfrom parts import dates\nclass Orders: ...\n")
    (tmp_path / "helper.py").write_text("")
    (tmp_path / "secrets.env").write_text("KEY=1")
    (tmp_path / "other.py").write_text("")
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "__init__.py").write_text("")
    (tmp_path / "parts" / "dates.py").write_text("")
    found = names(plugin_package(PluginRef(path=str(tmp_path / "orders.py"), name="Orders"), {"main.py": b""}))
    mine = {name for name in found if not name.startswith("dativo_ingest/")}
    beside = {"helper.py", "orders.py", "parts/__init__.py", "parts/dates.py"}
    assert mine == {"main.py"} | {f"plugin/{name}" for name in beside}
    assert "dativo_ingest/protocols.py" in found
    assert not any("__pycache__" in name for name in found)


def test_a_library_goes_as_it_is_and_the_bootstrap_may_be_started(tmp_path: Path) -> None:
    library = tmp_path / "liborders.so"
    library.write_bytes(b"\x7fELF")
    ref = PluginRef(path=str(library), name="create_reader", kind="native")
    package = plugin_package(ref, {"bootstrap": b"#!"})
    with zipfile.ZipFile(io.BytesIO(package.data)) as archive:
        assert archive.read(inside(ref)) == b"\x7fELF"
        assert archive.getinfo("bootstrap").external_attr >> 16 == 0o100755
        assert archive.getinfo(inside(ref)).external_attr >> 16 == 0o100644


def test_what_does_not_fit_is_refused_with_the_size_of_each_part() -> None:
    check_unzipped({"plugin": 100, "requirements": 100}, 200)
    with pytest.raises(ConfigurationError, match=r"plugin 1 MB, requirements 200 MB") as caught:
        check_unzipped({"plugin": 1_000_000, "requirements": 200_000_000}, 200_000_000)
    assert caught.value.error_code == "PACKAGE_TOO_LARGE"
