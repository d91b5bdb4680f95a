"""Shelf of checks: what is said about a commit after it happened."""
