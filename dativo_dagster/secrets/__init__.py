"""Shelf of secret managers."""
