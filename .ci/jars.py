"""Starts Spark once, so that it fetches the Delta jars the configuration names."""

from lakeshop.engine.session import spark_session

spark_session("set-up").stop()
