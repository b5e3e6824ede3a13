"""gold.inventory_forecasts: units each product will sell on each of the next days.

One row per product sold in the last `history_days` (56) and target date. The level is the mean
of the product's own last days, the quantiles are those of the same days (Hyndman & Fan 1996,
type 1: order statistics, which cannot cross), and both follow the weekdays of the product's
department: single products sell too rarely to show weekdays of their own.

A day is the net of its purchases and refunds, at least 0. Days without sale count as 0 from
the product's first sale within the look-back on, so that a new product has a short history
instead of empty weeks; since that history starts with a sale, its mean runs high.

The kernel (`demand_matrix`, `weekday_factors`, `forecast`, `reasons`) is NumPy without Spark.
Sums are over integers, thousandths of units; no sum of doubles depends on the partitioning.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakeshop.builder import Night, Tables
from lakeshop.features.users import with_department
from lakeshop.frames import age_in_days
from lakeshop.planning import Forecasts

Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Weekdays = Mapping[str | None, Doubles]

THOUSANDTHS = 1000
# Order lines of an even week that each weekday of a department is mixed with: between 20 and
# 200 made no difference on three nights of Complete Journey, 1,000 was worse.
PRIOR_LINES = 50
WEEKDAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")


def inventory_forecasts(tables: Tables, night: Night) -> DataFrame:
    """One row per product sold in the last `history_days` and day of the horizon."""
    options = night.settings.forecasts
    demand = night.keep(
        tables["features.user_product_days"]
        .transform(per_product, night.day, options.history_days)
        .transform(with_history, tables["features.products"], options.history_days)
        .transform(with_department, tables["silver.products"])
    )
    weekdays = department_weekdays(demand, night.day)
    names = [quantile_name(level) for level in options.quantiles]
    numbers = ", ".join(f"{name} DOUBLE" for name in ("mean", *names))
    arrays = demand.select(
        *("product_id", "department", "history"),
        F.col("entries.age").alias("ages"),
        F.col("entries.thousandths").alias("thousandths"),
    )
    return arrays.mapInPandas(
        _method(weekdays, night.day, options),
        f"product_id STRING, horizon INT, {numbers}, reason STRING",
    ).select(
        "product_id",
        F.date_add(F.lit(night.day), F.col("horizon")).alias("target_date"),
        "horizon",
        "mean",
        *names,
        F.lit(f"mean_{options.history_days}_days_x_weekday").alias("method"),
        "reason",
    )


def quantile_name(level: float) -> str:
    """The column of a quantile: q05 for 0.05."""
    return f"q{100 * level:02.0f}"


def per_product(days: DataFrame, day: date, history_days: int) -> DataFrame:
    """One row per product with a sale in the last `history_days`.

    `entries` are the days on which it moved: age, thousandths of units, order lines.
    """
    age = age_in_days(day)
    net = F.greatest(F.sum("units") * THOUSANDTHS, F.lit(0)).cast("bigint")
    per_day = (
        days.where(age < history_days)
        .groupBy("product_id", age.alias("age"))
        .agg(net.alias("thousandths"), F.sum("lines").alias("lines"))
    )
    return (
        per_day.groupBy("product_id")
        .agg(
            F.collect_list(F.struct("age", "thousandths", "lines")).alias("entries"),
            F.sum("lines").alias("lines"),
        )
        .where(F.col("lines") > 0)
        .drop("lines")
    )


def with_history(demand: DataFrame, products: DataFrame, history_days: int) -> DataFrame:
    """Add `history`: days since the product's first sale, today included, up to `history_days`."""
    days = F.least(F.col("age_days") + 1, F.lit(history_days))
    histories = products.select("product_id", days.alias("history"))
    return demand.join(histories, on="product_id", how="inner")


def department_weekdays(demand: DataFrame, day: date) -> Weekdays:
    """The weekday factors of each department; under None those of the whole shop."""
    weekday = F.pmod(F.lit(day.weekday()) - F.col("age"), F.lit(7)).alias("weekday")
    sold = demand.select("department", F.inline("entries")).groupBy("department", weekday)
    known = demand.select("department", F.explode(F.expr("sequence(0, history - 1)")).alias("age"))
    sums = (
        sold.agg(F.sum("lines").alias("count"))
        .withColumn("counted", F.lit(0))
        .unionByName(known.groupBy("department", weekday).count().withColumn("counted", F.lit(1)))
        .collect()
    )
    departments = sorted({row["department"] for row in sums} - {None})
    counts = np.zeros((2, len(departments) + 1, 7), np.int64)
    for row in sums:
        # Products without department count for the shop alone, which is the last place.
        place = departments.index(row["department"]) if row["department"] is not None else -1
        counts[row["counted"], place, row["weekday"]] = row["count"]
    counts[:, -1] = counts.sum(axis=1)
    factors = weekday_factors(counts[0], counts[1], PRIOR_LINES)
    return dict(zip([*departments, None], factors, strict=True))


def weekday_factors(lines: Integers, exposure: Integers, prior: float) -> Doubles:
    """How each weekday compares with the average day, by row; the mean of a row is 1.

    Lines rather than units are counted: one line of fuel has thousands of units. A weekday is
    shrunk towards 1 as the mean of a gamma prior on a Poisson rate (Clayton & Kaldor 1987).

    Args:
        lines: order lines, one row per department, Monday to Sunday.
        exposure: product-days that these lines are from, of the same shape.
        prior: lines of an even week that each weekday is mixed with, more than 0.
    """
    rate = lines.sum(axis=1, keepdims=True) / np.maximum(exposure.sum(axis=1, keepdims=True), 1)
    factors: Doubles = (lines + prior) / (exposure * rate + prior)
    factors /= factors.mean(axis=1, keepdims=True)
    return factors


def demand_matrix(
    ages: Sequence[npt.ArrayLike], values: Sequence[npt.ArrayLike], n: int
) -> Integers:
    """Products by ages 0 to n - 1, in thousandths of units; 0 where a product has no entry."""
    demand = np.zeros((len(ages), n), np.int64)
    if len(ages):
        rows = np.repeat(np.arange(len(ages)), [len(np.atleast_1d(a)) for a in ages])
        demand[rows, np.concatenate(ages)] = np.concatenate(values)
    return demand


def forecast(
    demand: Integers, history: Integers, factors: Doubles, *, weekday: int, options: Forecasts
) -> tuple[Doubles, Doubles]:
    """Mean and quantiles of each product's units on each day of the horizon.

    The mean is the Poisson maximum likelihood of a level times known factors, units by summed
    factors. For the quantiles each day's units are divided by its weekday's factor, and the
    order statistic number ceil(level * days) is multiplied by the target's.

    Args:
        demand: products by ages, thousandths of units, the business date first.
        history: days that count of each product, from 1.
        factors: products by weekdays, Monday first; above 0.
        weekday: of the business date, Monday is 0.
        options: history_days, horizon_days and quantiles.

    Returns:
        Products by horizons, and products by horizons by quantiles; in units, to 4 decimals.
    """
    by_age = factors[:, (weekday - np.arange(options.history_days)) % 7]
    by_target = factors[:, (weekday + 1 + np.arange(options.horizon_days)) % 7]
    counts = np.arange(options.history_days) < history[:, None]
    each = np.arange(len(demand))
    units = np.where(counts, demand, 0).sum(axis=1) / THOUSANDTHS
    # cumsum adds one by one: a row's result does not depend on the rows beside it.
    level = units / np.cumsum(by_age, axis=1)[each, history - 1]
    ordered = np.sort(np.where(counts, demand / THOUSANDTHS / by_age, np.inf), axis=1)
    # Rounded first: 0.07 * 100 is 7.000000000000001, whose ceiling would be 8.
    places = np.ceil(np.round(np.outer(history, options.quantiles), 9)).astype(np.int64)
    statistics = np.take_along_axis(ordered, np.maximum(places - 1, 0), axis=1)
    means: Doubles = np.round(level[:, None] * by_target, 4)
    quantiles: Doubles = np.round(statistics[:, None, :] * by_target[:, :, None], 4)
    return means, quantiles


def reasons(demand: Integers, history: Integers, factors: Doubles) -> npt.NDArray[np.object_]:
    """Why each product's forecast is what it is: products by weekdays, Monday first."""
    counted = np.where(np.arange(demand.shape[1]) < history[:, None], demand, 0)
    totals, days = counted.sum(axis=1).tolist(), (counted > 0).sum(axis=1).tolist()
    texts = np.empty(factors.shape, dtype=np.object_)
    for n, known in enumerate(history.tolist()):
        sold = f"sold {_units(totals[n])} {_period(days[n], known, demand.shape[1])}"
        for weekday, factor in enumerate(factors[n].tolist()):
            texts[n, weekday] = (
                f"{sold}; {WEEKDAYS[weekday]} are {factor:.2f} times the average day"
            )
    return texts


def _units(thousandths: int) -> str:
    whole, rest = divmod(thousandths, THOUSANDTHS)
    number = f"{whole}.{rest:03d}".rstrip("0").rstrip(".")
    return f"{number} unit" if thousandths == THOUSANDTHS else f"{number} units"


def _period(days: int, history: int, history_days: int) -> str:
    if history == history_days:
        return f"on {days} of the last {history} days"
    return (
        f"on {days} of the {history} days since its first sale"
        if history > 1
        else "on its first day"
    )


def _method(
    weekdays: Weekdays, day: date, options: Forecasts
) -> Callable[[Iterable[pd.DataFrame]], Iterator[pd.DataFrame]]:
    """The task: the forecasts of a batch of products."""
    horizons = np.arange(1, options.horizon_days + 1)
    names = ["mean", *[quantile_name(level) for level in options.quantiles]]

    def compute(batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            demand = demand_matrix(
                batch["ages"].to_list(), batch["thousandths"].to_list(), options.history_days
            )
            history = batch["history"].to_numpy(np.int64)
            known = [
                department if pd.notna(department) else None for department in batch["department"]
            ]
            factors = np.array([weekdays[department] for department in known]).reshape(-1, 7)
            means, quantiles = forecast(
                demand, history, factors, weekday=day.weekday(), options=options
            )
            numbers = np.concatenate([means[:, :, None], quantiles], axis=2)
            rows = pd.DataFrame(numbers.reshape(-1, len(names)), columns=names)
            rows["product_id"] = np.repeat(batch["product_id"].to_numpy(), horizons.size)
            rows["horizon"] = np.tile(horizons, len(batch))
            targets = (day.weekday() + horizons) % 7
            rows["reason"] = reasons(demand, history, factors)[:, targets].ravel()
            yield rows

    return compute
