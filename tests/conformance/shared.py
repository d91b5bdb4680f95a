"""Readers that the checks of a subject share: to open a container takes half a second, and so does a read far away."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from dativo_ingest.testing import ReaderCase, Suite

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dativo_ingest.model import Cursor, Stream, Unit, Window
    from dativo_ingest.protocols import Reader
    from dativo_ingest.testing import Check
    from dativo_ingest.testing.cases import OpenReader

OF_OPENINGS = {"discovery_stable", "plan_repeats", "resumes", "batches_last", "nothing_left_open", "errors_coded"}
"""Checks of what one opening leaves to the next: each has readers of its own."""
OF_WHAT_CAME = {"discovery_names", "plan_is_json", "ends", "batches_valid", "columns_promised", "values_promised"}
OF_WHAT_CAME |= {"rows_complete"}
"""Checks of what a reader gave, whoever asked for it: they look at one plan and one read together."""


class Remembering:
    """Says again what a reader said. A read is said again once it was whole."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._said: dict[Any, Any] = {}

    def discover(self) -> Any:
        """List what the source has."""
        return self._once("discover", self.reader.discover)

    def split(self, stream: Stream, since: Cursor | None) -> Window:
        """Decide what there is to read."""
        window: Window = self._once(f"{stream}{since}", lambda: self.reader.split(stream, since))
        return window

    def read(self, stream: Stream, unit: Unit) -> Iterator[Any]:
        """Yield the batches of a unit."""
        name = f"{stream}{unit}"
        if name not in self._said:
            came = []
            for batch in self.reader.read(stream, unit):
                came.append(batch)
                yield batch
            self._said[name] = came
            return
        yield from self._said[name]

    def _once(self, what: str, ask: Any) -> Any:
        if what not in self._said:
            self._said[what] = ask()
        return self._said[what]


class Shared:
    """One opened reader for all checks but those that look at openings."""

    def __init__(self, open_reader: OpenReader) -> None:
        self.open_reader = open_reader
        self._opened: Any = None
        self._reader: Any = None
        self._memory: Any = None

    def of(self, check: str) -> OpenReader:
        """Say how a check opens the reader."""
        if check in OF_OPENINGS:
            return self.open_reader
        return partial(self._kept, remembering=check in OF_WHAT_CAME)

    @contextmanager
    def _kept(self, *, remembering: bool) -> Iterator[Any]:
        """Give the reader; one that a check failed with is not used again."""
        if self._reader is None:
            self._opened = self.open_reader()
            self._reader = self._opened.__enter__()
            self._memory = Remembering(self._reader)
        try:
            yield self._memory if remembering else self._reader
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the reader."""
        opened, self._opened, self._reader, self._memory = self._opened, None, None, None
        if opened is not None:
            opened.__exit__(None, None, None)


def sharing(case: ReaderCase, shared: Shared, exempt: Mapping[str, str] | None) -> Suite:
    """Make a suite whose checks open the reader as suits them, in whatever order they are asked for."""
    suite = Suite(case, exempt)
    suite.checks = {
        name: dataclasses.replace(check, look=partial(_look, check, shared)) for name, check in suite.checks.items()
    }
    return suite


def _look(check: Check, shared: Shared, case: ReaderCase) -> str:
    remark: str = check.look(dataclasses.replace(case, open_reader=shared.of(check.name)))
    return remark
