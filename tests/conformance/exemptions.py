"""Promises that a subject does not keep, each with the reason. What is not here must pass, or have nothing to see."""

from __future__ import annotations

EXEMPTIONS: dict[str, dict[str, str]] = {}
