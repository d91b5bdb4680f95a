"""Logical types of contracts, as text and as values. Knows no Arrow; `validation.typemap` does.

Grammar (case-insensitive, blanks ignored)::

    boolean  int8 int16 int32 int64  uint8 uint16 uint32 uint64  float double
    decimal(p,s)  string  binary  uuid  date  json
    time[unit]  timestamp[unit]  timestamptz[unit]          unit: s ms us ns, us when left out
    list<T>  map<K,V>  struct<name: T, ...>

Names of the earlier system and of ODCS are aliases: ``integer`` and ``bigint`` are int64, ``number`` is double,
``datetime`` is timestamp.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Unit = Literal["s", "ms", "us", "ns"]
