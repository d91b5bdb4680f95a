"""Rows that meet rows: which of a run and of a table make up the table after a merge. Arrow and numpy only."""
