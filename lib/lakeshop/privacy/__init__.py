"""Pseudonyms of persons, and the list of those who were erased."""
