"""Keras models, and what makes their scores usable: calibration, attribution, reasons. No Spark.

Builders return built, uncompiled models from JSON-able arguments. Layers and losses are registered
with Keras as `lakeshop>...`: import `lakeshop.models.layers` before a file with them is loaded.
"""
