"""The lake: the only package that touches Delta tables and the JVM behind them."""
