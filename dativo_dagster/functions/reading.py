"""A reader whose plugin is in a function of a cloud."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from dativo_dagster.functions.arriving import Arriving, Sent
from dativo_ingest.exceptions import ConfigurationError, PluginError
from dativo_ingest.model import CheckResult, Cursor, Stream, Unit, Window

if TYPE_CHECKING:
    from dativo_dagster.functions.call import Deployed
    from dativo_ingest.model import Usage


class FunctionReader:
    """Behaves as the plugin would here. Verbs may run side by side, each in an invocation of its own."""

    def __init__(self, deployed: Deployed) -> None:
        self.deployed = deployed
        self._positions: dict[str, int] = {}
        self._reached: dict[str, Cursor | None] = {}

    @property
    def usage(self) -> list[Usage]:
        """Give what the invocations took so far."""
        return self.deployed.usage

    @property
    def repeatable(self) -> bool:
        """Say whether the plugin promises what `protocols.Repeatable` says; asks it where no call told so far."""
        if self.deployed.repeatable is None:
            self.deployed.ask("spec", dict)
        return bool(self.deployed.repeatable)

    def check(self) -> CheckResult:
        """Try to reach the source."""
        return self.deployed.ask("check", CheckResult.from_json)

    def discover(self) -> list[Stream]:
        """List what the source has."""
        return self.deployed.ask("discover", lambda streams: [Stream.from_json(stream) for stream in streams])

    def split(self, stream: Stream, since: Cursor | None) -> Window:
        """Decide what there is to read since the cursor."""
        asked = {"stream": stream.to_json(), "since": since.to_json() if since else None}
        return self.deployed.ask("split", Window.from_json, **asked)

    def read(self, stream: Stream, unit: Unit) -> Iterator[Any]:
        """Yield the record batches of one unit while the function makes the next ones.

        What an invocation had no time for is read by the next one, where the plugin can say what that is.

        Raises:
            SandboxError: ``FUNCTION_ROWS_LOST``, what arrived is not what the function sent.
            PluginError: ``PLUGIN_BAD_RESULT``, what it says is left was read before: rows would come twice.
        """
        left: Unit | None = unit
        asked: list[tuple[str, Mapping[str, Any]]] = []
        while left is not None:
            asked.append((left.id, left.spec))
            left = yield from self._invocation(stream, left, unit.id)
            if left is not None and (left.id, left.spec) in asked:
                raise self._strange(unit.id, "says that what it read is left")

    def _invocation(self, stream: Stream, unit: Unit, name: str) -> Generator[Any, None, Unit | None]:
        """Yield what one invocation reads; gives what is left of the unit."""
        arguments = {"stream": stream.to_json(), "unit": unit.to_json()}
        with self.deployed.call("read", name, arguments) as call:
            pieces = Arriving(call)
            yield from pieces.live()
            reply = call.reply()
            with call.about.understood():
                sent, rest = Sent.of(reply["rows"]), reply.get("rest")
                left = Unit.from_json(rest) if rest else None
                reached = Cursor.from_json(reply["reached"]) if reply.get("reached") else None
            yield from pieces.rest(sent)
            call.bare = sent.inline is not None
        if left is not None and not pieces.rows:
            raise self._strange(name, "gave no rows and says that some are left")
        self._positions[name] = sent.position
        self._reached[name] = reached or self._reached.get(name)
        return left

    def _strange(self, unit: str, what: str) -> PluginError:
        message = f"plugin {self.deployed.plugin}: read of stream {self.deployed.stream!r}, unit {unit!r}, {what}"
        return PluginError(message, "PLUGIN_BAD_RESULT")

    def position(self, unit: Unit) -> int:
        """Give the bytes of the source that were read, once the unit was; 0 before, and for rows of a reply."""
        return self._positions.get(unit.id, 0)

    def reached(self, window: Window) -> Cursor | None:
        """Give what the plugin said after it read; where it says nothing, what the window says.

        Each unit was read by an instance that knew that unit alone. Where that is too little, another one is asked that
        is told the whole window.

        Raises:
            ConfigurationError: ``PLACE_UNSUPPORTED``: instances say different things, and none knows what holds.
        """
        told = [self._reached[unit.id] for unit in window.units if unit.id in self._reached]
        agreed = all(cursor == told[0] for cursor in told)
        said = (told[0] if told and agreed else None) or window.after
        if not agreed and not self.repeatable:
            raise self._differing()
        known = said is not None or window.before is None
        if agreed and known and (len(told) == len(window.units) or not self.repeatable):
            return said
        return self.deployed.ask(
            "reached", lambda found: Cursor.from_json(found) if found else None, window=window.to_json()
        )

    def _differing(self) -> ConfigurationError:
        message = (
            f"plugin {self.deployed.plugin}: after each unit of {self.deployed.stream!r} it says another cursor, as "
            "each was read by another instance in a function; freeze the cursor in `split` as `after`, promise "
            "`repeatable`, or make it one unit"
        )
        return ConfigurationError(message, "PLACE_UNSUPPORTED")

    def cancel(self) -> None:
        """Make all that runs fail soon, and read no more; any thread may."""
        self.deployed.cancel()
