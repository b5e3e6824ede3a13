"""Forecasting methods, their calibration and their choice, without Spark."""
