"""Whether the process that a label names is gone: never said of one that lives, wherever it is asked."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dativo_dagster.owner import host_label, is_gone

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


def test_nor_of_a_container_that_has_the_name_of_its_machine():
    apart = ("unshare", "--pid", "--fork", "--mount-proc")
    if subprocess.run([*apart, "true"], check=False, capture_output=True).returncode:
        pytest.skip("only root can give processes numbers of their own")
    said, inside = ask(*apart, label=host_label())
    assert said == "None"
    assert is_gone(inside) is None
