"""Replays of reorder policies over histories of demand, without Spark."""
