"""Pseudonyms of users: HMAC-SHA-256 of the shop's own id, under a key that lies outside the lake.

A keyed hash, because plain hashes of ids are guessed by hashing all ids (RFC 2104; its
section 5 allows the truncation to 128 bits). The key travels to the Python workers as a
broadcast: it stands in no plan, no log and no table. Spark has no HMAC of its own.
"""

from collections.abc import Callable

import pandas as pd
from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.functions import pandas_udf

from lakeshop.privacy.pseudonyms import pseudonym_of


def pseudonyms(ids: pd.Series, key: bytes) -> pd.Series:
    """Pseudonyms of ids: 32 hex digits each, None for None. Every distinct id is hashed once."""
    codes, distinct = pd.factorize(ids)
    hashed = [pseudonym_of(i, key) for i in distinct]
    return pd.Series([hashed[code] if code >= 0 else None for code in codes], dtype=object)


def pseudonymiser(spark: SparkSession, key: bytes) -> Callable[[str], Column]:
    """A column function that turns a column of the shop's own ids into pseudonyms."""
    shared = spark.sparkContext.broadcast(key)

    @pandas_udf("string")  # type: ignore[call-overload,untyped-decorator,unused-ignore]
    def pseudonym(ids: pd.Series) -> pd.Series:
        return pseudonyms(ids, shared.value)

    return lambda column: pseudonym(F.col(column))
