"""Delivered rows that mention erased persons, and a delivery without them.

A row mentions a person if any column that holds users in any entity of the shop has their id. An id
too long to be a mere number counts anywhere in the row. A row that cannot be read, or a file
without its column of users, is searched for ids of any length: one row of dirt too many is better
than a person. A file's first row may be a person's too, read as its header.
"""

from collections.abc import Callable, Mapping
from functools import cache, lru_cache

import pandas as pd
from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.functions import pandas_udf

from lakeshop.config.shop import ColumnMapping, Entity, Shop
from lakeshop.contracts.types import holds
from lakeshop.engine.run import Run
from lakeshop.privacy.erasure_list import Erased, read_list
from lakeshop.sources.mapping import FAILED, KEYS, MALFORMED, TEXT, source_columns, with_text
from lakeshop.storage.run_log import Counts

IS_ERASED = "is_erased"
SHORT = 1000  # letters: texts that may well come again


def without_erased(run: Run, rows: DataFrame, entity: Entity) -> tuple[DataFrame, Counts | None]:
    """The delivered rows that mention no erased person, and the counts of omitted rows."""
    erased = read_list(run.settings.maintenance.erased, run.key)
    if not erased:
        return rows, None
    marked = with_erased(rows, entity, run.settings.shop, erased)
    marked = marked.persist(StorageLevel.MEMORY_AND_DISK)
    found = marked.agg(F.count("*").alias("all"), F.count_if(IS_ERASED).alias("gone")).first()
    assert found is not None
    kept = marked.where(~F.col(IS_ERASED)).select(*rows.columns)
    if not found["gone"]:
        return kept, None
    warning = f"erased: {found['gone']} rows of erased persons left out"
    return kept, Counts(found["all"], warnings=(warning,))


def with_erased(rows: DataFrame, entity: Entity, shop: Shop, erased: Erased) -> DataFrame:
    """Add `is_erased`: true where a delivered row mentions an erased person."""
    by_user = entity.model_copy(update={"columns": user_origins(shop), "where": None})
    parsed = with_text(rows, by_user)
    own = [n for n, origin in by_user.columns.items() if origin == entity.columns.get("user_id")]
    has_failed = F.arrays_overlap(F.col(FAILED), F.array(*map(F.lit, own)).cast("array<string>"))
    is_broken = F.col(MALFORMED) | F.col("fault").isNotNull() | has_failed | _lacks_users(entity)
    # An array that a row holds is not opened here: whoever stands in it is found in the text.
    read = source_columns(by_user.columns.values())
    if entity.lines is not None and any(n.startswith(f"{entity.lines}.") for n in read):
        is_broken = F.lit(True)
    users = F.array(*[F.col(TEXT)[name] for name in by_user.columns])
    texts = F.array("raw", "fault", "header")
    is_erased = mentions_erased(rows.sparkSession, erased)(users, texts, is_broken)
    return parsed.withColumn(IS_ERASED, is_erased).select(*rows.columns, IS_ERASED)


def _lacks_users(entity: Entity) -> Column:
    """True for a file without the entity's column of users; JSON may leave it out of a row."""
    origin = entity.columns.get("user_id")
    if origin is None or entity.format == "json":
        return F.lit(False)
    columns = F.array(*map(F.lit, source_columns([origin]))).cast("array<string>")
    return F.size(F.array_except(columns, KEYS)) > 0


def user_origins(shop: Shop) -> Mapping[str, ColumnMapping]:
    """Columns of users in any entity of the shop: another entity may deliver the same columns."""
    origins: list[ColumnMapping] = []
    for _, entity in sorted(shop.entities.items()):
        origin = entity.columns.get("user_id")
        if origin is not None and origin.constant is None and origin not in origins:
            origins.append(origin)
    return {f"user_{number}": origin for number, origin in enumerate(origins)}


Mentions = Callable[[Column, Column, Column], Column]


def mentions_erased(spark: SparkSession, erased: Erased) -> Mentions:
    """A column function: true where users or texts, arrays both, mention an erased person.

    Users are the shop's own ids. A text may also be a pseudonym; the third column is true where
    short ids count in texts. Erased persons travel to the Python workers as a broadcast: no plan
    contains them.
    """
    shared = spark.sparkContext.broadcast(erased)

    @pandas_udf("boolean")  # type: ignore[call-overload,untyped-decorator,unused-ignore]
    def mentioned(users: pd.Series, texts: pd.Series, is_broken: pd.Series) -> pd.Series:
        gone = shared.value
        is_one = cache(gone.is_one)  # who acts once mostly does again

        def is_in(text: str, broken: bool) -> bool:
            found = gone.is_in(text, long_ones_alone=not broken)
            return found or text in gone.pseudonyms

        is_in_short = lru_cache(10_000)(is_in)  # and a file has one header

        return pd.Series(
            any(is_one(user) for user in who if user)
            or any(
                (is_in_short if len(text) < SHORT else is_in)(text, broken) for text in what if text
            )
            for who, what, broken in zip(users, texts, is_broken, strict=True)
        )

    return mentioned  # type: ignore[no-any-return,unused-ignore]


def _no_texts() -> Column:
    return F.array().cast("array<string>")


def texts_in(values: Column, kind: T.DataType) -> Column:
    """All texts that a column of any type holds, as an array: elements, keys, values, fields."""
    if isinstance(kind, T.StringType):
        return F.array(values)
    if not holds(kind, T.StringType):
        return _no_texts()
    if isinstance(kind, T.ArrayType):
        within = F.flatten(F.transform(values, lambda value: texts_in(value, kind.elementType)))
        return F.coalesce(within, _no_texts())
    if isinstance(kind, T.MapType):
        keys, held = F.map_keys(values), F.map_values(values)
        parts = [
            texts_in(keys, T.ArrayType(kind.keyType)),
            texts_in(held, T.ArrayType(kind.valueType)),
        ]
    else:
        assert isinstance(kind, T.StructType)
        parts = [texts_in(values[field.name], field.dataType) for field in kind.fields]
    return F.concat(*parts)
