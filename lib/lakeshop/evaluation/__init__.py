"""Pure metric functions, without Spark: the same numbers in a test, a notebook and a night."""
