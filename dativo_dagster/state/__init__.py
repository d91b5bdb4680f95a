"""Cursors and windows: what is new at a source."""
