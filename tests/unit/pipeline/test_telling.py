"""What stands beside the message of an error."""

from __future__ import annotations

import re

import pytest

from dativo_dagster.pipeline.telling import advice, plugins_part, whole_traceback
from dativo_ingest.adapters.guard import guarded
from dativo_ingest.exceptions import PluginError, SandboxError
from dativo_ingest.loader import load_module
from dativo_ingest.model import PluginRef
from dativo_ingest.worker.errors import LONGEST_TEXT

BROKEN = """\
def ask():
    try:
        return {}["rows"]
    except KeyError as error:
        raise ValueError("no page") from error
"""
# As a container tells it, with and without a frame of the platform.
THEN = "\nThe above exception was the direct cause of the following exception:\n\n"
RAISED = 'Traceback (most recent call last):\n{}  File "/plugin/dativo_ingest/shop.py", line 3, in ask\n    call()\n'
OURS = '  File "/opt/dativo/dativo_ingest/worker/serving.py", line 93, in _answer\n    value = f()\n            ^^^\n'
OPENING = '  File "/opt/dativo/dativo_ingest/opening.py", line 63, in _python_reader\n    found = load_class(ref)\n'
MADE = f"Traceback (most recent call last):\n{OURS}{OPENING}dativo_ingest.exceptions.PluginError: PLUGIN_FAILED\n"


def test_of_what_a_place_tells_only_the_lines_of_the_plugin_are_left():
    first, second = f"{RAISED}KeyError: 'rows'\n", f"{RAISED}ValueError: no page\n"
    told = first.format(OURS) + THEN + second.format("") + THEN + MADE
    assert plugins_part(told) == (first.format("") + THEN + second.format("")).strip()
    assert plugins_part(MADE) == plugins_part("") == ""
    error = PluginError("no page", "PLUGIN_FAILED", {"remote_traceback": told})
    assert whole_traceback(error) == told


def test_of_a_plugin_in_this_process_the_error_that_it_raised_is_told(tmp_path):
    ref = PluginRef(path=str(tmp_path / "shop.py"), name="ask")
    (tmp_path / "shop.py").write_text(BROKEN)
    module = load_module(ref)
    with pytest.raises(PluginError) as caught, guarded(ref, "read"):
        module.ask()
    told = plugins_part(whole_traceback(caught.value))
    assert told.startswith("Traceback (most recent call last):\n")
    assert "KeyError: 'rows'" in told
    assert told.endswith("ValueError: no page")
    assert "guard.py" not in told


def test_of_a_long_traceback_the_middle_is_left_out_wherever_the_plugin_ran(tmp_path):
    page = "no page " * 10_000
    with pytest.raises(PluginError) as caught, guarded(PluginRef(path=str(tmp_path / "shop.py"), name="ask"), "read"):
        raise ValueError(page) from KeyError("rows")
    told = whole_traceback(caught.value)
    assert told.startswith("KeyError: 'rows'\n")
    assert told.endswith("no page \n")
    [left] = re.findall(r"\n\.\.\. ([\d,]+) characters are left out \.\.\.\n", told)
    assert len(page) - LONGEST_TEXT < int(left.replace(",", "")) < len(page)
    assert len(told) < LONGEST_TEXT + 100


def test_of_an_error_of_ours_no_traceback_is_told_as_if_it_were_the_plugins():
    error = SandboxError("it died", "PLUGIN_CRASHED")
    error.__cause__ = EOFError("its pipe ended")
    assert whole_traceback(error) == ""


def test_what_the_message_says_is_not_advised_again():
    todo = advice("PLUGIN_OUT_OF_MEMORY", "it died")
    assert todo
    assert advice("PLUGIN_OUT_OF_MEMORY", f"it died. {todo}") == ""
    assert advice("NO_SUCH_CODE", "it died") == ""
