"""Whether the process that a label names is gone: never said of one that lives, wherever it is asked."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dativo_dagster import owner
from dativo_dagster.owner import host_label, is_gone

WAIT = "import sys; from dativo_dagster.owner import host_label; print(host_label(), flush=True); sys.stdin.read()"
ASK = "import sys; from dativo_dagster.owner import host_label, is_gone; print(is_gone(sys.argv[1]), host_label())"


def ask(*around, label):
    """Give what another process says of a label, and its own label."""
    command = [*around, sys.executable, "-c", ASK, label]
    said, own = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return said, own


def test_a_process_that_lives_is_there_and_one_that_ended_is_gone():
    said, ended = ask(label=host_label())
    assert said == "False"
    assert is_gone(ended) is True


@pytest.mark.parametrize("label", ["", "a/b", "another/boot/1/2", "a/b/x/d"])
def test_of_another_machine_nothing_is_known(label):
    assert is_gone(label) is None


APART = ("unshare", "--pid", "--fork", "--mount-proc")


@pytest.fixture
def apart():
    """Give what starts a process with numbers of its own, as a container has them."""
    if subprocess.run([*APART, "true"], check=False, capture_output=True).returncode:
        pytest.skip("only root can give processes numbers of their own")
    return APART


def test_nor_of_what_is_outside_of_a_container(apart):
    said, _ = ask(*apart, label=host_label())
    assert said == "None"


def test_the_machine_knows_whether_a_process_of_its_containers_lives(apart, monkeypatch):
    outside = owner._namespace() == owner._OUTSIDE  # not where these tests run in a container themselves
    with subprocess.Popen([*apart, sys.executable, "-c", WAIT], text=True, stdin=-1, stdout=-1) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        inside = process.stdout.readline().strip()
        monkeypatch.setattr("socket.gethostname", lambda: "another-name")  # a container has one of its own
        assert is_gone(inside) is (False if outside else None)
        process.stdin.close()
    assert is_gone(inside) is (True if outside else None)
    monkeypatch.setattr(owner, "_namespace", lambda: 1)
    assert is_gone(inside) is None


def test_a_machine_that_got_another_name_ends_nobody(monkeypatch):
    label = host_label()
    monkeypatch.setattr("socket.gethostname", lambda: "another-name")
    assert is_gone(label) is not True


NAMED = """
import ctypes, sys
from dativo_dagster.owner import host_label
ctypes.CDLL(None).prctl(15, "é".encode()[:1], 0, 0, 0)
print(host_label(), flush=True)
sys.stdin.read()
"""  # PR_SET_NAME of prctl(2); Linux cuts names of 16 bytes and more, in the middle of a letter, too


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives processes such names")
def test_a_name_of_any_process_that_is_no_text_hides_nothing():
    with subprocess.Popen([sys.executable, "-c", NAMED], text=True, stdin=-1, stdout=-1) as process:
        assert process.stdout is not None
        label = process.stdout.readline().strip()
        assert is_gone(label) is False
        assert is_gone(f"other{label}") is not True
    assert is_gone(label) is True


def test_a_restart_of_the_machine_ends_all_of_it_and_says_nothing_of_a_container_of_the_same_name(monkeypatch):
    machine, _, number, start = host_label().split("/")
    monkeypatch.setattr(owner, "_OUTSIDE", owner._namespace())
    assert is_gone(f"{machine}/another/{number}/{start}") is True
    assert is_gone(f"other{machine}/another/{number}/{start}") is None
    monkeypatch.setattr(owner, "_OUTSIDE", -1)
    assert is_gone(f"{machine}/another/{number}/{start}") is None
