"""The JSON ABI of the earlier system: its libraries run as they are, and its holes are closed.

    create_reader(config) -> reader        extract_batch(reader) -> JSON array        free_reader(reader)
    create_writer(config) -> writer        write_batch(writer, input) -> JSON array   free_writer(writer)
    free_string(text)                      dativo_last_error(reader or writer or NULL) -> JSON object; may be missing

The two constructors are named by the job. Every text is UTF-8 with a NUL at its end; every text that a library gives
goes back to ``free_string``. `native_json_reader` and `native_json_writer` say what an answer means.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dativo_ingest.exceptions import DativoError, PluginError
from dativo_ingest.native.dlopen import symbol
from dativo_ingest.native.limits import Limits
from dativo_ingest.native.stderr import Heard, heard

if TYPE_CHECKING:
    from dativo_ingest.native.errors import Call

SYMBOLS = ("extract_batch", "write_batch")
LAST_ERROR = "dativo_last_error"

# c_void_p, not c_char_p: ctypes would turn the latter into bytes, and the pointer could not be given back.
_POINTER, _TEXT = ctypes.c_void_p, ctypes.c_char_p


class JsonLibrary:
    """One loaded library of the older ABI."""

    def __init__(self, path: str, library: ctypes.CDLL) -> None:
        self.path = path
        self._library = library
        self._free = self.function("free_string", None, _POINTER)

    def spec(self) -> Mapping[str, Any]:
        """Give nothing: the older ABI has no words for it."""
        return {}

    @contextlib.contextmanager
    def reader(self, name: str, config: Mapping[str, Any]) -> Iterator[Any]:
        """Open a reader; ``name`` is the symbol that makes it."""
        from dativo_ingest.native_json.reader import JsonReader, reader_words

        make = self.maker(name, "free_reader", reader_words(config))
        extract = self.function("extract_batch", _POINTER, _POINTER)
        with contextlib.closing(JsonReader(make, extract, Limits.of(config), config)) as reader:
            yield reader

    @contextlib.contextmanager
    def writer(self, name: str, config: Mapping[str, Any]) -> Iterator[Any]:
        """Open a writer; ``name`` is the symbol that makes it."""
        from dativo_ingest.native_json.writer import JsonWriter, writer_words

        make = self.maker(name, "free_writer", writer_words(config))
        yield JsonWriter(make, self.function("write_batch", _POINTER, _POINTER, _TEXT), config)

    def maker(self, name: str, free: str, words: Mapping[str, Any]) -> Maker:
        """Bind a constructor to its configuration."""
        return Maker(self, self.function(name, _POINTER, _TEXT), self.function(free, None, _POINTER), words)

    def function(self, name: str, result: Any, *arguments: Any) -> Any:
        """Bind a symbol.

        Raises:
            PluginError: ``NOT_A_PLUGIN``: the library does not export it.
        """
        found = symbol(self._library, name)
        if found is None:
            message = f"{self.path}: exports no {name!r}, which the older plugin ABI asks for; is the name right?"
            raise PluginError(message, "NOT_A_PLUGIN", {"plugin": self.path, "symbol": name})
        found.restype, found.argtypes = result, list(arguments)
        return found

    def taken(self, pointer: int) -> bytes:
        """Copy a text that the library gave, and give it back."""
        try:
            return ctypes.string_at(pointer)
        finally:
            self._free(pointer)

    def last_error(self, handle: int | None, call: Call) -> DativoError | None:
        """Ask a library that can say it what went wrong; None where it cannot, or where nothing did."""
        if symbol(self._library, LAST_ERROR) is None:
            return None
        pointer = self.function(LAST_ERROR, _POINTER, _POINTER)(handle)
        if not pointer:
            return None
        text = self.taken(pointer).decode("utf-8", "replace")
        with contextlib.suppress(ValueError, RecursionError):
            said = json.loads(text)
            return call.failed(said if isinstance(said, Mapping) else {"message": text})
        return call.failed({"message": text})

    @property
    def says_errors(self) -> bool:
        """Say whether the library can tell an error from an end."""
        return symbol(self._library, LAST_ERROR) is not None


class Maker:
    """A constructor with its configuration, and what it makes."""

    def __init__(self, library: JsonLibrary, create: Any, free: Any, words: Mapping[str, Any]) -> None:
        self.library = library
        self._create, self._free, self._words = create, free, words

    @contextlib.contextmanager
    def made(self, call: Call, **words: Any) -> Iterator[Made]:
        """Make a reader or writer and free it on any exit.

        Raises:
            PluginError: ``PLUGIN_REFUSED``: the library answered NULL.
        """
        call = replace(call, plugin=self.library.path)
        with heard() as said:
            pointer = self._create(json.dumps({**self._words, **words}, ensure_ascii=False, default=str).encode())
        if not pointer:
            known = self.library.last_error(None, call)
            raise known or call.broken(f"{self._create.__name__} answered NULL; {said.why}", "PLUGIN_REFUSED")
        made = Made(self.library, pointer, call)
        try:
            yield made
        finally:
            with made.lock:
                self._free(pointer)


class Made:
    """A reader or writer of a library's; one call at a time."""

    def __init__(self, library: JsonLibrary, pointer: int, call: Call) -> None:
        self.library, self.pointer, self.call = library, pointer, call
        self.lock = threading.Lock()
        self.said = Heard()

    def ask(self, function: Any, *arguments: Any) -> bytes | None:
        """Call a function of it; None where it answered NULL, and ``said`` is what it printed meanwhile."""
        with self.lock:
            with heard() as self.said:
                pointer = function(self.pointer, *arguments)
            return self.library.taken(pointer) if pointer else None

    def last_error(self) -> DativoError | None:
        """Give what the library says went wrong, where it can."""
        with self.lock:
            return self.library.last_error(self.pointer, self.call)
