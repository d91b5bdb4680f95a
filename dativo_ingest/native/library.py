"""A library of the C ABI v1: agrees on a version, says what it is, opens readers and writers. `native` makes it."""

from __future__ import annotations

import contextlib
import ctypes
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dativo_ingest.exceptions import ConfigurationError, PluginVersionError
from dativo_ingest.native import abi
from dativo_ingest.native.answers import mapping
from dativo_ingest.native.errors import Call
from dativo_ingest.native.instance import Instance, Pool, Request, answer, checked, filled
from dativo_ingest.native.limits import Limits
from dativo_ingest.native.reader import NativeReader
from dativo_ingest.native.writer import NativeWriter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NAMES = {"reader": ("create_reader", "reader"), "writer": ("create_writer", "writer")}


class NativeLibrary:
    """One loaded library; shared by all threads of the process and never unloaded.

    Args:
        path: The library as messages name it.
        init: Its ``dativo_plugin_init``.

    Raises:
        PluginVersionError: It knows no version of the ABI that we know.
        DativoError: What the library said when it was initialised.
    """

    def __init__(self, path: str, init: Any) -> None:
        self.path = path
        self._table = _table(path, init)

    def spec(self) -> Mapping[str, Any]:
        """Give what the library says of itself: name, version, roles and their configuration; empty when nothing."""
        call = Call(self.path, "spec")
        out, error = abi.DativoJson(), abi.DativoError()
        if not self._table.spec:
            return {}
        status = self._table.spec(ctypes.byref(self._table), ctypes.byref(out), ctypes.byref(error))
        return mapping(answer(out, call), call) if checked(status, error, call) == abi.OK else {}

    @contextlib.contextmanager
    def reader(self, name: str, config: Mapping[str, Any]) -> Iterator[NativeReader]:
        """Open the library's reader; the configuration is looked at before anything is read."""
        of_role(self.path, name, "reader")
        limits = Limits.of(config)
        with self._pool("reader", config) as pool:
            yield NativeReader(pool, Call(self.path, "reader"), limits)

    @contextlib.contextmanager
    def writer(self, name: str, config: Mapping[str, Any]) -> Iterator[NativeWriter]:
        """Open the library's writer; the configuration is looked at before anything is written."""
        of_role(self.path, name, "writer")
        with self._pool("writer", config) as pool:
            yield NativeWriter(pool, Call(self.path, "writer"), commits=bool(config.get("commits")))

    @contextlib.contextmanager
    def _pool(self, role: str, config: Mapping[str, Any]) -> Iterator[Pool]:
        request = Request("open", {"role": role, "config": config})
        pool = Pool(lambda: self._open(request))
        with contextlib.closing(pool):
            with pool.instance():
                pass  # a configuration that the plugin refuses is told now
            yield pool

    def _open(self, request: Request) -> Instance:
        call = Call(self.path, "open")
        out, error = abi.DativoInstance(size=ctypes.sizeof(abi.DativoInstance)), abi.DativoError()
        status = self._table.open(ctypes.byref(self._table), *request.encoded, ctypes.byref(out), ctypes.byref(error))
        if checked(status, error, call) != abi.OK:
            raise call.broken("the library has no such role")
        _only_known(out, call)
        filled(out, call)
        return Instance(out, call)


def _table(path: str, init: Any) -> abi.DativoPlugin:
    call = Call(path, abi.INIT)
    table, error = abi.DativoPlugin(size=ctypes.sizeof(abi.DativoPlugin)), abi.DativoError()
    status = abi.Init(ctypes.cast(init, ctypes.c_void_p).value or 0)(
        abi.VERSION, ctypes.byref(table), ctypes.byref(error)
    )
    if checked(status, error, call) == abi.NOT_IMPLEMENTED or not 1 <= table.version <= abi.VERSION:
        theirs = str(table.version) if table.version else "another"
        message = f"{path}: speaks version {theirs} of the plugin ABI, this host versions 1 to {abi.VERSION}; "
        raise PluginVersionError(message + "install a build of the plugin for it", theirs, str(abi.VERSION))
    _only_known(table, call)
    filled(table, call)
    if not table.open:
        raise call.broken("the library opens nothing: its table has no `open`", "PLUGIN_BAD_ANSWER")
    return table


def _only_known(struct: Any, call: Call) -> None:
    """Empty the slots behind the size that a plugin says it filled: it does not know them.

    Raises:
        PluginError: ``PLUGIN_BAD_ANSWER``: a size that ends before `release`, within a slot, or behind the struct.
    """
    least, most, size = type(struct).release.offset + ctypes.sizeof(ctypes.c_void_p), ctypes.sizeof(struct), struct.size
    if not least <= size <= most or size % ctypes.sizeof(ctypes.c_void_p):
        message = f"says that its {type(struct).__name__} has {size:,} bytes; {least} to {most} make sense"
        raise call.broken(message, "PLUGIN_BAD_ANSWER")
    ctypes.memset(ctypes.addressof(struct) + size, 0, most - size)


def of_role(path: str, name: str, role: str) -> None:
    """Refuse a name that a library does not have for its role.

    Raises:
        ConfigurationError: ``WRONG_ROLE``.
    """
    shipped = Path(path).stem.removeprefix("lib")  # ``native:csv_reader`` names the library itself
    if name not in (*_NAMES[role], shipped):
        known = " or ".join(f"{path}:{n}" for n in _NAMES[role])
        message = f"{path}:{name}: a library of the plugin ABI v1 has one {role}; write {known}"
        raise ConfigurationError(message, "WRONG_ROLE", {"plugin": path, "name": name})
