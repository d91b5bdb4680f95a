"""The staging folder of a function: whole objects by name, and errors that say what to grant or to mend."""

from __future__ import annotations

import pytest

from dativo_ingest.exceptions import ConfigurationError, DativoError
from dativo_ingest.functions.store import Folder


def test_objects_come_and_go(tmp_path):
    folder = Folder(f"file://{tmp_path}/one/", {})
    assert folder.get("a") is None
    assert not folder.has("in/a")
    folder.put("in/a", b"rows")
    assert bytes(folder.get("in/a")) == b"rows"
    (tmp_path / "file").write_bytes(b"of the plugin")
    folder.put("out/day=1/ä b%20.parquet", tmp_path / "file")
    assert (tmp_path / "one" / "out" / "day=1" / "ä b%20.parquet").read_bytes() == b"of the plugin"
    folder.delete(["in/a", "in/gone"])
    assert not folder.has("in/a")


def test_a_folder_that_nobody_may_use_is_told(tmp_path):
    (tmp_path / "one").touch()
    with pytest.raises(DativoError, match="staging folder"):
        Folder(f"file://{tmp_path}/one/", {}).put("a", b"")


def test_another_kind_of_storage_is_refused():
    with pytest.raises(ConfigurationError, match="s3://, gs:// or file://"):
        Folder("ftp://somewhere/", {})
