"""The host reads no more from a staging folder than it takes."""

from __future__ import annotations

import pytest

from dativo_dagster.functions.staging import Staging
from dativo_ingest.exceptions import PluginError


def test_an_object_that_is_too_large_is_not_read(tmp_path):
    folder = Staging(url=f"file://{tmp_path}").folder({"tenant": "t"})
    folder.put("result.json", b"12345")
    assert folder.get("result.json", 5) == b"12345"
    with pytest.raises(PluginError, match="5 bytes there, and 4 are taken at most"):
        folder.get("result.json", 4)
