"""Keys of states: ``<tenant>.<job>.<stream>``, then ``@<partition>`` of a part, or ``#replay`` of the quarantine."""

from __future__ import annotations

PARTITION, REPLAY = "@", "#replay"


def base(key: str) -> str:
    """Give the key of the whole stream."""
    return key.removesuffix(REPLAY).partition(PARTITION)[0]


def partition(key: str) -> str | None:
    """Give the partition that a key is about, None when it is the whole stream's."""
    return key.removesuffix(REPLAY).partition(PARTITION)[2] or None


def may_share(one: str, other: str) -> bool:
    """Say whether two keys may have read the same rows: a stream with itself, and the whole with each of its parts."""
    if base(one) != base(other):
        return False
    return partition(one) == partition(other) or partition(one) is None or partition(other) is None
