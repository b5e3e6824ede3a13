"""Contracts of tables: types, keys, checks, inputs, and what follows from them."""
