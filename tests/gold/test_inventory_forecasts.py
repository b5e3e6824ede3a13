from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from math import ceil

import numpy as np
import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from conftest import Rows, collected
from lakeshop.builder import Night
from lakeshop.contract import DAY as BUSINESS_DATE
from lakeshop.contract import Contract
from lakeshop.features.products import buyers
from lakeshop.features.user_products import user_products
from lakeshop.gold.inventory_forecasts import (
    PRIOR_LINES,
    demand_matrix,
    forecast,
    inventory_forecasts,
    quantile_name,
    reasons,
    weekday_factors,
)
from lakeshop.planning import Forecasts
from lakeshop.settings import Settings

DAY = date(2026, 3, 7)  # a Saturday
SATURDAY = 5
LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
OPTIONS = Forecasts(history_days=56, horizon_days=28, quantiles=LEVELS)
EVEN = np.ones(7)
NUMBERS = ["mean", *[quantile_name(level) for level in LEVELS]]


# The kernel, without Spark.


def test_quantile_names() -> None:
    assert [quantile_name(level) for level in LEVELS] == [
        *("q05", "q10", "q25", "q50", "q75", "q90", "q95")
    ]


def test_weekday_factors_by_hand() -> None:
    # 56 lines of 56 product-days, 8 of each weekday: one line a day, 8 expected per weekday.
    # Mixed with 8 lines of an even week: Monday (14 + 8) / (8 + 8) = 1.375, the others
    # (7 + 8) / 16 = 0.9375; their mean is (1.375 + 6 * 0.9375) / 7 = 1, so nothing to divide.
    lines = np.array([[14, 7, 7, 7, 7, 7, 7]])
    found = weekday_factors(lines, np.full((1, 7), 8), 8)
    assert found.tolist() == [[1.375, *[0.9375] * 6]]


def test_weekdays_with_more_product_days_are_not_taken_for_better_ones() -> None:
    # Every product-day has two lines, but there are three times as many Mondays: all factors 1.
    exposure = np.array([[30, 10, 10, 10, 10, 10, 10]])
    assert weekday_factors(2 * exposure, exposure, 50) == pytest.approx(np.ones((1, 7)))


def test_weekday_factors_average_one_and_are_above_zero() -> None:
    random = np.random.default_rng(1)
    lines, exposure = random.integers(0, 900, (2, 200, 7))
    found = weekday_factors(lines, exposure, PRIOR_LINES)
    assert found.mean(axis=1) == pytest.approx(np.ones(200), abs=1e-12)
    assert found.min() > 0


@pytest.mark.parametrize("exposure", [0, 8])
def test_without_lines_all_weekdays_are_even(exposure: int) -> None:
    lines = np.zeros((1, 7), np.int64)
    assert weekday_factors(lines, np.full((1, 7), exposure), 50).tolist() == [[1.0] * 7]


def test_demand_matrix_places_entries_by_age() -> None:
    found = demand_matrix([[2, 0], [1]], [[3000, 500], [1000]], 4)
    assert found.tolist() == [[500, 0, 3000, 0], [0, 1000, 0, 0]]
    assert demand_matrix([], [], 4).shape == (0, 4)


def _demand(*by_age: int) -> np.ndarray:
    return np.array([[*by_age, *[0] * (56 - len(by_age))]], np.int64)


def test_mean_and_quantiles_by_hand() -> None:
    # Four days with 2, 0, 1 and 0 units: mean 3/4. In order 0, 0, 1, 2; the quantile of level p
    # is number ceil(4 p): numbers 1, 1, 1, 2, 3, 4, 4.
    means, quantiles = forecast(
        _demand(2000, 0, 1000), np.array([4]), EVEN[None], weekday=SATURDAY, options=OPTIONS
    )
    assert means.tolist() == [[0.75] * 28]
    assert quantiles.tolist() == [[[0, 0, 0, 0, 1, 2, 2]] * 28]


def test_weekdays_move_mean_and_quantiles() -> None:
    # Saturday has twice the average, the others 5/6 (12 * 5/6 + ... : 2 + 6 * 5/6 = 7).
    # Two days: Saturday (age 0) 4 units, Friday (age 1) 0. Level 4 / (2 + 5/6) = 24/17.
    # Even days' demand is 4 / 2 = 2 and 0. Target 7 days on is a Saturday: mean 48/17 = 2.8235,
    # upper quantiles 2 * 2 = 4. Target 1 is a Sunday: 20/17 = 1.1765, and 2 * 5/6 = 1.6667.
    factors = np.full((1, 7), 5 / 6)
    factors[0, SATURDAY] = 2
    means, quantiles = forecast(
        _demand(4000, 0), np.array([2]), factors, weekday=SATURDAY, options=OPTIONS
    )
    assert means[0, [0, 6, 7, 13]].tolist() == [1.1765, 2.8235, 1.1765, 2.8235]
    assert quantiles[0, 6].tolist() == [0, 0, 0, 0, 4, 4, 4]
    assert quantiles[0, 0].tolist() == [0, 0, 0, 0, 1.6667, 1.6667, 1.6667]


def test_days_before_the_history_do_not_count() -> None:
    demand = _demand(1000, 0, 7000)
    means, quantiles = forecast(
        demand, np.array([2]), EVEN[None], weekday=SATURDAY, options=OPTIONS
    )
    assert means[0, 0] == 0.5
    assert quantiles.max() == 1


def _random_products(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(7)
    demand = random.poisson(0.7, (n, 56)) * random.integers(1, 3000, (n, 1))
    history = random.integers(1, 57, n)
    history[:56] = np.arange(1, 57)
    factors = random.uniform(0.5, 2, (n, 7))
    return demand, history, factors / factors.mean(axis=1, keepdims=True)


def test_forecast_is_the_oracle() -> None:
    demand, history, factors = _random_products(120)
    means, quantiles = forecast(demand, history, factors, weekday=2, options=OPTIONS)
    for n in range(120):
        known = [Fraction(int(u), 1000) for u in demand[n, : history[n]]]
        by_weekday = [Fraction(f) for f in factors[n].tolist()]
        exact = _oracle_of(known, by_weekday, weekday=2)
        assert means[n].tolist() == pytest.approx([row[0] for row in exact], abs=6e-5)
        assert quantiles[n] == pytest.approx(np.array([row[1:] for row in exact]), abs=6e-5)


def test_quantiles_do_not_cross() -> None:
    means, quantiles = forecast(*_random_products(500), weekday=4, options=OPTIONS)
    assert (np.diff(quantiles, axis=2) >= 0).all()
    assert quantiles.min() >= 0
    assert means.min() >= 0


def test_a_product_does_not_depend_on_the_others_of_its_batch() -> None:
    demand, history, factors = _random_products(100)
    together = forecast(demand, history, factors, weekday=0, options=OPTIONS)
    for n in range(100):
        one = slice(n, n + 1)
        alone = forecast(demand[one], history[one], factors[one], weekday=0, options=OPTIONS)
        assert np.array_equal(alone[0], together[0][one])
        assert np.array_equal(alone[1], together[1][one])


@pytest.mark.parametrize(
    ("by_age", "history", "sold"),
    [
        ((30000, 4500), 56, "sold 34.5 units on 2 of the last 56 days"),
        ((0, 1000), 10, "sold 1 unit on 1 of the 10 days since its first sale"),
        ((100000, 9000), 1, "sold 100 units on its first day"),
        ((0,), 3, "sold 0 units on 0 of the 3 days since its first sale"),
    ],
)
def test_reasons_say_what_was_sold(by_age: tuple[int, ...], history: int, sold: str) -> None:
    factors = np.array([[1.375, *[0.9375] * 6]])
    found = reasons(_demand(*by_age), np.array([history]), factors)
    assert found[0, 0] == f"{sold}; Mondays are 1.38 times the average day"
    assert found[0, 6] == f"{sold}; Sundays are 0.94 times the average day"


# The table.


def _sold(product_id: str, age: int, units: object, **more: object) -> dict[str, object]:
    day = DAY - timedelta(days=age)
    return {
        "business_date": day,
        "event_date": day,
        "user_id": "u1",
        "product_id": product_id,
        "units": Decimal(str(units)),
        **{"lines": 1, **more},
    }


def _forecasts(
    days: DataFrame, products: DataFrame, settings: Settings, day: date = DAY
) -> DataFrame:
    night = Night(day, settings)
    tables = {"features.user_product_days": days, "silver.products": products}
    # What the table takes from features.products is what that table makes of the same days.
    habits = user_products(tables, night)
    tables["features.products"] = buyers(habits, settings.features)
    return inventory_forecasts(tables, night)


def test_products_by_hand(
    rows: Rows, settings: Settings, contracts: Mapping[str, Contract]
) -> None:
    # All are in one department each or in none; two lines of 50 do not make a weekday.
    late = {"business_date": DAY}
    days = rows(
        "features.user_product_days",
        _sold("once", 30, 3),
        _sold("yesterday", 1, 2),
        _sold("today", 0, "1.5"),
        _sold("old", 100, 9),
        _sold("old", 3, 28),
        _sold("at the edge", 55, 1),
        _sold("gone", 56, 5),
        _sold("shared", 2, 1),
        _sold("shared", 2, 2, user_id="u2"),
        _sold("shared", 2, 4, **late),
        _sold("returned", 4, 1),
        _sold("returned", 4, -3, user_id="u2", lines=0),
        _sold("returned", 0, -2, lines=0),
        _sold("only returned", 90, 1),
        _sold("only returned", 2, -1, lines=0),
        _sold("only viewed", 2, 0, lines=0, views=3),
    )
    names = ["once", "yesterday", "today", "old", "at the edge", "shared", "returned"]
    # "returned" is alone in its department, which so has no demand at all.
    products = rows(
        "silver.products", *[{"product_id": n, "department": n} for n in names if n != "today"]
    )
    made = _forecasts(days, products, settings)
    found = {(r["product_id"], r["horizon"]): r for r in made.collect()}

    assert {product_id for product_id, _ in found} == set(names)
    assert len(found) == len(names) * 28
    assert found["once", 1]["target_date"] == date(2026, 3, 8)
    assert found["once", 28]["target_date"] == date(2026, 4, 4)
    assert found["once", 1]["method"] == "mean_56_days_x_weekday"
    # First sold 30 days ago: 31 days. A week of targets sums to 7 times the level, which is
    # 3 units / 31 days = 0.0968 but for the weekdays, which one line moves by 2 of 100.
    sold = {n: found[n, 1]["reason"].split(";")[0] for n in names}
    assert sold == {
        "once": "sold 3 units on 1 of the 31 days since its first sale",
        "yesterday": "sold 2 units on 1 of the 2 days since its first sale",
        "today": "sold 1.5 units on its first day",
        "old": "sold 28 units on 1 of the last 56 days",
        "at the edge": "sold 1 unit on 1 of the last 56 days",
        "shared": "sold 7 units on 1 of the 3 days since its first sale",
        "returned": "sold 0 units on 0 of the 5 days since its first sale",
    }
    weeks = {n: sum(found[n, h]["mean"] for h in range(1, 8)) / 7 for n in names}
    levels = {"once": 3 / 31, "yesterday": 1, "today": 1.5, "old": 0.5, "returned": 0}
    assert {n: weeks[n] for n in levels} == pytest.approx(levels, rel=0.03)
    # Two days, 0 and 2 units: q50 is number ceil(2 * 0.5) = 1, q75 number 2. Both days of its
    # history are a Friday, with the sale, and a Saturday; Fridays come again at horizon 6.
    assert [found["yesterday", 6][q] for q in ("q05", "q50", "q75", "q95")] == [0, 0, 2, 2]
    assert {found["returned", h][n] for h in range(1, 29) for n in NUMBERS} == {0.0}
    _holds_to_its_contract(made, contracts["gold.inventory_forecasts"])


def test_weekdays_are_those_of_the_department(rows: Rows, settings: Settings) -> None:
    # Eight weeks of two products. Bread sells 50 lines on each Saturday and none else: 400 lines
    # of 56 days, 400/7 expected per weekday. Saturday (400 + 50) / (400/7 + 50) = 4.2 and
    # the others 50 / (400/7 + 50) = 0.46667; their mean is (4.2 + 2.8) / 7 = 1.
    # Milk sells 50 lines on each Sunday, so in the shop 800 lines of 112 product-days:
    # 800/7 expected; Saturday and Sunday (400 + 50) / (800/7 + 50) = 2.73913, others 0.30435.
    saturdays = [_sold("bread", 7 * week, 50, lines=50) for week in range(8)]
    saturdays.append(_sold("bread", 100, 1))
    sundays = [_sold("milk", 7 * week + 6, 50, lines=50) for week in range(8)]
    sundays.append(_sold("milk", 100, 1))
    days = rows("features.user_product_days", *saturdays, *sundays)
    products = rows(
        "silver.products",
        {"product_id": "bread", "department": "bakery"},
        {"product_id": "milk", "department": None},
    )
    found = {
        (r["product_id"], r["horizon"]): (r["mean"], r["q90"], r["reason"].split("; ")[1])
        for r in _forecasts(days, products, settings).collect()
    }
    # 400 units / 56 days = 7.142857 a day: times 4.2 is 30, times 0.46667 is 3.3333. The highest
    # eighth of the even days' demand is 50 / 4.2 = 11.90476: times 0.46667 is 5.5556.
    assert found["bread", 7] == (30.0, 50.0, "Saturdays are 4.20 times the average day")
    assert found["bread", 2] == (3.3333, 5.5556, "Mondays are 0.47 times the average day")
    # 7.142857 * 2.739130 = 19.5652, 7.142857 * 0.304348 = 2.1739; 50 / 2.73913 = 18.25397.
    assert found["milk", 8] == (19.5652, 50.0, "Sundays are 2.74 times the average day")
    assert found["milk", 7] == (19.5652, 50.0, "Saturdays are 2.74 times the average day")
    assert found["milk", 2] == (2.1739, 5.5556, "Mondays are 0.30 times the average day")


def test_the_table_is_the_oracle_however_it_is_partitioned(
    rows: Rows, settings: Settings, contracts: Mapping[str, Contract]
) -> None:
    random = np.random.default_rng(11)
    sales = [
        _sold(f"p{n:02}", int(age), units, user_id=f"u{k}", lines=int(units > 0))
        for n in range(30)
        for k, (age, units) in enumerate(
            zip(
                random.integers(0, random.integers(2, 120), 12),
                random.integers(-1500, 6000, 12) / 1000,
                strict=True,
            )
        )
    ]
    departments = {f"p{n:02}": ("a", "b", None)[n % 3] for n in range(28)}  # two are not known
    days = rows("features.user_product_days", *sales)
    products = rows(
        "silver.products",
        *[{"product_id": p, "department": department} for p, department in departments.items()],
    )
    whole = _forecasts(days.repartition(1), products, settings)
    split = _forecasts(days.repartition(7), products.repartition(7), settings)
    found = collected(whole)
    assert collected(split) == found

    expected = _oracle(sales, departments)
    place = [whole.columns.index(name) for name in ("product_id", "horizon", *NUMBERS)]
    by_key = {(r[place[0]], r[place[1]]): [r[i] for i in place[2:]] for r in found}
    assert by_key.keys() == expected.keys()
    assert len(by_key) > 20 * 28
    for key, numbers in expected.items():
        assert by_key[key] == pytest.approx(numbers, abs=6e-5), key
    _holds_to_its_contract(whole, contracts["gold.inventory_forecasts"])


def test_nothing_sold_gives_no_rows(
    rows: Rows, settings: Settings, contracts: Mapping[str, Contract]
) -> None:
    made = _forecasts(rows("features.user_product_days"), rows("silver.products"), settings)
    assert made.count() == 0
    _has_the_columns(made, contracts["gold.inventory_forecasts"])


def _has_the_columns(made: DataFrame, contract: Contract) -> None:
    given = {BUSINESS_DATE, "run_id"}
    types = {c.name: c.type for c in contract.columns if c.name not in given}
    assert {f.name: f.dataType for f in made.schema.fields} == types


def _holds_to_its_contract(made: DataFrame, contract: Contract) -> None:
    _has_the_columns(made, contract)
    dated = made.withColumn(BUSINESS_DATE, F.lit(DAY))
    required = [F.col(c.name).isNotNull() for c in contract.columns if c.required]
    rules = [F.expr(check.holds) for check in contract.checks] + required
    broken = dated.withColumn("run_id", F.lit("x")).select(
        *[F.count_if(~F.coalesce(rule, F.lit(False))) for rule in rules]
    )
    assert set(broken.collect()[0]) == {0}
    assert made.select("product_id", "target_date").distinct().count() == made.count()


# The oracle: fractions and loops.


def _oracle(
    sales: Sequence[Mapping[str, object]], departments: Mapping[str, str | None]
) -> dict[tuple[str, int], list[float]]:
    units: dict[tuple[str, int], Fraction] = defaultdict(Fraction)
    lines: dict[tuple[str, int], int] = defaultdict(int)
    for sale in sales:
        place = (str(sale["product_id"]), (DAY - sale["event_date"]).days)  # type: ignore[operator]
        units[place] += Fraction(str(sale["units"]))
        lines[place] += int(str(sale["lines"]))
    sold = {p for (p, age), count in lines.items() if count and age < 56}
    history = {
        p: min(1 + max(age for (q, age), n in lines.items() if q == p and n), 56) for p in sold
    }
    forecasts = {}
    for p in sold:
        department = departments.get(p)
        pool = [q for q in sold if department in {None, departments.get(q)}]
        count, exposure = [Fraction(0)] * 7, [Fraction(0)] * 7
        for q in pool:
            for age in range(history[q]):
                weekday = (DAY - timedelta(days=age)).weekday()
                exposure[weekday] += 1
                count[weekday] += lines[q, age]
        rate = sum(count) / sum(exposure)
        raw = [(c + 50) / (e * rate + 50) for c, e in zip(count, exposure, strict=True)]
        factors = [f * 7 / sum(raw) for f in raw]
        known = [max(units[p, age], Fraction(0)) for age in range(history[p])]
        for horizon, numbers in enumerate(_oracle_of(known, factors, DAY.weekday()), start=1):
            forecasts[p, horizon] = numbers
    return forecasts


def _oracle_of(
    known: Sequence[Fraction], factors: Sequence[Fraction], weekday: int
) -> list[list[float]]:
    """Mean and quantiles per horizon, from the units by age."""
    own = [factors[(weekday - age) % 7] for age in range(len(known))]
    even = sorted(u / f for u, f in zip(known, own, strict=True))
    level = sum(known) / sum(own)
    chosen = [even[max(ceil(Fraction(str(q)) * len(even)), 1) - 1] for q in LEVELS]
    return [
        [float(number * factors[(weekday + horizon) % 7]) for number in (level, *chosen)]
        for horizon in range(1, 29)
    ]
