"""A reader behind the C ABI v1, in the shape that the pipeline knows: `protocols.Reader`."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dativo_ingest.model import CheckResult, Cursor, Stream, Unit, Window
from dativo_ingest.native.answers import mapping, value, values
from dativo_ingest.native.instance import MISSING, Pool, Request
from dativo_ingest.native.reading import batches

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from dativo_ingest.native.errors import Call
    from dativo_ingest.native.handle import Handle
    from dativo_ingest.native.limits import Limits


class NativeReader:
    """A source in a native library; each unit that is read while others are has an instance of its own."""

    def __init__(self, pool: Pool, call: Call, limits: Limits) -> None:
        self._pool = pool
        self._call = call
        self._limits = limits
        self._readings: dict[str, Handle] = {}
        self._read: dict[str, int] = {}

    def check(self) -> CheckResult:
        """Ask the plugin whether it reaches its source."""
        return checked_by(self._pool, self._call)

    def discover(self) -> list[Stream]:
        """List what the plugin offers; nothing when it does not say."""
        found = self._ask(Request("discover", {}))
        return [] if found is MISSING else values(Stream, found, "streams", self._said("discover"))

    def split(self, stream: Stream, since: Cursor | None) -> Window:
        """Let the plugin cut its source into units; one that cannot is read whole, anew in each run."""
        words = {"stream": stream.to_json(), "since": since and since.to_json()}
        found = self._ask(Request("split", words, stream.name))
        if found is MISSING:
            return self._whole(stream, since)
        return value(Window, found, self._said("split", stream))

    def _whole(self, stream: Stream, since: Cursor | None) -> Window:
        found = self._ask(Request("estimate", {"stream": stream.to_json()}, stream.name))
        guess = {} if found is MISSING else mapping(found, self._said("estimate", stream))
        words = {"id": "all", "rows": guess.get("rows"), "bytes": guess.get("bytes")}
        unit = value(Unit, words, self._said("estimate", stream))
        return Window(units=(unit,), fingerprint=uuid.uuid4().hex, before=since, after=since)

    def read(self, stream: Stream, unit: Unit) -> Iterator[pa.RecordBatch]:
        """Yield the batches of a unit."""
        request = Request("read", {"stream": stream.to_json(), "unit": unit.to_json()}, stream.name)
        with self._pool.instance() as instance:
            reading = instance.read(request)
            self._readings[unit.id] = reading
            try:
                yield from self._limits.hold(batches(reading, full=self._limits.full_check), reading.call)
            finally:
                self._read[unit.id] = reading.at_any_time("position") or 0
                self._readings.pop(unit.id, None)
                reading.release()

    def position(self, unit: Unit) -> int:
        """Give the bytes of a unit's source that were read so far; 0 when the plugin does not count."""
        reading = self._readings.get(unit.id)
        now = reading.at_any_time("position") if reading else None
        return self._read.get(unit.id, 0) if now is None else now

    def reached(self, window: Window) -> Cursor | None:
        """Ask the plugin what to remember; one that does not say means what it planned."""
        found = self._ask(Request("reached", {"window": window.to_json()}))
        if found is MISSING:
            return window.after
        return None if found is None else value(Cursor, found, self._said("reached"))

    def cancel(self) -> None:
        """Ask all that runs to fail soon with ``CANCELLED``; any thread may."""
        self._pool.cancel()

    def _ask(self, request: Request) -> Any:
        with self._pool.instance() as instance:
            return instance.ask(request)

    def _said(self, verb: str, stream: Stream | None = None) -> Call:
        return replace(self._call, verb=verb, stream=stream.name if stream else None)


def checked_by(pool: Pool, call: Call) -> CheckResult:
    """Give the outcome of a plugin's own check; one without a check has at least taken its configuration."""
    with pool.instance() as instance:
        found = instance.ask(Request("check", {}))
    if found is MISSING:
        return CheckResult(name="plugin", passed=True, message="the plugin took its configuration; it has no check")
    words = {"name": "plugin", **mapping(found, replace(call, verb="check"))}
    return value(CheckResult, {k: v for k, v in words.items() if v is not None}, replace(call, verb="check"))
