"""Daily demand of series: worked products, and plain Python over random sales, on every level."""

import random
from datetime import date, timedelta
from decimal import Decimal
from functools import reduce

import numpy as np
import pytest
from demand_oracle import ARRAYS, expected_demand, shop_lines, value_classes
from pyspark.sql import Column
from pyspark.sql import functions as F

from conftest import plain
from lakeshop.config.shop import ExcludedProducts
from lakeshop.demand.demand import demand
from lakeshop.demand.forecasting.classes import demand_class
from lakeshop.demand.forecasting.weekdays import weekday_factors
from lakeshop.demand.open_days import open_days
from lakeshop.demand.panels import panel_of
from lakeshop.engine.context import BuildContext

DAY = date(2026, 3, 31)  # a Tuesday
SHOP_SINCE = 500
OPTIONS = {"history_days": 100, "active_days": 28, "horizon_days": 10, "opening_hours": 10}
INPUTS = ("features.product_days", "silver.stock", "silver.promotions", "silver.products")


def ago(days):
    return DAY - timedelta(days=days)


def sold(product, age, units="1", amount="2", *, filed=None, store="s1", **sums):
    zeros = {"refunded": Decimal(0), "excluded_units": Decimal(0), "lines": 1}
    return {
        "business_date": ago(age if filed is None else filed),
        "event_date": ago(age),
        "product_id": product,
        "store_id": store,
        "units": Decimal(units),
        "amount": Decimal(amount),
        **zeros,
        **{name: Decimal(value) if name != "lines" else value for name, value in sums.items()},
    }


def counted(product, age, on_hand, hours, store="s1"):
    return {
        "business_date": ago(age),
        "event_date": ago(age),
        "product_id": product,
        "store_id": store,
        "on_hand": Decimal(on_hand),
        "hours_sold_out": hours,
    }


def promotion(product, starts, ends, known, display=3, mailer=0):
    """From `starts` to `ends` days before the business date, known `known` days before it."""
    return {
        "business_date": ago(known),
        "product_id": product,
        "starts_on": ago(starts),
        "ends_on": ago(ends),
        "display_stores": display,
        "mailer_stores": mailer,
    }


def entry(product, age=SHOP_SINCE, department="food", category="bread", until=None):
    return {
        "business_date": ago(age),
        "product_id": product,
        "department": department,
        "category": category,
        "discontinued_on": until,
    }


def worked_shop():
    """One product for each case."""
    days = [
        sold("once", 5, "3", "6"),
        *[sold("gap", 90), sold("gap", 3, "2", "10")],
        sold("refund", 2, "0", "0", refunded="2", lines=0),
        *[sold("returned", 10), sold("returned", 2, "0", "0", refunded="3", lines=0)],
        *[sold(product, 4) for product in ("ended", "ending", "leaving", "back")],
        *[sold("late", 4, filed=4), sold("late", 4, "2", "1", filed=0), sold("late", 6, filed=1)],
        *[sold("stock", age) for age in (9, 6, 5)],
        *[sold(product, 3) for product in ("promoted", "late_promoted")],
        sold("bulk", 3, "0", "0", lines=0, excluded_units="500"),
        *[sold("fuel", 3), sold("fuel", 2, "0", "0", lines=0, excluded_units="500")],
        sold("weighed", 3, "0.5"),
        sold("stale", 28),
        *[sold("long", 300), sold("long", 98), sold("long", 10)],
        *[sold("ancient", 401), sold("ancient", 7)],
        sold("uncounted", 3, "0", "3"),
    ]
    stock = [
        counted("stock", 9, 5, None),
        counted("stock", 8, 0, None),  # empty, nothing sold: 0
        counted("stock", 7, 4, 4),  # 0.6
        counted("stock", 6, 0, None),  # empty, and it sold: half a day
        counted("stock", 5, 0, 16),  # more hours than it is open, and it sold: an hour
        counted("stock", 4, 0, 0),  # sold out at closing time
        *[counted("stock", 3, 0, 10), counted("stock", 3, 0, 5, store="s2")],  # mean of stores
        counted("stock", 2, -7, None),  # owed: sold on back order
        counted("stock", 50, 0, 10),  # before the first sale
    ]
    promotions = [
        promotion("promoted", 2, 1, known=9, display=9),
        promotion("promoted", 2, 0, known=3, display=4, mailer=5),  # a newer version
        promotion("promoted", -9, -20, known=0),  # beyond the horizon of 10 days
        promotion("late_promoted", 2, 0, known=1),  # told on its second day
    ]
    entries = [
        entry("once"),
        entry("old_and_unsold"),
        entry("ended", until=ago(1)),
        entry("ending", until=ago(0)),
        *[entry("leaving"), entry("leaving", 6, until=ago(-5))],
        *[entry("back", until=ago(2)), entry("back", 1)],
        *[entry("new", 27, department="toys"), entry("new", 2, department="toys")],
        *[entry("newer", 0), entry("not_new_enough", 28)],
        entry("new_but_ended", 9, until=ago(1)),
    ]
    return dict(zip(INPUTS, (days, stock, promotions, entries), strict=True))


def random_shop(seed, n_products=8):
    """Sales in three stores, late ones, refunds, counts with and without hours, promotions."""
    draw = random.Random(seed)
    names = [f"p{n}" for n in range(n_products)]
    days = [
        sold(
            draw.choice(names),
            age := draw.choice([draw.randrange(120), draw.randrange(20)]),
            draw.choice(["1", "2", "0", "1.5"]),
            str(draw.randrange(1, 9)),
            filed=max(age - draw.choice([0, 0, 2]), 0),
            store=draw.choice(["s1", "s2", "s3", "*"]),
            refunded=draw.choice(["0", "0", "1"]),
            excluded_units=draw.choice(["0", "0", "200"]),
        )
        for _ in range(400)
    ]
    stock = {
        (name, age, store): counted(name, age, draw.choice([0, 3, -2]), hours, store)
        for name in names
        for store in draw.choice([["*"], ["s1", "s2"]])
        for age in range(60)
        if (hours := draw.choice([None, 0, 3, 10])) != 0 or age % 2
    }
    promotions = [
        promotion(
            draw.choice(names), start := draw.randrange(-12, 60), start - draw.randrange(9),
            known=max(start + draw.choice([20, 3, -2]), 0), display=draw.randrange(4), mailer=1,
        )
        for _ in range(60)
    ]  # fmt: skip
    once = {(p["product_id"], p["starts_on"], p["business_date"]): p for p in promotions}
    entries = [
        entry(name, department="food", category=draw.choice(["bread", "milk", None]))
        for name in names[:-1]
    ]
    return dict(zip(INPUTS, (days, [*stock.values()], [*once.values()], entries), strict=True))


@pytest.fixture(scope="module")
def made(spark, contracts, settings):
    """Rows of features.demand by series, from a shop's rows."""

    def frame(table, overrides):
        columns = contracts[table].columns
        base = {c.name: plain(c.type.typeName()) if c.required else None for c in columns}
        values = [tuple({**base, **row}[c.name] for c in columns) for row in overrides]
        return spark.createDataFrame(values, contracts[table].struct)

    rules = [F.coalesce(F.expr(c.holds), F.lit(False)) for c in contracts["features.demand"].checks]
    broken = ~reduce(Column.__and__, rules)

    def made(shop, level, n_partitions=None, excluded=None):
        options = settings.demand.model_copy(update={**OPTIONS, "level": level})
        tables = {name: frame(name, rows) for name, rows in shop.items()}
        if n_partitions:
            tables = {name: rows.repartition(n_partitions) for name, rows in tables.items()}
        goods = settings.shop.model_copy(update={"exclude_products": excluded})
        with_options = settings.model_copy(update={"demand": options, "shop": goods})
        night = BuildContext(DAY, with_options, contract=contracts["features.demand"])
        rows = demand(tables, night)
        frames = rows.withColumn("broken", broken).toPandas()
        night.release()
        assert not frames.pop("broken").any(), "rules of the contract"
        assert sorted(["business_date", *frames.columns]) == sorted(
            contracts["features.demand"].column_names
        )
        assert not frames.duplicated(["product_id", "store_id"]).any()
        return frames.set_index(["product_id", "store_id"], drop=False), options

    return made


def assert_as_expected(frame, shop, options):
    expected = expected_demand(shop, DAY, options)
    assert set(frame.index) == set(expected)
    for key, series in expected.items():
        found = frame.loc[[key]].iloc[0]
        for name, value in series.items():
            if value is None:
                assert found[name] is None, (key, name)
            elif name in ARRAYS:
                wanted = np.array(value, float)
                np.testing.assert_allclose(
                    np.array(found[name], float), wanted, rtol=1e-12, err_msg=f"{key} {name}"
                )
            else:
                assert found[name] == value, (key, name)


@pytest.fixture(scope="module")
def worked(made):
    return made(worked_shop(), "product")


@pytest.fixture
def series(worked):
    """A row of the worked shop."""
    return lambda product: worked[0].loc[[(product, "*")]].iloc[0]


def test_worked_products_equal_plain_python(worked):
    frame, options = worked
    assert_as_expected(frame, worked_shop(), options)


def test_which_series_there_are(worked):
    gone = {"refund", "ended", "bulk", "stale", "old_and_unsold", "not_new_enough"}
    gone |= {"new_but_ended", "uncounted"}
    there = {"once", "gap", "returned", "ending", "leaving", "back", "late", "stock", "promoted"}
    there |= {"late_promoted", "fuel", "weighed", "long", "ancient", "new", "newer"}
    assert {product for product, _ in worked[0].index} == there
    named = {row["product_id"] for rows in worked_shop().values() for row in rows}
    assert named == there | gone


def test_zeros_are_filled_and_prices_carried_forward(series):
    assert series("once").units.tolist() == [3, 0, 0, 0, 0, 0]
    assert series("once").price.tolist() == [2] * 6
    gap = series("gap")
    assert len(gap.units) == 91
    assert np.nonzero(gap.units)[0].tolist() == [0, 87]
    assert gap.price.tolist() == [2] * 87 + [5] * 4
    assert gap.last_day == DAY


def test_late_lines_land_on_their_day_and_refunds_stand_apart(series):
    assert series("late").units.tolist() == [1, 0, 3, 0, 0, 0, 0]
    assert series("late").price.tolist() == [2, 2, 1, 1, 1, 1, 1]
    assert series("returned").units.sum() == 1
    assert series("returned").refunded == 3
    assert (series("fuel").excluded_units, series("fuel").units.sum()) == (500, 1)


def test_exposure_of_days_out_of_stock(series):
    assert series("stock").exposure.tolist() == [
        1, 0, 0.6, 0.5, 0.1, 1, pytest.approx(0.25), 1, 1, 1,
    ]  # fmt: skip
    assert series("once").exposure is None


def test_history_is_cut_and_begins_with_the_first_sale_of_the_look_back(series):
    long = series("long")
    assert (len(long.units), long.first_day) == (100, ago(99))
    assert np.nonzero(long.units)[0].tolist() == [1, 89]
    assert np.isnan(long.price[0])
    assert long.price[1] == 2
    assert len(series("ancient").units) == 8


def test_a_product_not_sold_yet_has_zeros_and_no_price(series):
    new = series("new")
    assert (new.first_day, new.units.tolist()) == (ago(27), [0] * 28)
    assert np.isnan(new.price).all()
    assert (new.abc, new.demand_class, new.department) == ("C", "new", "toys")
    assert series("newer").units.tolist() == [0]


def test_the_end_of_a_product_is_carried_as_known(series):
    assert series("leaving").discontinued_on == ago(-5)
    assert series("ending").discontinued_on == DAY
    assert series("back").discontinued_on is None


def test_promotions_are_as_announced_by_then(series):
    promoted = series("promoted")  # sold 3 days ago, so day 1 of 4 + 10 is 2 days ago
    assert promoted.display.tolist() == [0, 4, 4, 4, *[0] * 8, 3, 3]
    assert promoted.mailer.tolist() == [0, 5, 5, 5, *[0] * 10]
    assert promoted.announced.tolist() == [-1, 7, 8, 9, *[-1] * 8, 9, 10]
    # Its first day was over when it was told.
    assert series("late_promoted").announced.tolist() == [-1, -1, 0, 1, *[-1] * 10]
    assert series("late_promoted").display.tolist() == [0, 3, 3, 3, *[0] * 10]


def test_a_plan_that_is_announced_anew_replaces_the_old_one(made):
    """Of 7 days each: moved by two days, twice; running as it was moved; and one of its own."""
    shop = worked_shop() | {
        "features.product_days": [sold(product, 9) for product in ("moved", "running", "both")],
        "silver.stock": [],
        "silver.promotions": [
            promotion("moved", -1, -7, known=6, display=1),
            promotion("moved", -3, -9, known=4, display=2),
            promotion("moved", -2, -8, known=2, display=4),
            promotion("running", 3, -3, known=9, display=1),
            promotion("running", 2, -4, known=1, display=2),
            promotion("both", 3, -6, known=9, display=1),
            promotion("both", -2, -3, known=1, display=2),
        ],
    }
    frame, options = made(shop, "product")
    promoted = ("moved", "running", "both")
    ahead = {name: frame.loc[(name, "*")].display.tolist()[6:] for name in promoted}
    assert ahead["moved"] == [0] * 5 + [4] * 7 + [0] * 2
    assert ahead["running"] == [1, 2, 2, 2, 2, 2, 2, 2, *[0] * 6]
    assert ahead["both"] == [1, 1, 1, 1, 1, 3, 3, 1, 1, 1, *[0] * 4]
    assert_as_expected(frame, shop, options)


def test_weekdays_are_those_of_the_department(worked, series):
    frame, _ = worked
    lines, product_days = np.zeros((2, 2, 7), int)  # food, then the whole shop
    foods = {row["product_id"] for row in worked_shop()["silver.products"]} - {"new"}
    for row in worked_shop()["features.product_days"]:
        if (row["product_id"], "*") in frame.index and (DAY - row["event_date"]).days < 84:
            places = [0, 1] if row["product_id"] in foods else [1]
            lines[places, row["event_date"].weekday()] += row["lines"]
    silent = open_days(shop_lines(worked_shop()), DAY, None, worked[1]).silent
    for product, first_day in zip(frame.product_id, frame.first_day, strict=True):
        for age in set(range(min((DAY - first_day).days + 1, 84))) - set(silent):
            places = [0, 1] if product in foods else [1]
            product_days[places, ago(age).weekday()] += 1
    food, shop = weekday_factors(lines, product_days)
    assert series("once").weekdays == pytest.approx(food)
    assert series("gap").weekdays == pytest.approx(shop), "the catalogue does not know it"
    assert series("new").weekdays.mean() == pytest.approx(1)


def test_classes_are_those_of_the_kernels(worked):
    frame, options = worked
    panel = panel_of(frame, DAY, options.history_days, options.horizon_days)
    assert frame.demand_class.tolist() == demand_class(panel).tolist()
    assert {"new", "intermittent", "lumpy"} & set(frame.demand_class) > {"new"}
    assert frame.abc.tolist() == value_classes(frame.value, frame.product_id)
    assert set(frame.abc) == {"A", "B", "C"}


def test_a_panel_is_right_aligned(worked):
    frame, _ = worked
    panel = panel_of(frame, DAY, 20, 5)
    row = frame.product_id.tolist().index("once")
    assert panel.units[row].tolist() == [*[0] * 14, 3, 0, 0, 0, 0, 0]
    assert panel.exposure[row].tolist() == [*[0] * 14, *[1] * 6]
    assert np.isnan(panel.price[row, :14]).all()
    assert panel.display.shape == (len(frame), 25)
    promoted = frame.product_id.tolist().index("promoted")
    assert panel.announced[promoted, 16:].tolist() == [-1, 7, 8, 9, *[-1] * 5]
    # A night before, the newest version was known already; five nights before, none was.
    assert panel.until(1).display[promoted, -5:].tolist() == [4, 0, 0, 0, 0]
    assert panel.until(12).display[promoted].sum() == 0


@pytest.mark.parametrize("level", ["product", "product_store", "category_store"])
def test_random_sales_equal_plain_python(made, level):
    shop = random_shop(len(level))
    shop["features.product_days"].append(sold("p0", 1, store="opened yesterday"))
    frame, options = made(shop, level, 3 if level == "product_store" else None)
    assert_as_expected(frame, shop, options)
    assert frame.exposure.notna().any()
    assert frame.announced.notna().any()
    if level == "product_store":
        opened = frame.loc[[("p0", "opened yesterday")]].iloc[0]
        assert (len(opened.units), opened.first_day) == (2, ago(1))
    if level == "category_store":
        assert set(frame.product_id) == {"bread", "milk", "without category"}
        without = frame.product_id == "without category"
        assert frame.department[without].isna().all()
        assert (frame.department[~without] == "food").all()


def test_a_credit_above_the_sales_of_a_product(made):
    """A price that is corrected: a line without units and with less than nothing to pay."""
    credit = sold("milk", 2, units="0", amount="-50")
    sales = [sold("milk", 3), sold("milk", 2, amount="-7"), sold("bread", 3), credit]
    shop = {name: [] for name in INPUTS} | {"features.product_days": sales}
    frame, _ = made(shop, "product")
    milk = frame.loc[("milk", "*")]
    assert (milk.value, milk.abc) == (-55.0, "C")
    assert list(milk.units) == [1, 1, 0, 0]
    assert list(milk.price) == [2, 0, 0, 0]
    assert frame.loc[("bread", "*")].abc == "A"


def test_a_huge_order_and_its_refund_leave_no_trace_in_classes(made):
    """Not while both are within the days of the class, nor where the order is older than they."""
    huge = sold("milk", 20, amount="90000")
    back = sold("milk", 18, units="0", amount="0", lines=0) | {"refunded_amount": Decimal(90000)}
    older = sold("bread", 3, units="0", amount="0", lines=0) | {"refunded_amount": Decimal(70000)}
    usual = [sold("milk", 3, amount="2"), sold("milk", 30, amount="5"), sold("bread", 2)]
    shop = {name: [] for name in INPUTS}
    plain, _ = made(shop | {"features.product_days": usual}, "product")
    found, _ = made(shop | {"features.product_days": [*usual, huge, back, older]}, "product")
    assert list(found.value) == list(plain.value)
    assert list(found.abc) == list(plain.abc)


def test_a_correction_takes_no_more_than_there_is_of_lines_too_large(made):
    """The line was filed before there was a limit, and is taken back after it."""
    back = {"lines": 0, "excluded_units": "-5000", "refunded": "-9"}
    sales = [sold("fuel", 9, "5000"), sold("fuel", 9, filed=1, **back)]
    frame, _ = made({name: [] for name in INPUTS} | {"features.product_days": sales}, "product")
    fuel = frame.loc[("fuel", "*")]
    assert (fuel.excluded_units, fuel.refunded) == (0, 0)


def test_excluded_products_are_no_series(made):
    sales = [sold("milk", 3), sold("bread", 3)]
    shop = {name: [] for name in INPUTS} | {"features.product_days": sales}
    excluded = ExcludedProducts(ids=("milk",))
    frame, _ = made(shop, "product", excluded=excluded)
    assert [product for product, _ in frame.index] == ["bread"]


def test_nothing_sold_gives_nothing(made):
    shop = {name: [] for name in INPUTS}
    assert len(made(shop, "product")[0]) == 0


def test_days_without_any_line_of_a_daily_shop_tell_nothing(made):
    """Ten weeks, closed on Sundays; nothing came for two days, and nearly nothing for a third."""
    lost, few = {ago(9), ago(8)}, ago(20)
    open_ = [ago(age) for age in range(70) if ago(age).weekday() != 6]
    days = [
        sold("p", (DAY - when).days, lines=20 if when != few else 2)
        for when in open_
        if when not in lost
    ]
    shop = worked_shop() | {
        "features.product_days": days,
        "silver.stock": [counted("p", 3, 0, 5)],
        "silver.products": [entry("p")],
    }
    frame, options = made(shop, "product")
    row = frame.loc[("p", "*")]
    closed = {ago(age) for age in range(70)} - set(open_)
    silent = {ago(69 - n) for n, share in enumerate(row.exposure) if share == 0}
    assert silent == lost | {few} | closed
    assert row.exposure[-4] == 0.5
    assert row.weekdays == pytest.approx([1] * 7, abs=0.02)
    assert row.closed.tolist() == [n for n in range(1, 11) if ago(-n).weekday() == 6]
    assert_as_expected(frame, shop, options)
