"""A call's words on stderr are heard, passed on, and found when the process dies of the call."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from dativo_dagster.launchers import process
from dativo_ingest.exceptions import PluginError
from dativo_ingest.model import PluginRef, Stream, Unit
from dativo_ingest.native.stderr import left_by
from tests.clibrary import ROOT, c_library

BEGINNING = """
import os, sys, time
from dativo_ingest.native.stderr import heard, own
own()
"""
PROGRAM = (
    BEGINNING
    + """
for text in ("first", "", "second"):
    with heard() as said:
        os.write(2, text.encode())
    print(repr(said.text), repr(said.why))
"""
)


def _run(program):
    child = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    out, err = child.communicate()
    return child, out, err


def test_each_call_has_its_own_words_and_they_arrive():
    child, out, err = _run(PROGRAM)
    assert out.splitlines() == [
        "'first' 'it printed: first'", "'' 'it printed nothing'", "'second' 'it printed: second'"
    ]  # fmt: skip
    assert err == "firstsecond"
    assert left_by(child.pid) == b""


def test_nobody_listens_in_a_process_that_is_not_the_plugins():
    _, out, err = _run(PROGRAM.replace("own()\n", ""))
    assert out.splitlines()[0] == "None 'such a library prints the reason on stderr'"
    assert err == "firstsecond"


def test_a_long_call_is_heard_while_it_lasts():
    program = BEGINNING + "with heard(): os.write(2, b'still here\\n'); time.sleep(30)"
    child = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stderr=subprocess.PIPE)
    assert child.stderr is not None
    with child.stderr as pipe:
        assert pipe.readline() == b"still here\n"
    child.kill()
    child.wait()
    left_by(child.pid)


def test_what_a_process_printed_before_it_died_is_found_once():
    program = BEGINNING + "with heard(): os.write(2, b'panicked'); os.abort()"
    child, _, err = _run(program)
    assert child.returncode == -signal.SIGABRT
    assert "panicked" not in err
    assert left_by(child.pid) == b"panicked"
    assert left_by(child.pid) == b""


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [("prints", "PLUGIN_READ_FAILED", "the disk went away"), ("aborts", "PLUGIN_CRASHED", "index out of bounds")],
)
def test_a_child_process_listens_and_its_host_finds_the_rest(fault, code, words):
    ref = PluginRef(path=str(c_library("old")), name="create_reader", kind="native")
    config = {"source": {"engine": {"options": {"fault": fault}}}, "stream": {"name": "rows"}}
    place = process.Launcher(process.Config())
    with place.reader(ref, config) as reader, pytest.raises(PluginError, match=words) as caught:
        list(reader.read(Stream(name="rows"), Unit(id="all")))
    assert caught.value.error_code == code
