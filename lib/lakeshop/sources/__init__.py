"""Readers of deliveries: files and databases, and how their columns become ours."""
