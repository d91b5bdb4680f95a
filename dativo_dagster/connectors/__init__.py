"""Shelf of sources, one module a system."""
