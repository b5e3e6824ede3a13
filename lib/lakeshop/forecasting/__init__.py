"""Forecasts of many series at once, without Spark: methods, distributions, choice, calibration."""
