"""The figures of forecasts: those of a backtest, and nights as they were published."""

import json
import logging
from datetime import date, timedelta
from decimal import Decimal
from types import SimpleNamespace

import numpy as np
import pytest
from pyspark.sql import functions as F

from conftest import HOME
from lakeshop.demand.evaluation import comparable_days, evaluate, told_days
from lakeshop.inventory.evaluation import evaluate as evaluate_plan
from lakeshop.ml import forecast_metrics as metrics
from lakeshop.pipeline import read_settings

NIGHT = date(2026, 3, 9)  # a Monday
LAST = NIGHT + timedelta(days=7)  # a training day
LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
NAMES = ("q05", "q10", "q25", "q50", "q75", "q90", "q95")
# Per series: class, mean, quantiles, units of the seven days after the night.
SERIES = {
    "even": ("smooth", 2.0, (0, 1, 1, 2, 3, 4, 4), (2, 1, 3, 2, 4, 0, 2)),
    "high": ("lumpy", 3.5, (1, 1, 2, 3, 4, 6, 6.5), (0, 1, 1, 1, 1.5, 0, 1)),
    "few": ("lumpy", 1.4, (0, 0, 0, 1, 1, 2, 3), (0, 0, 3, 0, 0, 0, 0)),
    "unsold": ("dead", 0.1, (0, 0, 0, 0, 0, 0, 1), (0,) * 7),
}
OUT = {("even", 2), ("high", 5)}  # sold out on that day ahead
FULL = {"even": 0, "high": None}  # hours sold out on the first day
METHODS = {"smooth A": "mean_56"}
BACKTEST = {
    "all": {
        "chosen": {"wrmsse": 0.7, "bias": 0.01, "scaled_pinball": 0.2},
        "mean_56": {"wrmsse": 0.8},
        "own_quantiles": {"scaled_pinball": 0.3},
        "sba_and_network": {"wrmsse": 0.75},
    },
    "smooth A": {"chosen": {"wrmsse": 0.6}},
    "reorder": {
        "plan": {"fill_rate": 0.97, "average_stock": 40.0, "cost": 90.0},
        "fixed_rule": {"fill_rate": 0.97, "average_stock": 50.0, "cost": 99.0},
    },
}


def after(ahead):
    return NIGHT + timedelta(days=ahead)


def forecast_rows(rows, store="*", names=SERIES):
    """Eight days ahead each, the last of them not judged yet."""
    return rows(
        "gold.inventory_forecasts",
        *[
            {
                **{"business_date": NIGHT, "product_id": name, "store_id": store},
                **{"target_date": after(ahead), "horizon": ahead, "mean": SERIES[name][1]},
                **dict(zip(NAMES, map(float, SERIES[name][2]), strict=True)),
                "demand_class": SERIES[name][0],
            }
            for name in names
            for ahead in range(1, 9)
        ],
    )


def sale(name, ahead, units, **others):
    of = {"product_id": name, "store_id": "s1", "event_date": after(ahead)}
    delivered = {"business_date": after(max(ahead, 1)), "units": Decimal(str(units))}
    return {**of, **delivered, **others}


def sold_rows(rows):
    """Each unit by itself: in two stores, the last ones delivered a day late."""
    sold = []
    for name, (*_, units) in SERIES.items():
        for ahead, n in enumerate(units, start=1):
            half = n // 2
            late = {"business_date": after(min(ahead + 1, 7))}
            sold += [sale(name, ahead, half)] if half else []
            sold += [sale(name, ahead, n - half, store_id="s2", **late)] if n else []
    return rows("features.product_days", *sold, sale("even", 0, 9), sale("unheard of", 1, 9))


def stock_rows(rows):
    counts = [{"product_id": n, "event_date": after(a), "hours_sold_out": 3} for n, a in OUT]
    full = [{"product_id": n, "event_date": after(1), "hours_sold_out": h} for n, h in FULL.items()]
    return rows("silver.stock", *counts, *full)


@pytest.fixture
def published(rows, settings):
    """Run the evaluation of one day over frames by hand: the figures of each subject and day."""
    found, read = {}, []
    with_stock = read_settings(HOME / "conf", env="local", shop="simulated").shop
    frames = {
        "ops.backtests": rows(
            "ops.backtests",
            *[
                {"segment": s, "method": METHODS.get(s), "figures": json.dumps(f)}
                for s, f in BACKTEST.items()
            ],
        ),
        "gold.inventory_forecasts": forecast_rows(rows),
        "features.product_days": sold_rows(rows),
        "silver.stock": stock_rows(rows),
        "silver.products": rows("silver.products"),
    }

    def publish(day, subject, figures, source):
        reported = figures if isinstance(figures, list) else figures.collect()
        found[subject, day] = {
            (method, metric, segment): value for method, metric, segment, value in reported
        }
        assert len(reported) == len(found[subject, day])

    def frame(table, first, last):
        read.append((table, first, last))
        known = F.col("business_date") <= last
        return frames[table].where(known) if table == "silver.products" else frames[table]

    def evaluated(filled, level="product", others=frozenset()):
        frames.update(others)
        forecasts = settings.demand.model_copy(update={"level": level})
        context = SimpleNamespace(
            settings=settings.model_copy(update={"demand": forecasts, "shop": with_stock}),
            content=lambda table, day: "d" if (table, day) in filled else "",
            is_published=lambda *_: False,
            read=frame,
            publish=publish,
            first=LAST,
            last=LAST,
        )
        evaluate_plan(context)
        evaluate(context)
        return found, read

    return evaluated


def expected(names):
    """The figures of some series, by the functions that judge arrays.

    The sixth day, on which nobody bought anything, is unknown.
    """
    of = [SERIES[name] for name in names]
    is_told = np.array([x[3] for x in SERIES.values()]).sum(axis=0) > 0
    units = np.array([x[3] for x in of], float)
    weight = np.array([[float((n, a) not in OUT) for a in range(1, 8)] for n in names]) * is_told
    mean = np.repeat([[x[1]] for x in of], 7, axis=1)
    quantiles = np.repeat(np.array([x[2] for x in of], float)[:, None], 7, axis=1)
    covered = metrics.coverage(units, quantiles, weight)
    errors = (mean - units) * weight
    signal = np.abs(errors.sum(axis=1)) / np.abs(errors).sum(axis=1)
    return {
        "wape": metrics.wape(units, mean, weight),
        "bias": metrics.bias(units, mean, weight),
        "series": len(names),
        "tracking_signal_alarms": np.sum((signal > 0.5) & ((units * weight).sum(axis=1) >= 4)),
        **{f"below_{p:g}": x for p, x in zip(LEVELS, covered.below, strict=True)},
        **{f"up_to_{p:g}": x for p, x in zip(LEVELS, covered.up_to, strict=True)},
    }


def test_a_night_is_evaluated_as_published(published):
    found, read = published({("gold.inventory_forecasts", NIGHT)})
    assert list(found) == [("forecast_published", NIGHT)]
    figures = found["forecast_published", NIGHT]
    assert set(read) == {
        ("gold.inventory_forecasts", NIGHT, NIGHT),
        ("features.product_days", after(1), LAST),
        ("silver.stock", after(1), LAST),
        ("silver.products", None, NIGHT),
    }
    classes = {"all": list(SERIES), "smooth": ["even"], "lumpy": ["high", "few"]}
    for segment, names in classes.items():
        reported = {m: v for (_, m, s), v in figures.items() if s == segment}
        assert reported == pytest.approx(expected(names), rel=1e-12)
    # Both of lumpy err to one side, but of three units nobody can tell.
    assert figures["lakeshop", "tracking_signal_alarms", "lumpy"] == 1
    assert figures["lakeshop", "wape", "dead"] is None
    assert figures["lakeshop", "below_0.95", "dead"] == 1
    assert {(method, s) for method, _, s in figures} == {
        ("lakeshop", s) for s in (*classes, "dead")
    }


def test_a_backtest_is_reported_by_method(published, caplog):
    with caplog.at_level(logging.INFO):
        found, _ = published({("ops.backtests", LAST)})
    assert list(found) == [("reorder", LAST), ("forecast", LAST)]
    assert found["reorder", LAST]["lakeshop", "average_stock", "all"] == 40
    assert found["reorder", LAST]["fixed_rule", "average_stock", "all"] == 50
    assert "97.0 % served, stock 40, cost 90" in caplog.text
    figures = found["forecast", LAST]
    assert figures["lakeshop", "wrmsse", "smooth A"] == 0.6
    assert figures["mean_56", "wrmsse", "all"] == 0.8
    assert len(figures) == 7
    table = [line.split() for line in caplog.messages if line.strip()][3:]
    assert table == [
        ["wrmsse", "weekly_wape", "bias", "scaled_pinball"],
        ["lakeshop", "0.7000", "-", "0.0100", "0.2000"],
        ["mean_56", "0.8000", "-", "-", "-"],
        ["own_quantiles", "-", "-", "-", "0.3000"],
    ]


def test_nothing_is_reported_without_a_publication(published):
    assert published({("gold.inventory_forecasts", LAST)}) == ({}, [])


def test_a_category_is_evaluated_by_its_products_sales_in_each_store(published, rows):
    entries = [
        {"product_id": name, "category": "pair", "business_date": NIGHT - timedelta(days=9)}
        for name in ("even", "high")
    ]
    moved = {"product_id": "high", "category": "other", "business_date": after(1)}
    reported = {"product_id": "pair", "store_id": "s2", "target_date": after(3), "mean": 4.0}
    frames = {
        "silver.products": rows("silver.products", *entries, moved),
        "gold.inventory_forecasts": rows("gold.inventory_forecasts", reported),
    }
    found, _ = published({("gold.inventory_forecasts", NIGHT)}, "category_store", frames)
    figures = found["forecast_published", NIGHT]
    assert figures["lakeshop", "series", "all"] == 1
    assert figures["lakeshop", "bias", "all"] == pytest.approx((4 - (2 + 1)) / 3)


def test_stores_are_evaluated_apart_and_share_one_stock(rows):
    both = forecast_rows(rows, "s1", ["even"]).union(forecast_rows(rows, "s2", ["even"]))
    stock = rows(
        "silver.stock",
        *[
            {"product_id": "even", "store_id": s, "event_date": after(a), "hours_sold_out": 1}
            for s, a in (("*", 2), ("s1", 3))
        ],
    )
    judged = comparable_days(both, sold_rows(rows), stock).collect()
    units = {(row["store_id"], (row["target_date"] - NIGHT).days): row["units"] for row in judged}
    of = {"s1": (1000, 0, 1000, 1000, 2000, 0, 1000), "s2": (1000, 1000, 2000, 1000, 2000, 0, 1000)}
    out = {("s1", 2), ("s2", 2), ("s1", 3)}
    wanted = {
        (s, a): n for s, reported in of.items() for a, n in enumerate((*reported, 0), start=1)
    }
    assert units == {key: n for key, n in wanted.items() if key not in out}


def test_an_empty_shelf_without_hours_is_a_day_that_was_sold_out(rows):
    counts = [(1, 0, None), (2, 0, 0), (3, 0, 2), (4, -3, None), (5, 2, None)]
    stock = rows(
        "silver.stock",
        *[
            {"product_id": "even", "event_date": after(ahead)}
            | {"store_id": "*", "on_hand": Decimal(units), "hours_sold_out": hours}
            for ahead, units, hours in counts
        ],
    )
    judged = comparable_days(forecast_rows(rows, names=["even"]), sold_rows(rows), stock).collect()
    days = {(row["target_date"] - NIGHT).days for row in judged}
    assert days == {2, 4, 5, 6, 7, 8}


def test_days_without_any_sale_are_not_judged(spark):
    """Unknown, or closed: in either case no demand of 0."""
    ahead = [(NIGHT + timedelta(days=n),) for n in (1, 2, 3)]
    sold = [(NIGHT + timedelta(days=1), 4), (NIGHT + timedelta(days=3), 0)]
    judged = told_days(
        spark.createDataFrame(ahead, "target_date DATE"),
        spark.createDataFrame(sold, "event_date DATE, lines INT"),
    )
    assert [row["target_date"] for row in judged.collect()] == [NIGHT + timedelta(days=1)]
