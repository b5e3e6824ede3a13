"""Fraud: which transactions somebody should look at."""
