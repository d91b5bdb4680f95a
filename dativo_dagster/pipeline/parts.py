"""Which parts of a partitioned job a run is about, when nobody but its caller says so. Called by the CLI."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from dativo_dagster.config.partitions import RANGE, keys_of, slice_of
from dativo_dagster.pipeline.assemble import open_table
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dativo_dagster.config.job import Job, JobStream, Partitions


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What was asked for.

    Args:
        keys: Parts by name.
        span: All from one part to another, ``2024-01-01..2024-01-31``; either end may be left out.
        missing: Those that have ended and that the table has no state of.
    """

    keys: tuple[str, ...] = ()
    span: str | None = None
    missing: bool = False

    @property
    def made(self) -> bool:
        """Say whether anything was asked for."""
        return bool(self.keys or self.span or self.missing)


def chosen(
    job: Job,
    streams: Sequence[JobStream],
    choice: Choice,
    *,
    now: datetime | None = None,
    missing: Callable[[Job, JobStream, Sequence[str]], list[str]] | None = None,
) -> list[JobStream]:
    """Give the parts of streams that a run is about, part by part; streams without partitions as they are.

    Raises:
        ConfigurationError: ``NO_PARTITIONS``: the choice does not suit the job.
            ``UNKNOWN_PARTITION``: there is no such part, or it has not ended.
    """
    parts, now = job.partitions, now or datetime.now(timezone.utc)
    if parts is None:
        if choice.made:
            raise ConfigurationError(f"{job.path}: the job {job.name!r} has no `partitions`", "NO_PARTITIONS")
        return list(streams)
    if not choice.made:
        raise _nothing_chosen(job, parts, now)
    keys = dict.fromkeys((*choice.keys, *_span(parts, choice.span, now)))
    ended, lacking = keys_of(parts, now), missing or missing_keys
    wanted = {s.name: [*keys, *(lacking(job, s, ended) if choice.missing else ())] for s in streams}
    order = dict.fromkeys([*keys, *ended])
    return [_part(s, key, now) for key in order for s in streams if key in wanted[s.name]]


def missing_keys(job: Job, stream: JobStream, keys: Sequence[str]) -> list[str]:
    """Give those of some parts that the table of a stream has no state of."""
    known = open_table(job, stream).states()
    return [key for key in keys if job.key(replace(stream, slice=slice_of(_parts(stream), key))) not in known]


def _part(stream: JobStream, key: str, now: datetime) -> JobStream:
    return replace(stream, slice=slice_of(_parts(stream), key, now))


def _parts(stream: JobStream) -> Partitions:
    assert stream.partitions is not None  # noqa: S101 - all streams of a job are cut, or none
    return stream.partitions


def _span(parts: Partitions, span: str | None, now: datetime) -> list[str]:
    """Give the keys of a span, both ends included.

    Raises:
        ConfigurationError: ``UNKNOWN_PARTITION``: it is no span, or an end of it is no part that has ended.
    """
    if span is None:
        return []
    first, separator, last = span.partition(RANGE)
    keys = keys_of(parts, now)
    ends = [slice_of(parts, key, now).key for key in (first, last) if key]
    places = [keys.index(end) for end in ends]
    if not separator or places != sorted(places):
        raise ConfigurationError(
            f"{span!r} is no span of partitions; write it as FIRST{RANGE}LAST, the older one first",
            "UNKNOWN_PARTITION",
            {"partition": span},
        )
    return keys[places[0] if first else 0 : places[-1] + 1 if last else None]


def _nothing_chosen(job: Job, parts: Partitions, now: datetime) -> ConfigurationError:
    ended = keys_of(parts, now)
    last = f"; the last one that has ended is {ended[-1]}" if parts.every and ended else ""
    return ConfigurationError(
        f"{job.path}: the job {job.name!r} is partitioned: say which part to run with --partition KEY, "
        f"--partitions FIRST{RANGE}LAST or --missing{last}",
        "NO_PARTITIONS",
    )
