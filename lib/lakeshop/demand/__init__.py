"""Demand: how many units will be sold, with quantiles, per series and day."""
