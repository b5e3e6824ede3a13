"""Folds of the prequential evaluation: each of the last weeks, scored by models of its time.

A week is a fold. Its models learn from lines and labels known on the night before the week began.
They are evaluated on the week's lines with the labels known now (Gama et al. 2013; with the delay
of labels as in Le Borgne et al. 2022). Weeks end with the newest mature day, so that every line
has a label or counts as genuine.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakeshop.engine.transforms import is_nth
from lakeshop.fraud.settings import Fraud
from lakeshop.fraud.training import TARGET, newest_mature_day, with_label
from lakeshop.training.groups import FOLD, IS_TRAIN

WEIGHT = "weight"


@dataclass(frozen=True)
class Week:
    """A week that is tested, by its first day."""

    first: date

    @property
    def last(self) -> date:
        """Its last day."""
        return self.first + timedelta(days=6)

    @property
    def eve(self) -> date:
        """The night before it, whose labels and lines its models know."""
        return self.first - timedelta(days=1)


def weeks_before(day: date, options: Fraud) -> list[Week]:
    """The `report_weeks` whole weeks up to the newest day that is mature on `day`, oldest first."""
    last = newest_mature_day(day, options)
    ages = range(options.report_weeks, 0, -1)
    return [Week(last - timedelta(days=7 * age - 1)) for age in ages]


def folds(lines: DataFrame, labels: DataFrame, day: date, options: Fraud) -> DataFrame:
    """Rows of features.transactions with fold (first day of a week), is_train, is_fraud, weight.

    Of genuine training lines beyond `report_lines` a fold keeps every n-th, by a hash of its
    id, with weight n: a fold is held by one task.

    Args:
        lines: rows of features.transactions up to `day`.
        labels: versions of silver.fraud_labels.
        day: the night whose labels evaluate.
        options: maturity, days of training, weeks and lines of the report.
    """
    parts = [_fold(lines, labels, day, week, options) for week in weeks_before(day, options)]
    return reduce(DataFrame.unionByName, parts)


def _fold(lines: DataFrame, labels: DataFrame, day: date, week: Week, options: Fraud) -> DataFrame:
    first = _learned_from(week, options)
    seen = lines.where(
        (F.col("business_date") <= F.lit(week.eve)) & (F.col("event_date") >= F.lit(first))
    )
    learned = with_label(seen, labels, week.eve, options)
    within = F.col("event_date").between(F.lit(week.first), F.lit(week.last))
    tested = with_label(lines.where(within), labels, day, options)
    return (
        thinned(learned, options.report_lines)
        .withColumn(IS_TRAIN, F.lit(True))
        .unionByName(tested.withColumns({IS_TRAIN: F.lit(False), WEIGHT: F.lit(1.0)}))
        .withColumn(FOLD, F.lit(week.first))
    )


def thinned(examples: DataFrame, most: int) -> DataFrame:
    """Examples with a weight: all frauds, and of the others every n-th where there are too many."""
    genuine = examples.where(F.col(TARGET) == 0).count()
    every = max(1, -(-genuine // most))
    is_fraud = F.col(TARGET) == 1
    is_kept = is_fraud | is_nth("transaction_id", every)
    weight = F.when(is_fraud, F.lit(1.0)).when(~is_fraud, F.lit(float(every)))
    return examples.where(is_kept).withColumn(WEIGHT, weight)


def first_day_read(day: date, options: Fraud) -> date:
    """The first event date that any fold reads."""
    return _learned_from(weeks_before(day, options)[0], options)


def _learned_from(week: Week, options: Fraud) -> date:
    """The first event date that a week's models learn from."""
    return newest_mature_day(week.eve, options) - timedelta(days=options.train_days)
