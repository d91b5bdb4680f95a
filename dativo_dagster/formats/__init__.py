"""File formats as Arrow batches, both ways; no network."""
