"""What a cloud must be able to do to run plugins: take a request, give a reply, and tell what it cost."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from dativo_dagster.functions.prices import Price

KEPT_ALIVE = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPIDLE", socket.TCP_KEEPINTVL), 60),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 60),
)
"""Options of the connection that an invocation waits on: it is silent for up to an hour, and a firewall or a NAT
gateway forgets a silent one after minutes (AWS: 350 s). Linux alone begins after two hours. macOS has no KEEPIDLE."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the cloud takes: bytes of a request and of a reply, seconds of an invocation, memory of the function."""

    request_bytes: int
    reply_bytes: int
    seconds: float
    memory_mb: int


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back from an invocation that ended by itself.

    ``seconds`` are those billed, ``log`` the end of what the function printed, ``function`` its name. ``peak_mb`` and
    ``started`` are None where only the reply can tell.
    """

    payload: bytes
    function: str
    seconds: float
    peak_mb: int | None = None
    started: bool | None = None
    log: str = ""


class Functions(Protocol):
    """One deployed function. Any number of threads may invoke it at once.

    Attributes:
        place: The name of the place, for usage and errors.
        function: The name of the function.
        limits: What it takes.
        price: What it costs by list price; None when that is not known.
    """

    place: str
    function: str
    limits: Limits
    price: Price | None

    def invoke(self, payload: bytes) -> Answer:
        """Send a request, no larger than `limits` say, and wait for its reply. Tries nothing twice.

        Raises:
            DativoError: One of `dativo_dagster.functions.faults`: the invocation did not end by itself.
        """
        ...
