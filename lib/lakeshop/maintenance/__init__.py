"""Upkeep of the lake: persons erased, old rows removed, files compacted and cleared away."""
