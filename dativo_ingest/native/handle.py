"""Ownership of what a plugin hands out: one caller at a time, and one release, innermost first.

Instances, readings and streams are handles in a tree. The handles of one instance share one lock, because the plugin
promises nothing for two threads; `at_any_time` is for the two slots that need no lock.
"""

from __future__ import annotations

import ctypes
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dativo_ingest.native.errors import Call

PATIENCE_SECONDS = 30.0  # that a cancelled call may take before its instance is left behind


class Handle:
    """A struct that a plugin filled.

    Args:
        struct: The filled struct; its ``release`` is not NULL.
        call: What the struct came from, for messages.
        parent: The handle that must outlive this one.
    """

    def __init__(self, struct: Any, call: Call, parent: Handle | None = None) -> None:
        self.struct = struct
        self.call = call
        self.parent = parent
        self.children: list[Handle] = []
        self.lock: threading.RLock = parent.lock if parent else threading.RLock()
        self._life = threading.Lock()
        if parent:
            parent.children.append(self)

    def has(self, slot: str) -> bool:
        """Say whether the plugin implements a slot."""
        return bool(getattr(self.struct, slot))

    def __call__(self, slot: str, *arguments: Any) -> Any:
        """Call a slot, alone.

        Raises:
            PluginError: The struct was released, by a `close` while somebody still read; or has no such slot.
        """
        with self.lock:
            if not self.struct.release:
                raise self.call.broken("was closed while it was in use")
            if not self.has(slot):
                raise self.call.broken(f"the {type(self.struct).__name__} has no `{slot}`", "PLUGIN_BAD_ANSWER")
            return getattr(self.struct, slot)(ctypes.byref(self.struct), *arguments)

    def at_any_time(self, slot: str) -> int | None:
        """Call ``cancel`` or ``position``, whatever other threads do; None when there is none or it is too late."""
        with self._life:
            if self.struct.release and self.has(slot):
                return int(getattr(self.struct, slot)(ctypes.byref(self.struct)) or 0)
            return None

    def cancel(self) -> None:
        """Ask all that runs on this handle, and on what came from it, to fail soon."""
        for child in tuple(self.children):
            child.cancel()
        if hasattr(self.struct, "cancel"):
            self.at_any_time("cancel")

    def release(self) -> None:
        """Release what came from this handle and then itself; does nothing the second time.

        Raises:
            PluginError: ``PLUGIN_STUCK``: a call of another thread did not end; the plugin keeps what it has, because
                to take it away under its feet would end the process.
        """
        if not self.lock.acquire(timeout=PATIENCE_SECONDS):
            message = f"did not stop within {PATIENCE_SECONDS:g} s of being cancelled; what it holds is not released"
            raise self.call.broken(message, "PLUGIN_STUCK")
        try:
            while self.children:
                self.children[-1].release()
            if self.parent and self in self.parent.children:
                self.parent.children.remove(self)
            with self._life:
                _release_once(self.struct)
        finally:
            self.lock.release()


def _release_once(struct: Any) -> None:
    if struct.release:
        struct.release(ctypes.byref(struct))
        struct.release = type(struct.release)()  # a plugin that forgets to say so is not asked again
