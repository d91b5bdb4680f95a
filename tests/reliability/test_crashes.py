"""kill -9 at every step of a run, for every mode and target: one more run, and every row is there once."""

from __future__ import annotations

import signal

import pytest

from tests.reliability import child
from tests.reliability.deliveries import EVERYWHERE, MODES, Desk, modes_of
from tests.reliability.extent import FULL

STEPS = [name for name in child.STEPS if name != "never"]
AROUND_THE_COMMIT = ("before commit", "inside commit, before the answer", "inside commit, after the answer")


def cells():
    """Give every step of every mode and target; in small one mode a step, and beside Iceberg only some steps."""
    for target, marks in EVERYWHERE.items():
        modes = modes_of(target)
        for row, step in enumerate(STEPS):
            if child.STEPS[step].only not in {"", target}:
                continue
            if not (FULL or target == "iceberg" or child.STEPS[step].only or step in AROUND_THE_COMMIT):
                continue
            for mode in modes if FULL else [modes[row % len(modes)]]:
                yield pytest.param(target, mode, step, marks=marks)


@pytest.mark.parametrize(("target", "mode", "step"), list(cells()))
def test_a_run_killed_at_any_step_is_repeated_without_a_lost_or_doubled_row(target, mode, step, tmp_path, target_named):
    desk = Desk(tmp_path, MODES[mode], target_named(target))
    desk.lay_out()
    _, first = child.run(tmp_path)
    assert first["status"] == "committed", first["error"]
    assert desk.lying().rows == desk.mode.before
    desk.deliver(2)

    landed = child.STEPS[step].visible
    assert child.run(tmp_path, step)[0] == -signal.SIGKILL, "the step was never reached"
    assert desk.lying().rows == (desk.mode.after if landed else desk.mode.before), "half a commit is visible"

    code, result = child.run(tmp_path)
    lying = desk.lying()
    assert code == 0
    assert result["status"] in ({"already_committed", "nothing_new"} if landed else {"committed"}), result["error"]
    assert lying.rows == desk.mode.after
    assert len(lying.tokens) == len(set(lying.tokens)) == 2

    garbage = child.collect(tmp_path)
    assert set(garbage) == lying.orphans
    assert desk.lying().orphans == frozenset()
    assert desk.lying().rows == desk.mode.after
