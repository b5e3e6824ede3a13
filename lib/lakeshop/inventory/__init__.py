"""Inventory: what to order, and when."""
