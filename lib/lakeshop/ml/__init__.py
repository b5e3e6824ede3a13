"""Machine learning without Spark: metrics, Keras layers, calibration, attribution."""
