"""``dativo start orchestrated``: Dagster with the jobs and schedules of a runner file of the earlier system.

Dagster itself is another process: ``dagster dev`` on `dativo_dagster.definitions`, with ``DATIVO_JOBS`` naming the
runner file. Its page shows the jobs, its daemon launches them. Jobs with schedules of their own need no runner file.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dativo_dagster.cli.console import Console
    from dativo_dagster.config.runner import Runner

HOME = Path(".dativo") / "dagster"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what ``start`` takes."""
    parser.add_argument("what", choices=["orchestrated"], help="run jobs when their schedules say")
    parser.add_argument(
        "--runner-config",
        type=Path,
        default=Path("/app/configs/runner.yaml"),
        metavar="PATH",
        help="which jobs run when (%(default)s)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address of Dagster's page (%(default)s)")
    parser.add_argument("--port", type=int, default=3000, help="port of Dagster's page (%(default)s)")


def main(args: argparse.Namespace, console: Console) -> int:
    """Start Dagster and stay until it ends; 0 on Ctrl-C."""
    from dativo_dagster.config.load import load_folder
    from dativo_dagster.config.runner import load_runner

    runner = load_runner(args.runner_config)
    if runner.mode != "orchestrated":
        raise ConfigurationError(
            f"{runner.path}: the mode is {runner.mode}; run such jobs once with `dativo run --job-dir {runner.path}`",
            "BAD_RUNNER",
        )
    _need_webserver()
    for problem in load_folder(runner.path).problems:
        console.note(f"not loaded: {problem.message}")
    home = _home(runner, console)
    for schedule in runner.schedules:
        state = "" if schedule.enabled else ", stopped"
        console.note(f"{schedule.name}: {schedule.crontab} {schedule.timezone} -> {schedule.job}{state}")
    console.note(f"Dagster on http://{args.host}:{args.port}, state in {home}; Ctrl-C ends it")
    return _run(args, {**os.environ, "DATIVO_JOBS": str(runner.path.absolute()), "DAGSTER_HOME": str(home)})


def _need_webserver() -> None:
    if importlib.util.find_spec("dagster_webserver") is None:
        raise ConfigurationError(
            "dativo start needs a package that is not installed (dagster_webserver): pip install 'dativo-dagster[ui]'",
            "MISSING_EXTRA",
        )


def _home(runner: Runner, console: Console) -> Path:
    """Give Dagster's folder: the one of the environment as it is, else one of ours with the runner's limits."""
    if named := os.environ.get("DAGSTER_HOME"):
        if limits(runner):
            console.note(
                f"the limits of {runner.path} must stand in {named}/dagster.yaml: {json.dumps(limits(runner))}"
            )
        return Path(named)
    home = HOME.absolute()
    home.mkdir(parents=True, exist_ok=True)
    # JSON is YAML.
    (home / "dagster.yaml").write_text(json.dumps(instance(runner), indent=2) + "\n", encoding="utf-8")
    return home


def instance(runner: Runner) -> dict[str, object]:
    """Give the settings of a Dagster instance that keeps to the runner's limits."""
    config = {"tag_concurrency_limits": limits(runner), "dequeue_interval_seconds": 1}
    return {
        "telemetry": {"enabled": False},
        "run_coordinator": {"module": "dagster", "class": "QueuedRunCoordinator", "config": config},
    }


def limits(runner: Runner) -> list[dict[str, object]]:
    """Give how many runs may go on at once: of a tenant, and of a schedule."""
    from dativo_dagster.config.runner import SCHEDULE_TAG

    tenants = {
        "key": "tenant",
        "value": {"applyLimitPerUniqueValue": True},
        "limit": runner.concurrency_per_tenant,
    }
    schedules = [
        {"key": SCHEDULE_TAG, "value": schedule.name, "limit": schedule.max_concurrent_runs}
        for schedule in runner.schedules
    ]
    return [tenants, *schedules]


def _run(args: argparse.Namespace, environment: Mapping[str, str]) -> int:
    command = [sys.executable, "-m", "dagster", "dev", "-m", "dativo_dagster.definitions"]
    command += ["--host", args.host, "--port", str(args.port)]
    dagster = subprocess.Popen(command, env=dict(environment))  # noqa: S603 - our own interpreter and arguments
    signal.signal(signal.SIGTERM, lambda *_: dagster.terminate())
    try:
        return 0 if dagster.wait() == 0 else 2
    except KeyboardInterrupt:
        # The terminal sends Ctrl-C to Dagster as well; it stops its daemon and its page and then ends.
        dagster.wait()
        return 0
