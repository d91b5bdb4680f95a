"""Contracts made executable on Arrow batches."""
