"""``dativo plugin test``: the conformance suite against one plugin, as a job configures it or with options alone."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from dativo_dagster.cli.discover import options_of
from dativo_dagster.cli.jobs import add_secret_arguments, prepare
from dativo_dagster.cli.plugin_spec import ROLES, Spec, specs
from dativo_dagster.config.job import MODES
from dativo_ingest.exceptions import ConfigurationError
from dativo_ingest.model import Stream
from dativo_ingest.testing.cases import ReaderCase, WriterCase

if TYPE_CHECKING:
    from dativo_dagster.cli.console import Console
    from dativo_dagster.config.job import Job, JobStream, Place


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what ``test`` takes."""
    parser.add_argument("plugin", metavar="PATH[:NAME]", help="a Python file or a library; native:NAME for one of ours")
    parser.add_argument(
        "--config", metavar="JOB", help="job file that uses the plugin; its options and contract are taken"
    )
    parser.add_argument("--stream", metavar="NAME", help="stream of the job, or of the source")
    parser.add_argument("--role", choices=ROLES, help="which of the two, when the plugin is both")
    parser.add_argument("--place", metavar="NAME", help="where it runs (as the job says; Python local, native process)")
    parser.add_argument("--seconds", type=float, default=60.0, help="longest time for one check (%(default)g)")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    _add_option(parser, "--option", "NAME=YAML", "option of source or target, laid over those of the job")
    facts = parser.add_argument_group("facts", "What you state lets the suite see more.")
    facts.add_argument("--rows", type=int, help="how many rows the source has")
    _add_option(facts, "--broken", "NAME=YAML", "option that makes a configuration which must be refused")
    facts.add_argument("--commits", action="store_true", help="the writer makes its work visible by itself")
    _add_option(facts, "--exempt", "CHECK=REASON", "leave a check out, for a reason")
    add_secret_arguments(parser)
    parser.set_defaults(mode=MODES[0], verbose=False)


def _add_option(parser: Any, name: str, form: str, said: str) -> None:
    parser.add_argument(name, action="append", default=[], metavar=form, help=f"{said}; may be repeated")


def main(args: argparse.Namespace, console: Console) -> int:
    """Test the plugin; 0 when it keeps every promise, 1 when it breaks one, 2 when it cannot be tested."""
    from dativo_ingest.testing.conformance import run

    spec = _chosen(specs(args.plugin), args.role)
    with ExitStack() as stack:
        subject = Subject.of(spec, args, console)
        case = subject.reader() if spec.role == "reader" else subject.writer(stack)
        report = run(
            case, subject=f"{spec.plugin} ({spec.role}, {subject.place.launcher})", exempt=_reasons(args.exempt)
        )
    if args.json:
        console.json({**report.to_json(), "exit_code": report.exit_code})
    else:
        console.line(report.text())
    return report.exit_code


def _chosen(found: Sequence[Spec], role: str | None) -> Spec:
    fitting = [spec for spec in found if role in (None, spec.role)]
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(f"{spec.plugin} ({spec.role})" for spec in found)
    raise ConfigurationError(f"which one? There are {names}; name it, and say --role if need be", "BAD_OPTION")


def _reasons(texts: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    return {name: reason for name, _, reason in pairs}


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A plugin with all that it is opened with: by a job, or by options alone."""

    spec: Spec
    args: argparse.Namespace
    options: Mapping[str, Any]
    job: Job | None = None
    stream: JobStream | None = None

    @classmethod
    def of(cls, spec: Spec, args: argparse.Namespace, console: Console) -> Subject:
        """Take the plugin's configuration from the job that is named, if any, and the options over it."""
        from dativo_dagster import registry

        if args.place is not None:
            registry.entry("launchers", args.place)
        options = _options(args.option)
        if args.config is None:
            return cls(spec=spec, args=args, options=options)
        from dativo_dagster.config.load import load_job

        job = prepare(load_job(Path(args.config), strict_environment=False), args, console)
        return cls(spec=spec, args=args, options=options, job=job, stream=_using(job, spec, args.stream))

    @property
    def place(self) -> Place:
        """Say where the plugin runs; the place that is named has the settings of the job, if it is the job's."""
        from dativo_dagster.config.job import Place
        from dativo_dagster.pipeline import plugins

        side = self._side()
        said = plugins.place(self.job, side) if self.job is not None and side is not None else None
        named = self.args.place or (said.launcher if said else self._default())
        return said if said is not None and said.launcher == named else Place(launcher=named)

    def _default(self) -> str:
        return "process" if self.spec.kind == "native" and not self.spec.plugin.startswith("native:") else "local"

    def reader(self) -> ReaderCase:
        """Make the case of a reader."""
        stream = self._stream()
        return ReaderCase(
            open_reader=lambda: self._opened("reader", stream, {}, None),
            stream=stream,
            rows=self.args.rows,
            broken=self._broken(lambda over: self._opened("reader", stream, over, None)),
            secrets=self._secrets(),
            seconds=self.args.seconds,
        )

    def writer(self, stack: ExitStack) -> WriterCase:
        """Make the case of a writer, with folders that go when ``stack`` ends."""
        from dativo_ingest.testing.arrow import EVERY_TYPE
        from dativo_ingest.testing.builders import stream

        root = stack.enter_context(tempfile.TemporaryDirectory(prefix="dativo-plugin-", ignore_cleanup_errors=True))
        columns = self._stream() if self.stream is not None else stream(columns=EVERY_TYPE)
        over = _options(self.args.broken)
        return WriterCase(
            open_writer=lambda folder: self._opened("writer", columns, {}, folder),
            stream=columns,
            folder=lambda: tempfile.mkdtemp(dir=root),
            broken=(lambda folder: self._opened("writer", columns, over, folder)) if over else None,
            secrets=self._secrets(),
            seconds=self.args.seconds,
        )

    def _broken(self, opened: Callable[[Mapping[str, Any]], Any]) -> Callable[[], Any] | None:
        over = _options(self.args.broken)
        return (lambda: opened(over)) if over else None

    def _stream(self) -> Stream:
        from dativo_dagster.config.forplugins import source_stream

        if self.stream is None:
            return Stream(name=self.args.stream or "")
        return source_stream(self.stream)

    def _opened(
        self, role: str, stream: Stream, over: Mapping[str, Any], folder: str | None
    ) -> AbstractContextManager[Any]:
        from dativo_dagster.pipeline.plugins import launcher_of
        from dativo_ingest.loader import plugin_ref

        launcher = launcher_of(self.place)
        ref = plugin_ref(self.spec.plugin, Path.cwd())
        config = self._config(role, stream, _laid(self.options, over), folder)
        return cast("AbstractContextManager[Any]", getattr(launcher, role)(ref, config))

    def _config(self, role: str, stream: Stream, over: Mapping[str, Any], folder: str | None) -> dict[str, Any]:
        from dativo_dagster.config.forplugins import reader_config, writer_config
        from dativo_dagster.pipeline.plugins import stores
        from dativo_ingest.testing.builders import reader_options, writer_options

        if self.job is None or self.stream is None:
            if role == "reader":
                return {**reader_options(stream, **over), "object_store": stores(over, self.place)}
            return {
                **writer_options(stream, str(folder), commits=self._commits(), **over),
                "object_store": stores(over, self.place),
            }
        made = replace(
            self.stream,
            source=replace(self.stream.source, options=_laid(self.stream.source.options, over)),
            target=replace(self.stream.target, options=_laid(self.stream.target.options, over)),
        )
        if role == "reader":
            return reader_config(self.job, made, stores(made.source.options, self.place))
        return writer_config(
            self.job, made, stores(made.target.options, self.place), output_base=str(folder), commits=self._commits()
        )

    def _commits(self) -> bool:
        """Say whether the writer commits by itself: as the job says, or as a row writer in Python always does."""
        from dativo_dagster.config.job import PLUGIN

        if self.stream is not None:
            return self.stream.target.connector == PLUGIN
        return bool(self.args.commits) or self.spec.interface == "BaseWriter"

    def _side(self) -> Any:
        if self.stream is None:
            return None
        return self.stream.source if self.spec.role == "reader" else self.stream.target

    def _secrets(self) -> tuple[str, ...]:
        from dativo_dagster.telemetry import secrets_in

        side = self._side()
        return tuple(secrets_in([side.options if side else {}, self.options, _options(self.args.broken)]))


def _options(texts: Sequence[str]) -> dict[str, Any]:
    """Read options; ``connection.folder=data`` is the key ``folder`` in ``connection``."""
    found: dict[str, Any] = {}
    for name, value in options_of(texts).items():
        *above, last = name.split(".")
        made: dict[str, Any] = {last: value}
        for key in reversed(above):
            made = {key: made}
        found = _laid(found, made)
    return found


def _laid(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay options over others; what is a mapping on both sides is one mapping then."""
    both = {k: _laid(under[k], v) for k, v in over.items() if _are_mappings(under.get(k), v)}
    return {**under, **over, **both}


def _are_mappings(*values: Any) -> bool:
    return all(isinstance(value, Mapping) for value in values)


def _using(job: Job, spec: Spec, name: str | None) -> JobStream:
    """Find the stream of a job that uses the plugin.

    Raises:
        ConfigurationError: ``NO_SUCH_STREAM``: none does.
    """
    from dativo_dagster.cli.jobs import streams_of
    from dativo_ingest.loader import plugin_ref

    wanted = plugin_ref(spec.plugin, Path.cwd()).path
    for stream in streams_of(job, [name] if name else None):
        side = stream.source if spec.role == "reader" else stream.target
        if side.plugin and plugin_ref(side.plugin, job.path.parent).path == wanted:
            return stream
    raise ConfigurationError(f"{job.path}: no stream has {spec.plugin} as its {spec.role}", "NO_SUCH_STREAM")
