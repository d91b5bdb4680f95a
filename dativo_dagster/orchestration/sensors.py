"""What is watched without a run: the connections of a tenant, and job files that cannot be loaded."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import dagster as dg

from dativo_dagster.orchestration.connections import Connection, check_all, refusal
from dativo_dagster.orchestration.events import check_evaluation
from dativo_dagster.orchestration.naming import joined
from dativo_ingest.exceptions import ConnectionError as Unreachable
from dativo_ingest.exceptions import wrap_exception

if TYPE_CHECKING:
    from dativo_dagster.orchestration.broken import Broken
    from dativo_ingest.model import CheckResult

INTERVAL_SECONDS = 300
TICK_SECONDS = 40.0
"""Dagster ends a tick after 60 s; what is left over is checked at the next one."""
CHECK_SECONDS = 10.0
AT_ONCE = 8
REPEAT_SECONDS = 6 * 3600.0
"""An unchanged outcome is reported again after this long: the event log keeps every one for good."""


@dataclass
class Memory:
    """What a sensor knows from its last ticks: where to go on, and what it last reported of each key."""

    after: str = ""
    reported: dict[str, tuple[str, float]] = field(default_factory=dict)

    @classmethod
    def loads(cls, cursor: str | None) -> Memory:
        """Read a cursor."""
        data = json.loads(cursor or "{}")
        return cls(after=data.get("after", ""), reported={k: (v[0], v[1]) for k, v in data.get("reported", {}).items()})

    def dumps(self) -> str:
        """Give the cursor."""
        return json.dumps({"after": self.after, "reported": self.reported})

    def ordered(self, keys: Sequence[str]) -> list[str]:
        """Give the keys in the order of this tick: first those that the last one did not come to."""
        known = sorted(keys)
        return [k for k in known if k > self.after] + [k for k in known if k <= self.after]

    def is_news(self, key: str, outcome: CheckResult, now: float) -> bool:
        """Say whether an outcome is to be reported, and remember that it was."""
        digest = hashlib.sha256(outcome.dumps().encode()).hexdigest()[:12]
        last, at = self.reported.get(key, ("", 0.0))
        if digest == last and now - at < REPEAT_SECONDS:
            return False
        self.reported[key] = (digest, now)
        return True


def connection_sensor(tenant: str, sources: Mapping[dg.AssetKey, Sequence[Connection]]) -> dg.SensorDefinition:
    """Make the sensor that evaluates the check ``connection`` of a tenant's sources.

    It is on by default: a check that nobody turned on says nothing. Stop it in the UI where sources should not be
    called every five minutes. Plugins are asked in a process of their own, because this one serves the code location.
    """
    ways = {key.to_user_string(): (key, found) for key, found in sources.items()}

    @dg.sensor(
        name=joined("connections", tenant),
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Reaches every source of {tenant} and shows the outcome as a check on it. Starts no run.",
    )
    def watch(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        memory = Memory.loads(context.cursor)
        events = []
        for name, outcome in walk(ways, memory, partial(check_all, apart=CHECK_SECONDS)):
            if memory.is_news(name, outcome, time.time()):
                events.append(check_evaluation(ways[name][0], outcome))
        memory.reported = {name: seen for name, seen in memory.reported.items() if name in ways}
        return dg.SensorResult(asset_events=events, cursor=memory.dumps())

    return watch


def walk(
    ways: Mapping[str, tuple[Any, Sequence[Connection]]],
    memory: Memory,
    check: Callable[[Sequence[Connection]], CheckResult],
    clock: Callable[[], float] = time.monotonic,
) -> list[tuple[str, CheckResult]]:
    """Check as many sources as a tick has time for, a few at once, going on where the last tick ended."""
    started, outcomes = clock(), []
    names = memory.ordered(list(ways))
    for at in range(0, len(names), AT_ONCE):
        if clock() - started + CHECK_SECONDS > TICK_SECONDS:
            break
        batch = names[at : at + AT_ONCE]
        answers = [ask(lambda name=name: check(ways[name][1])) for name in batch]  # type: ignore[misc]
        deadline = time.monotonic() + CHECK_SECONDS
        outcomes += [(name, answer(deadline)) for name, answer in zip(batch, answers, strict=True)]
        memory.after = batch[-1]
    return outcomes


def ask(work: Callable[[], CheckResult]) -> Callable[[float], CheckResult]:
    """Start a check in a thread; the result waits for its answer until a deadline and then is a refusal.

    The thread is left alone after that: a socket that hangs cannot be interrupted, and the tick must end.
    """
    answers: SimpleQueue[CheckResult] = SimpleQueue()

    def run() -> None:
        try:
            answers.put(work())
        except Exception as error:  # noqa: BLE001 - the boundary of the thread: every error becomes an answer
            answers.put(refusal(wrap_exception(error)))

    threading.Thread(target=run, daemon=True, name="connection-check").start()

    def answer(deadline: float) -> CheckResult:
        try:
            return answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except Empty:
            return refusal(Unreachable(f"no answer within {CHECK_SECONDS:g} seconds", "CONNECTION_FAILED"))

    return answer


def broken_sensors(broken: Sequence[Broken]) -> list[dg.SensorDefinition]:
    """Make the sensor that turns the nodes of broken job files red; there is none while all files load."""
    if not broken:
        return []
    state = hashlib.sha256("\0".join(sorted(f"{b.file}:{b.error}" for b in broken)).encode()).hexdigest()

    @dg.sensor(
        name="broken_jobs",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Shows job files that cannot be loaded as failed checks. Starts no run.",
    )
    def watch(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if context.cursor == state:
            return dg.SkipReason("every broken job file has been reported")
        return dg.SensorResult(asset_events=[check_evaluation(b.key, b.outcome) for b in broken], cursor=state)

    return [watch]
