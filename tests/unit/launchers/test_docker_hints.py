"""An error that a plugin raises for want of something that its container has not says what gives it that."""

from __future__ import annotations

import pytest

from dativo_dagster.launchers.docker.config import Config
from dativo_dagster.launchers.docker.hints import hint
from dativo_ingest.exceptions import PluginError
from dativo_ingest.worker.errors import TRACEBACK

LOST = "socket.gaierror: [Errno -3] Temporary failure in name resolution"


@pytest.mark.parametrize(
    ("error", "place", "said"),
    [
        (PluginError("it failed", "PLUGIN_FAILED", {TRACEBACK: LOST}), {}, "network: bridge"),
        (PluginError("OSError: [Errno 101] Network is unreachable", "PLUGIN_FAILED"), {}, "network: bridge"),
        (PluginError("it failed", "PLUGIN_FAILED", {TRACEBACK: LOST}), {"network": "bridge"}, None),
        (PluginError("ModuleNotFoundError: No module named 'x'", "PLUGIN_FAILED"), {}, "`requirements` of the place"),
        (PluginError("ValueError: 3", "PLUGIN_FAILED"), {}, None),
    ],
)
def test_what_the_container_has_not_is_said(error, place, said):
    told = hint(error, Config(**place))
    assert said in told if said else told == ""
