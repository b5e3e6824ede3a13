"""The shop's currency, learned from its first lines, and lines of another one."""

from datetime import date, timedelta

import pytest
from pydantic import ValidationError
from pyspark.sql import functions as F

from lakeshop.config.shop import Shop
from lakeshop.silver.currency import FOREIGN, _most_frequent, foreign_warnings, is_foreign

DAY = date(2026, 3, 10)


def lines(spark, *currencies):
    values = [(DAY + timedelta(days=age), code) for age, code in currencies]
    return spark.createDataFrame(values, "business_date DATE, currency STRING")


@pytest.mark.parametrize(
    ("currencies", "expected"),
    [
        ([(0, "EUR"), (0, "CHF"), (0, "eur")], "EUR"),
        ([(0, "EUR"), (0, "CHF")], "CHF"),  # of equals the first by name
        ([(0, "EUR"), (1, "CHF"), (1, "CHF")], "EUR"),  # the first day decides
        ([(0, None), (1, "CHF")], "CHF"),  # rows without a currency are no good ones
        ([], None),
    ],
)
def test_the_most_frequent_of_the_first_good_day(spark, currencies, expected):
    frame = lines(spark, *currencies)
    is_good = F.col("currency").isNotNull()
    for rows in (frame, frame.repartition(4)):
        assert _most_frequent(rows, is_good) == expected


def test_lines_of_another_one_are_named_and_counted(spark):
    found = lines(spark, (0, "EUR"), (0, "eur"), (0, "CHF"), (0, "USD"), (0, "usd"), (0, None))
    rows = found.withColumn(FOREIGN, is_foreign("EUR"))
    [text] = foreign_warnings(rows)
    assert "1 of CHF, 2 of USD." in text
    assert foreign_warnings(found.withColumn(FOREIGN, is_foreign(None))) == ()


def test_a_constant_of_another_currency_is_refused():
    lines = {"path": "{date}.csv", "format": "csv", "columns": {"currency": {"constant": "EUR"}}}
    shop = {"name": "x", "zone": "UTC", "landing": "x", "entities": {"transactions": lines}}
    assert Shop(**shop, currency="EUR").currency == "EUR"
    with pytest.raises(ValidationError, match="constant of its transactions, received 'EUR'"):
        Shop(**shop, currency="USD")
    with pytest.raises(ValidationError, match="currency"):
        Shop(**shop, currency="euro")
