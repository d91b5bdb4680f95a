"""What is said of an image that cannot be built: the words of the step that failed, and nothing around them."""

from __future__ import annotations

import pytest

from dativo_dagster.launchers.docker.image import _last_words

BEFORE = [
    "Step 1/2 : FROM ${BASE}\n",
    " ---> fd20ed4325c8\n",
    "Step 2/2 : RUN pip install x\n",
    " ---> Running in 99ed7f\n",
]
COMMAND = "The command '/bin/sh -c pip install x' returned a non-zero code: 1"


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        (["\x1b[91mERROR: no x\n", "\x1b[0m", "Removing intermediate container 99ed7f\n"], "ERROR: no x"),
        (["".join(f"{n}\n" for n in range(40))], "\n".join(str(n) for n in range(25, 40))),
    ],
)
def test_the_words_of_the_step_that_failed_are_told(printed, said):
    assert _last_words([*({"stream": text} for text in BEFORE + printed), {"error": COMMAND}]) == said


def test_a_step_that_said_nothing_is_told_with_its_command():
    assert COMMAND in _last_words([*({"stream": text} for text in BEFORE), {"error": COMMAND}])
