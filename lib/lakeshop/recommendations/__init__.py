"""Recommendations: what to offer to whom."""
