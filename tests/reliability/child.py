"""A run in a process of its own, which kills itself with SIGKILL when it comes to a named step.

The product has no hooks for it: the child puts something in the place of a function, and dies there. Children are
forked from a server that has imported everything once and has never opened a table.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import wraps
from pathlib import Path
from typing import Any

from tests.reliability.extent import FULL

PRELOAD = [
    "tests.reliability.child",
    "dativo_dagster.connectors.files",
    "dativo_dagster.orchestration.build",
    "dativo_dagster.pipeline.stage",
    "dativo_dagster.tables.files.commit",
    "dativo_dagster.tables.iceberg.commit",
    "dativo_dagster.tables.sql.duckdb",
    "dativo_dagster.tables.sql.postgres",
    "pyiceberg.catalog.sql",
]
STAGING = "/_dativo/staging/"
PATIENCE_SECONDS = 1800 if FULL else 120


def die(*_: object) -> None:
    """End this process as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)


def _instead(owner: Any, name: str, *, before: bool, nth: int = 1, of: Callable[..., bool] = lambda *_: True) -> None:
    """Die before or after the ``nth`` call of ``owner.name`` that ``of`` finds worth counting."""
    original, seen = getattr(owner, name), []

    @wraps(original)
    def call(*arguments: Any, **named: Any) -> Any:
        counts = of(*arguments)
        seen.extend([None] * counts)
        if counts and before and len(seen) == nth:
            die()
        answer = original(*arguments, **named)
        if counts and not before and len(seen) == nth:
            die()
        return answer

    setattr(owner, name, call)


def _parquet(_: object, path: str) -> bool:
    return path.endswith(".parquet")


def before_extract() -> None:
    """The plan is made, no row is read."""
    from dativo_dagster.connectors.files import Reader

    _instead(Reader, "read", before=True)


def mid_batch() -> None:
    """Some batches are read, and files of some are written."""
    from dativo_dagster.connectors.files import Reader

    original = Reader.read

    def read(self: Any, *arguments: Any) -> Iterator[Any]:
        for count, batch in enumerate(original(self, *arguments)):
            if count == 5:
                die()
            yield batch

    Reader.read = read  # type: ignore[method-assign]


def file_open() -> None:
    """A data file is open."""
    _instead(_disk(), "open_write", before=False, nth=2, of=_parquet)


def file_closed() -> None:
    """Some data files have their names, others are not begun."""
    disk, streams = _disk(), []
    original = disk.open_write

    def open_write(self: Any, path: str) -> Any:
        streams.append(original(self, path))
        if _parquet(self, path) and len(streams) == 2:
            _instead(streams[-1], "close", before=False)
        return streams[-1]

    disk.open_write = open_write


def _disk() -> Any:
    from dativo_dagster.storage import open_storage

    return type(open_storage("file:///"))


def before_commit() -> None:
    """All files are written."""
    from dativo_dagster.pipeline import run

    _instead(run, "commit", before=True)


def _answer(*, before: bool) -> None:
    """Stand before or behind the one step that makes a commit visible, whatever the target."""
    from deltalake import DeltaTable
    from pyiceberg.catalog.sql import SqlCatalog

    from dativo_dagster.tables.sql import duckdb, pgsession

    _instead(SqlCatalog, "commit_table", before=before)
    _instead(DeltaTable, "create_write_transaction", before=before)
    for session in (duckdb.Connection, pgsession.PgSession):
        _instead(session, "execute", before=before, of=lambda _, sql, *more: sql == "COMMIT")
    for name in ("put_if_absent", "put_if_match"):
        _instead(_disk(), name, before=before)


def asked() -> None:
    """The commit is made, the catalog has not got it."""
    _answer(before=True)


def answered() -> None:
    """The catalog has got the commit, and nobody here knows."""
    _answer(before=False)


def files_moved() -> None:
    """Some files of the commit are where they will be, some are not (plain files on a disk)."""
    moved = []

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "os.rename" and STAGING in str(arguments[0]) and STAGING not in str(arguments[1]):
            moved.append(arguments)
            if len(moved) == 2:
                die()

    sys.addaudithook(hook)


def before_event() -> None:
    """The commit is done, and Dagster has not been told."""
    from dativo_dagster.pipeline import run

    _instead(run, "commit", before=False)


@dataclass(frozen=True)
class Step:
    """A step of a run. ``visible`` says whether the commit is in the table then; ``dagster`` runs it as an asset."""

    stop: Callable[[], None]
    visible: bool = False
    dagster: bool = False
    only: str = ""


STEPS = {
    "never": Step(lambda: None),
    "before extract": Step(before_extract),
    "mid batch": Step(mid_batch),
    "file open": Step(file_open),
    "file closed": Step(file_closed),
    "before commit": Step(before_commit),
    "files moved": Step(files_moved, only="parquet"),
    "inside commit, before the answer": Step(asked),
    "inside commit, after the answer": Step(answered, visible=True),
    "after commit, before the state mirror": Step(before_event, visible=True),
    "before the Dagster event": Step(before_event, visible=True, dagster=True),
}


def run(desk: Path, step: str = "never", job: str = "job.yaml") -> tuple[int | None, Any]:
    """Run a job with ``desk`` as working directory; gives the exit code and, unless the child died, the result."""
    return _child(_materialize if STEPS[step].dagster else _run, desk, step, job)


def run_within(desk: Path, limit: int) -> tuple[int | None, Any, int, bool]:
    """Run the job of a desk with ``limit`` bytes of memory, where this system lets us limit it.

    Gives the exit code, the result, the most bytes of memory that the process had, and whether it was limited.
    """
    with _limited(desk.name, limit) as group:
        code, answer = _child(_run_measured, desk, group)
        result, peak = answer or (None, 0)
        return code, result, peak, group is not None


@contextlib.contextmanager
def _limited(name: str, limit: int) -> Iterator[Path | None]:
    """Make a control group, of version 1 or 2; None where we may not."""
    for root, setting in (("memory", "memory.limit_in_bytes"), ("", "memory.max")):
        group = Path("/sys/fs/cgroup", root, f"dativo-{os.getpid()}-{name}")
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / setting).write_text(str(limit))
        except OSError:
            group.rmdir()
            continue
        try:
            yield group
        finally:
            group.rmdir()
        return
    yield None


def at_once(desk: Path, count: int, jobs: Sequence[str] = ("job.yaml",)) -> list[Any]:
    """Run jobs in ``count`` processes, each of which has written all of its files before the first one commits."""
    together = _context().Barrier(count)
    with ThreadPoolExecutor(count) as threads:
        calls = [(_run_together, desk, jobs[n % len(jobs)], together) for n in range(count)]
        return [answer for _, answer in threads.map(lambda call: _child(*call), calls)]


def writers(desk: Path, jobs: Sequence[str], runs: int) -> tuple[list[list[str]], list[str], int]:
    """Run jobs at once, each ``runs`` times on a delivery of its own, while another process packs small files.

    The last run of each begins once files were packed.

    Gives the statuses of each job's runs, what was reported of commits that had to be tried again, and how often
    files were packed.
    """
    packed, done = _context().Event(), _context().Event()
    with ThreadPoolExecutor(len(jobs) + 1) as threads:
        packer = threads.submit(_child, _pack, desk, jobs[0], packed, done)
        told = list(threads.map(lambda job: _child(_deliver_and_run, desk, job, runs, packed)[1], jobs))
        done.set()
    return [statuses for statuses, _ in told], [line for _, lines in told for line in lines], packer.result()[1]


def collect(desk: Path) -> list[Path]:
    """Remove the garbage of a desk's target as `dativo gc` does; gives what that was."""
    return [Path(uri.removeprefix("file://")) for uri in _child(_collect, desk)[1]]


def _child(body: Callable[..., Any], desk: Path, *arguments: Any) -> tuple[int | None, Any]:
    context = _context()
    near, far = context.Pipe(duplex=False)
    process = context.Process(target=_told, args=(far, body, str(desk), *arguments))
    process.start()
    far.close()
    with near, contextlib.suppress(EOFError):
        answer = near.recv() if near.poll(PATIENCE_SECONDS) else None
        process.join(PATIENCE_SECONDS)
        return process.exitcode, answer
    process.join(PATIENCE_SECONDS)
    return process.exitcode, None


def _context() -> multiprocessing.context.ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    return context


def _told(far: Any, body: Callable[..., Any], desk: str, *arguments: Any) -> None:
    os.chdir(desk)
    far.send(body(*arguments))


def _run(step: str, job: str) -> dict[str, Any]:
    from dativo_dagster.config.load import load_job
    from dativo_dagster.pipeline.jobs import run_job

    STEPS[step].stop()
    return run_job(load_job(Path(job))).streams[0].to_json()


def _run_measured(group: Path | None) -> tuple[dict[str, Any], int]:
    if group is not None:
        (group / "cgroup.procs").write_text(str(os.getpid()))
    result = _run("never", "job.yaml")
    return result, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _run_together(job: str, together: Any) -> dict[str, Any]:
    from dativo_dagster.pipeline import run

    commit, met = run.commit, []

    @wraps(commit)
    def wait_and_commit(*arguments: Any, **named: Any) -> Any:
        if not met:
            met.append(together.wait(PATIENCE_SECONDS))
        return commit(*arguments, **named)

    run.commit = wait_and_commit
    while (result := _run("never", job))["status"] == "failed" and result["error"]["retryable"]:
        pass  # Dagster starts such a run again too; a DuckDB file is open in one process at a time
    return result


def _deliver_and_run(job: str, runs: int, packed: Any) -> tuple[list[str], list[str]]:
    """Give the statuses of runs, each after one more file of the source got its name."""
    reports: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: reports.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("dativo_dagster")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    statuses = []
    for number in range(runs):
        if number == runs - 1:
            packed.wait(PATIENCE_SECONDS / 2)
        waiting = Path(job).with_name(f"{number}.waiting")
        waiting.rename(Path(job).parent / "in" / f"{number}.csv")
        statuses.append(_run("never", job)["status"])
    return statuses, [line for line in reports if "conflicts" in line]


def _pack(job: str, once: Any, done: Any) -> int:
    """Pack small files as `dativo maintain` does, again and again until the writers are done; gives how often."""
    from dativo_dagster.config.load import load_job
    from dativo_dagster.pipeline.assemble import open_table

    loaded, packed = load_job(Path(job)), 0
    while not done.wait(0.05):
        table = open_table(loaded, loaded.streams[0])
        packed += bool(table.columns()) and bool(table.compact().made)
        if packed:
            once.set()
    return packed


def _materialize(step: str, _: str) -> bool:
    import dagster as dg

    from dativo_dagster.orchestration.build import build_definitions

    definitions = build_definitions(Path.cwd())
    STEPS[step].stop()
    with dg.DagsterInstance.ephemeral() as instance:
        return definitions.resolve_job_def("ingest__default__things").execute_in_process(instance=instance).success


def _collect() -> list[str]:
    from dativo_dagster.config.load import load_job
    from dativo_dagster.pipeline.maintain import collect_garbage

    job = load_job(Path("job.yaml"))
    now = datetime.now(timezone.utc) + timedelta(seconds=1)
    return [file.path for file in collect_garbage(job, job.streams[0], older_than=now, delete=True)]
