"""Where the suite runs a plugin, and what of this machine it is given there."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dativo_dagster.storage.portable import portable
from tests.servers import provided

if TYPE_CHECKING:
    import pytest

    from dativo_ingest.protocols import Reader
    from dativo_ingest.testing.cases import OpenReader, Place

HERE = ("local", "process")
WITH_FOLDERS = (*HERE, "docker")
"""Where a plugin can be given folders of this machine; a function reaches buckets and servers."""
EVERYWHERE = (*WITH_FOLDERS, "gcp_functions")
WITHOUT_SOURCE = (*EVERYWHERE, "aws_lambda")
"""For plugins that need nothing but themselves. Its functions are in a network of their own, and see no server here."""
GROUPS = {"docker": "docker", "gcp_functions": "cloud_functions", "aws_lambda": "lambda"}
"""The `xdist_group` of the places that need a server."""


@dataclass(frozen=True)
class Where:
    """A place, with what its options say of the servers of this session.

    Attributes:
        options: What goes under ``place`` beside the launcher.
        store: A bucket that the host and the plugin reach; None where a plugin is given folders.
        folder: The prefix in it that is this suite's.
    """

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    store: Any = None
    folder: str = ""

    @property
    def connection(self) -> dict[str, Any]:
        """Give what goes under ``connection`` of a source that reads files."""
        return {"gcs": self.store.connection} if self.store else {}

    @property
    def object_store(self) -> dict[str, str]:
        """Give the same as a library in Rust is told it."""
        return portable({"connection": self.connection})

    def url(self, path: str) -> str:
        """Name a file as the plugin finds it."""
        return f"gs://{self.store.bucket}/{self.folder}{path}" if self.store else path

    def at(self, *folders: Path, network: bool = False) -> Place:
        """Give the place with what a subject needs: folders that it reads, or servers on loopback."""
        if self.name == "docker":
            given = {"mounts": [str(f) for f in folders], "network": "host" if network else "none"}
            return {"launcher": self.name, **given}
        return {"launcher": self.name, **self.options} if self.options else self.name


def where(name: str, request: pytest.FixtureRequest, *, native: bool = False) -> Where:
    """Start what a place needs; ``native`` says that it is for a library in Rust."""
    if name == "docker":
        request.getfixturevalue("base_images")
    if name == "gcp_functions":
        cloud, gcs = request.getfixturevalue("google"), request.getfixturevalue("gcs")
        folder = request.getfixturevalue("suite_folder")
        reach = {"endpoint": gcs.endpoint, "anonymous": True}
        staging = {"staging": f"gs://{gcs.bucket}/{folder}/staging/", "staging_options": reach}
        return Where(name, {**cloud.options, **staging, "timeout_seconds": 60}, gcs, folder)
    if name == "aws_lambda":
        options = request.getfixturevalue("aws_place")
        if native:
            _make_provided(request.getfixturevalue("base_images"))
            options = {**options, "runtime": "provided.al2023"}
        return Where(name, options)
    return Where(name)


@functools.cache
def _make_provided(engine: Any) -> None:
    provided.make_images(engine)


class Kept:
    """One opened reader for all checks that do not look at openings: a container costs half a second.

    Attributes:
        fresh: Whether the next check gets readers of its own.
    """

    def __init__(self, open_reader: OpenReader) -> None:
        self.open_reader, self.fresh = open_reader, False
        self._opened: Any = None
        self._reader: Reader | None = None

    @contextmanager
    def opened(self) -> Iterator[Reader]:
        """Give the reader; one that a check failed with is not used again."""
        if self.fresh:
            with self.open_reader() as own:
                yield own
            return
        if self._reader is None:
            self._opened = self.open_reader()
            self._reader = self._opened.__enter__()
        try:
            yield self._reader
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the reader."""
        opened, self._opened, self._reader = self._opened, None, None
        if opened is not None:
            opened.__exit__(None, None, None)
