"""`rust_plugins/include/dativo_plugin.h` as ctypes sees it: the same structs, the same words, no behaviour.

A pointer of text is ``c_void_p`` here, because ctypes would turn ``c_char_p`` into bytes and lose the pointer.
"""

from __future__ import annotations

import ctypes as c
from typing import Any

VERSION = 1
INIT = "dativo_plugin_init"

OK = 0
ERROR = 1
END = 2
NOT_IMPLEMENTED = 3

Status = c.c_int32


class ArrowSchema(c.Structure):
    """A type on its way out of a plugin; `release` is all that we look at."""


class ArrowArray(c.Structure):
    """A record batch on its way out of a plugin; `release` is all that we look at."""


class ArrowArrayStream(c.Structure):
    """Batches of one schema, made as they are asked for."""


class DativoError(c.Structure):
    """What went wrong."""


class DativoJson(c.Structure):
    """JSON that a plugin gives."""


class DativoReading(c.Structure):
    """One read: Arrow streams, one after the other."""


class DativoInstance(c.Structure):
    """One configured reader or writer."""


class DativoPlugin(c.Structure):
    """The library."""


def _releases(struct: type[c.Structure]) -> Any:
    return c.CFUNCTYPE(None, c.POINTER(struct))


ArrowSchema._fields_ = [
    ("format", c.c_void_p),
    ("name", c.c_void_p),
    ("metadata", c.c_void_p),
    ("flags", c.c_int64),
    ("n_children", c.c_int64),
    ("children", c.c_void_p),
    ("dictionary", c.c_void_p),
    ("release", _releases(ArrowSchema)),
    ("private_data", c.c_void_p),
]

ArrowArray._fields_ = [
    ("length", c.c_int64),
    ("null_count", c.c_int64),
    ("offset", c.c_int64),
    ("n_buffers", c.c_int64),
    ("n_children", c.c_int64),
    ("buffers", c.c_void_p),
    ("children", c.c_void_p),
    ("dictionary", c.c_void_p),
    ("release", _releases(ArrowArray)),
    ("private_data", c.c_void_p),
]

ArrowArrayStream._fields_ = [
    ("get_schema", c.CFUNCTYPE(c.c_int, c.POINTER(ArrowArrayStream), c.POINTER(ArrowSchema))),
    ("get_next", c.CFUNCTYPE(c.c_int, c.POINTER(ArrowArrayStream), c.POINTER(ArrowArray))),
    ("get_last_error", c.CFUNCTYPE(c.c_void_p, c.POINTER(ArrowArrayStream))),
    ("release", _releases(ArrowArrayStream)),
    ("private_data", c.c_void_p),
]

DativoError._fields_ = [
    ("code", c.c_void_p),
    ("message", c.c_void_p),
    ("details", c.c_void_p),
    ("retryable", c.c_int32),
    ("retry_after_seconds", c.c_int32),
    ("private_data", c.c_void_p),
    ("release", _releases(DativoError)),
]

DativoJson._fields_ = [
    ("data", c.c_void_p),
    ("length", c.c_uint64),
    ("private_data", c.c_void_p),
    ("release", _releases(DativoJson)),
]

DativoReading._fields_ = [
    (
        "next",
        c.CFUNCTYPE(Status, c.POINTER(DativoReading), c.POINTER(ArrowArrayStream), c.POINTER(DativoError)),
    ),
    ("last_error", c.CFUNCTYPE(Status, c.POINTER(DativoReading), c.POINTER(DativoError))),
    ("position", c.CFUNCTYPE(c.c_uint64, c.POINTER(DativoReading))),
    ("cancel", c.CFUNCTYPE(None, c.POINTER(DativoReading))),
    ("private_data", c.c_void_p),
    ("release", _releases(DativoReading)),
]


def _verb(*more: Any) -> Any:
    """Give the type of a slot: an instance, a request with its length, what it fills or takes, an error."""
    return c.CFUNCTYPE(Status, c.POINTER(DativoInstance), c.c_char_p, c.c_uint64, *more, c.POINTER(DativoError))


_ANSWERS = _verb(c.POINTER(DativoJson))

DativoInstance._fields_ = [
    ("size", c.c_uint64),
    ("check", _ANSWERS),
    ("discover", _ANSWERS),
    ("estimate", _ANSWERS),
    ("split", _ANSWERS),
    ("read", _verb(c.POINTER(DativoReading))),
    ("reached", _ANSWERS),
    ("write", _verb(c.POINTER(ArrowArrayStream), c.POINTER(DativoJson))),
    ("commit", _ANSWERS),
    ("abort", _ANSWERS),
    ("cancel", c.CFUNCTYPE(None, c.POINTER(DativoInstance))),
    ("private_data", c.c_void_p),
    ("release", _releases(DativoInstance)),
    ("reserved", c.c_void_p * 4),
]

DativoPlugin._fields_ = [
    ("size", c.c_uint64),
    ("version", c.c_uint32),
    ("flags", c.c_uint32),
    ("spec", c.CFUNCTYPE(Status, c.POINTER(DativoPlugin), c.POINTER(DativoJson), c.POINTER(DativoError))),
    (
        "open",
        c.CFUNCTYPE(
            Status,
            c.POINTER(DativoPlugin),
            c.c_char_p,
            c.c_uint64,
            c.POINTER(DativoInstance),
            c.POINTER(DativoError),
        ),
    ),
    ("private_data", c.c_void_p),
    ("release", _releases(DativoPlugin)),
    ("reserved", c.c_void_p * 4),
]

Init = c.CFUNCTYPE(Status, c.c_uint32, c.POINTER(DativoPlugin), c.POINTER(DativoError))

STRUCTS = (DativoError, DativoJson, DativoReading, DativoInstance, DativoPlugin, ArrowArrayStream)


def layout() -> dict[str, dict[str, int]]:
    """Give the size of each struct of the header, and where its fields begin, in bytes."""
    return {
        struct.__name__: {"": c.sizeof(struct), **{n: getattr(struct, n).offset for n, *_ in struct._fields_}}
        for struct in STRUCTS
    }
