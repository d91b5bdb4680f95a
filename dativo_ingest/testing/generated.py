"""Tests of a plugin from one call: a class with a test for each check of the conformance suite."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from dativo_ingest.model import Stream
from dativo_ingest.testing.builders import reader_options, writer_options
from dativo_ingest.testing.cases import Place, ReaderCase, WriterCase
from dativo_ingest.testing.conformance import READER_CHECKS, WRITER_CHECKS, Suite

if TYPE_CHECKING:
    from dativo_ingest.model import PluginRef
    from dativo_ingest.protocols import Reader, WriterPlugin
    from dativo_ingest.testing.checks import Check, Outcome

Options = Mapping[str, Any]
Source = Options | Callable[[], AbstractContextManager[Options]]


def reader_case(
    plugin: str,
    source: Options | None = None,
    stream: Stream | str = "",
    *,
    broken: Options | None = None,
    place: Place = "local",
    base: Path | None = None,
    object_store: Mapping[str, str] | None = None,
    **facts: Any,
) -> ReaderCase:
    """Make the case of a reader plugin.

    Args:
        plugin: As a job names it, such as ``plugins/my_reader.py:MyReader``.
        source: Keys of a job's `source`.
        stream: What is read; by its name alone, its columns are discovered, and without one the first that there is.
        broken: Keys that, laid over ``source``, make a configuration that must be refused.
        place: Where the plugin runs: a name, or a mapping with ``launcher`` and its options, as in a job.
        base: The folder where relative paths start; the working directory when left out.
        object_store: How a library in Rust reaches a bucket, in the words of the crate `object_store`.
        facts: What else `ReaderCase` takes.
    """
    made = stream if isinstance(stream, Stream) else Stream(name=stream)
    folder = base or Path.cwd()

    def opened(over: Options) -> AbstractContextManager[Reader]:
        config = {**reader_options(made, folder, **{**(source or {}), **over}), "object_store": object_store or {}}
        return _launched(plugin, folder, place, "reader", config)

    refused = (lambda: opened(broken)) if broken is not None else None
    return ReaderCase(open_reader=lambda: opened({}), stream=made, broken=refused, **facts)


def writer_case(
    plugin: str,
    target: Options | None = None,
    stream: Stream | None = None,
    *,
    commits: bool,
    folder: Callable[[], str],
    broken: Options | None = None,
    place: Place = "local",
    base: Path | None = None,
    **facts: Any,
) -> WriterCase:
    """Make the case of a writer plugin.

    Args:
        plugin: As a job names it.
        target: Keys of a job's `target`.
        stream: The columns that are written; one of every type when left out.
        commits: Whether it makes its work visible by itself, or lays down Parquet files for a table.
        folder: Gives an empty folder, as an absolute path.
        broken: Keys that, laid over ``target``, make a configuration that must be refused.
        place: Where the plugin runs: a name, or a mapping with ``launcher`` and its options, as in a job.
        base: The folder where relative paths start; the working directory when left out.
        facts: What else `WriterCase` takes.
    """
    made, start = stream or _every_type(), base or Path.cwd()

    def opened(into: str, over: Options) -> AbstractContextManager[WriterPlugin]:
        config = writer_options(made, into, start, commits=commits, **{**(target or {}), **over})
        return _launched(plugin, start, place, "writer", config)

    refused = (lambda into: opened(into, broken)) if broken is not None else None
    return WriterCase(open_writer=lambda into: opened(into, {}), stream=made, folder=folder, broken=refused, **facts)


def _launched(plugin: str, base: Path, place: Place, role: str, config: Options) -> AbstractContextManager[Any]:
    """Open a plugin in a place; in this process that needs nothing but the SDK."""
    from dativo_ingest import opening
    from dativo_ingest.loader.path import plugin_ref
    from dativo_ingest.testing.host import launcher

    ref: PluginRef = plugin_ref(plugin, base)
    if place == "local":
        return (opening.open_reader if role == "reader" else opening.open_writer)(ref, config)
    options = {"launcher": place} if isinstance(place, str) else dict(place)
    chosen = launcher(options.pop("launcher"), options)
    return (chosen.reader if role == "reader" else chosen.writer)(ref, config)


def _every_type() -> Stream:
    from dativo_ingest.testing.arrow import EVERY_TYPE
    from dativo_ingest.testing.builders import stream

    return stream(columns=EVERY_TYPE)


class PluginTests:
    """What the generated classes share: the suite is made for the first test, and ends with the last."""

    plugin: ClassVar[str]
    given: ClassVar[Callable[[ExitStack, str], ReaderCase | WriterCase]]
    exempt: ClassVar[Mapping[str, str]]
    suite: ClassVar[Suite | None] = None
    stack: ClassVar[ExitStack]

    @classmethod
    def setup_class(cls) -> None:
        """Begin anew."""
        cls.suite, cls.stack = None, ExitStack()

    @classmethod
    def teardown_class(cls) -> None:
        """End what the source needs: servers, folders."""
        cls.stack.close()

    @classmethod
    def outcome(cls, name: str, place: str) -> Outcome:
        """Carry out one check."""
        if cls.suite is None:
            cls.suite = Suite(cls.given(cls.stack, place), cls.exempt)
        return cls.suite.outcome(name)


def reader_tests(
    plugin: str,
    source: Source | None = None,
    stream: Stream | str = "",
    *,
    exempt: Mapping[str, str] | None = None,
    place: Place = "local",
    **facts: Any,
) -> type[PluginTests]:
    """Make a class with a test for each check of a reader; give it a name that starts with ``Test``.

    Args:
        plugin: As a job names it, such as ``plugins/my_reader.py:MyReader``.
        source: Keys of a job's `source`; or a function that gives a context manager of them, entered before the first
            test and left after the last, for a source that must be started.
        stream: What is read, or its name.
        exempt: Names of checks that the plugin cannot pass, each with the reason.
        place: Where the plugin runs; `pytest --dativo-place` wins.
        facts: What else `reader_case` and `ReaderCase` take, such as ``rows`` and ``broken``.
    """

    def given(stack: ExitStack, where: str) -> ReaderCase:
        told = stack.enter_context(source()) if callable(source) else source
        return reader_case(plugin, told, stream, place=where or place, **facts)

    return _class("ReaderTests", plugin, given, READER_CHECKS, exempt)


def writer_tests(
    plugin: str,
    target: Source | None = None,
    stream: Stream | None = None,
    *,
    commits: bool,
    exempt: Mapping[str, str] | None = None,
    place: Place = "local",
    **facts: Any,
) -> type[PluginTests]:
    """Make a class with a test for each check of a writer; arguments as `reader_tests` and `writer_case`."""

    def given(stack: ExitStack, where: str) -> WriterCase:
        told = stack.enter_context(target()) if callable(target) else target
        root = stack.enter_context(tempfile.TemporaryDirectory(prefix="dativo-writer-"))
        facts.setdefault("folder", lambda: tempfile.mkdtemp(dir=root))
        return writer_case(plugin, told, stream, commits=commits, place=where or place, **facts)

    return _class("WriterTests", plugin, given, WRITER_CHECKS, exempt)


def _class(
    name: str,
    plugin: str,
    given: Callable[[ExitStack, str], ReaderCase | WriterCase],
    checks: tuple[Check, ...],
    exempt: Mapping[str, str] | None,
) -> type[PluginTests]:
    members: dict[str, Any] = {f"test_{check.name}": _test(check) for check in checks}
    members |= {"plugin": plugin, "given": staticmethod(given), "exempt": dict(exempt or {})}
    return type(name, (PluginTests,), {"__doc__": f"The conformance suite against {plugin}.", **members})


def _test(check: Check) -> Callable[..., None]:
    def test(self: PluginTests, pytestconfig: Any) -> None:
        import pytest

        place = pytestconfig.getoption("dativo_place", None) or ""
        outcome = self.outcome(check.name, place)
        if outcome.status == "failed":
            pytest.fail(said(self.plugin, outcome), pytrace=False)
        if outcome.status != "passed":
            pytest.skip(f"{outcome.status}: {outcome.remark}")

    test.__doc__ = check.sentence
    return test


def said(plugin: str, outcome: Outcome) -> str:
    """Tell an author of a check that did not hold."""
    lines = [f"{plugin} does not keep this promise: {outcome.sentence}.", f"  seen: {outcome.remark}"]
    return "\n".join([*lines, f"  do: {outcome.todo}", f"  why: {outcome.why}"])
