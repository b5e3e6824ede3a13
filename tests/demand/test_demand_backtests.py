"""Training of the demand network and its backtest, on a tiny features.demand."""

import json
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest

from lakeshop.demand.backtests import backtests
from lakeshop.demand.examples import calendar_ahead, columns_of, examples, sampled
from lakeshop.demand.examples import groups_of as groups
from lakeshop.demand.forecasting.methods import METHODS
from lakeshop.demand.inputs import inputs_of, targets_of
from lakeshop.demand.panels import panel_of
from lakeshop.demand.training import oldest_origin
from lakeshop.engine.context import BuildContext

DAY = date(2026, 3, 9)  # a Monday, on which models are trained
DAYS, HORIZON = 140, 28
KEY = ["product_id", "store_id"]


@pytest.fixture(scope="module")
def small(settings):
    """Settings with few origins and a short history."""
    options = settings.demand
    teaching = options.global_model.model_copy(update={"origins": 3, "stride_days": 9})
    backtest = options.backtest.model_copy(update={"origins": 4, "stride_days": 7})
    changed = {"history_days": DAYS, "global_model": teaching, "backtest": backtest}
    return settings.model_copy(update={"demand": options.model_copy(update=changed)})


def series(n, units):
    length = len(units)
    worth = float(np.sum(units[-84:])) * 2
    promoted = np.zeros(length + HORIZON)
    promoted[::10] = n
    return {
        "business_date": DAY,
        "product_id": f"p{n:02}",
        "store_id": "*",
        "department": "dairy" if n % 2 else None,
        "category": "milk" if n % 3 else None,
        "first_day": DAY - timedelta(days=length - 1),
        "last_day": DAY,
        "units": units.tolist(),
        "price": [2.0] * length,
        "display": promoted.tolist() if n % 4 == 0 else None,
        "mailer": promoted.tolist() if n % 4 == 0 else None,
        "announced": [20] * len(promoted) if n % 4 == 0 else None,
        "value": worth,
        "abc": "A" if worth > 700 else "C",
        "demand_class": "smooth",
        "is_fractional": False,
        "weekdays": [1.0] * 7,
    }


def shop(seed=0, n=12):
    """Units of series that sell every day, two that began late and one that never sold."""
    chance = np.random.default_rng(seed)
    units = [chance.poisson(2 + k, DAYS).astype(float) for k in range(n)]
    units[1], units[2] = units[1][-60:], units[2][-20:]
    units[3] = 0 * units[3]
    return units


def rows_of(rows, units):
    return rows("features.demand", *[series(k, of) for k, of in enumerate(units)])


def of_examples(frame, options, days_before=0):
    made = examples(frame.repartition(2), DAY, days_before, options).toPandas()
    assert not made.duplicated([*KEY, "origin"]).any()
    return made.set_index(["product_id", "origin"]).sort_index()


def test_examples_are_what_was_known_and_what_came(rows, small):
    options = small.demand
    frame = rows_of(rows, shop())
    found = of_examples(frame, options)
    batch = frame.toPandas()
    panel = panel_of(batch, DAY, DAYS, HORIZON)
    count = 0
    for age in (7, 16, 25):
        origin = DAY - timedelta(days=age)
        known = inputs_of(panel.until(age), groups(batch), calendar_ahead(origin, options))
        expected = np.hstack([known, targets_of(panel, age, HORIZON)])
        for n, product in enumerate(batch["product_id"]):
            first = (DAY - batch["first_day"][n]).days
            is_example = n != 3 and first - age >= 6
            assert ((product, origin) in found.index) == is_example, (product, age)
            if is_example:
                record = found.loc[(product, origin), "record"]
                np.testing.assert_array_equal(np.asarray(record, np.float32), expected[n])
                count += 1
    assert len(found) == count
    assert len(expected[0]) == len(columns_of(options).stored)


def test_no_example_knows_what_came_after_its_origin(rows, small):
    options = small.demand
    inputs = len(columns_of(options).stored) - 2 * HORIZON
    before, later = shop(), [of.copy() for of in shop()]
    for of in later:
        of[-16:] += 50
    origin = DAY - timedelta(days=16)
    first, second = (
        np.stack(of_examples(rows_of(rows, units), options).xs(origin, level=1)["record"])
        for units in (before, later)
    )
    assert first.shape == second.shape
    np.testing.assert_array_equal(first[:, :inputs], second[:, :inputs])
    came = second[:, inputs : inputs + 16] - first[:, inputs : inputs + 16]
    assert (came == 50).all()
    forgotten = of_examples(rows_of(rows, later), options, days_before=16)
    assert max(forgotten.index.get_level_values("origin")) == DAY - timedelta(days=23)
    untouched = of_examples(rows_of(rows, before), options, days_before=16)
    for one, other in zip(forgotten["record"], untouched["record"], strict=True):
        np.testing.assert_array_equal(one, other)


def test_of_series_that_all_began_after_the_oldest_origin_there_are_the_newer_examples(rows, small):
    """An origin on which a task has no example at all: of a shop with a short history."""
    frame = rows_of(rows, [np.full(k, 2.0) for k in (24, 24, DAYS)]).where("product_id != 'p02'")
    made = examples(frame.coalesce(1), DAY, 0, small.demand).toPandas()
    assert {(DAY - origin).days for origin in made["origin"]} == {7, 16}
    assert len(made) == 4


def test_a_sample_has_the_half_with_most_value_as_known_then(rows):
    units = [np.full(30, float(k + 1)) for k in range(40)]
    units[0] = np.where(np.arange(30) >= 20, 10_000.0, 0.0)
    frame = rows_of(rows, units)
    kept = {row["product_id"] for row in sampled(frame, 20, 10).select("product_id").collect()}
    assert {f"p{n:02}" for n in range(30, 40)} <= kept
    assert 10 < len(kept) < 30
    assert sampled(frame, 40, 10) is frame
    for days_before, best in ((0, "p00"), (10, "p39")):
        chosen = sampled(frame, 2, days_before).select("product_id").collect()
        assert best in {row["product_id"] for row in chosen}, "what it sold later does not count"


def backtested(rows, small, contracts, units, last=(), stock=()):
    night = BuildContext(
        DAY,
        small,
        contract=contracts["ops.backtests"],
        extensions=("lakeshop.inventory.backtest:reorder_segment",),
    )
    tables = {
        "features.demand": rows_of(rows, units),
        "models.demand": rows("models.demand"),
        "ops.backtests": rows("ops.backtests", *last),
        "silver.stock": rows("silver.stock", *stock),
    }
    found = {row["segment"]: row for row in backtests(tables, night).collect()}
    return found, night.warnings


def test_a_backtest_gives_a_rule_for_each_segment(rows, small, contracts):
    assert oldest_origin(small.demand) == HORIZON + 3 * 7
    week = {"segment": "smooth A", "method": "mean_28", "levels": [0.5] * 28, "figures": "{}"}
    last = [{**week, "business_date": DAY - timedelta(days=7)}]
    last.append({**week, "business_date": DAY - timedelta(days=14), "method": "tsb"})
    found, warnings = backtested(rows, small, contracts, shop(), last)
    assert warnings == []
    assert "all" in found
    assert found["all"]["method"] is None
    rules = {segment: row for segment, row in found.items() if segment != "all"}
    for segment, row in rules.items():
        levels = np.reshape(row["levels"], (4, 7))
        assert (np.diff(levels, axis=1) > 0).all()
        assert 0 < levels.min() < levels.max() < 1
        assert row["method"] == {"smooth A": "mean_28", "new C": "by_analogy"}.get(
            segment, "mean_56"
        ), "twelve series change nothing"
        assert (row["variance_factor"] > 0, row["level_variance"] >= 0) == (True, True)
    assert {row["origins"] for row in found.values()} == {4}
    figures = json.loads(found["all"]["figures"])
    assert set(METHODS) | {"chosen", "own_quantiles"} <= set(figures)
    # Poisson counts of constant rates, all methods read them as they should.
    assert abs(figures["mean_56"]["bias"]) < 0.05
    assert figures["chosen"]["up_to_0.9"] > 0.85
    made = contracts["ops.backtests"].columns
    names = {c.name for c in made if c.required} - {"business_date", "run_id"}
    assert names <= set(found["all"].asDict())


def test_where_stock_is_counted_the_plan_is_replayed_beside_a_fixed_rule(rows, small, contracts):
    counted = [
        {
            **{"business_date": DAY, "event_date": DAY, "store_id": f"s{store}"},
            **{"product_id": f"p{n:02}", "on_hand": Decimal(9), "lead_time_days": float(lead)},
            "shelf_life_days": 9 if n == 8 else None,
        }
        for n, lead in ((2, 3), (4, 2), (5, 3), (6, 3), (7, 40), (8, 3))
        for store in range(2)
    ]
    found, _ = backtested(rows, small, contracts, shop(), stock=counted)
    plan = found["reorder"]
    assert (plan["method"], plan["origins"], plan["series"]) == (None, 4, 3), (
        "one is too new, one lead is too long, one expires"
    )
    figures = json.loads(plan["figures"])
    assert set(figures) == {"plan", "fixed_rule"}
    assert figures["plan"]["fill_rate"] == figures["fixed_rule"]["fill_rate"] > 0.9
    # Seven to nine units a day last for a review of a week, and then half of that is left.
    assert 60 < figures["plan"]["average_stock"] < 200
    assert "reorder" not in backtested(rows, small, contracts, shop())[0]


def test_of_a_short_history_there_is_no_backtest(rows, small, contracts):
    # The oldest origin is 49 days ago, and 56 days before it should be known.
    found, warnings = backtested(rows, small, contracts, [of[-100:] for of in shop()])
    assert found == {}
    assert warnings == ["no backtest of demand: history should reach back before its oldest origin"]
