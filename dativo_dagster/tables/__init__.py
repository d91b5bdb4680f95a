"""Shelf of targets, one module a table format."""
