"""Features of products: worked by hand, and by brute force on random days."""

import random
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

import pytest

from conftest import all_purchases, collected
from lakeshop.engine.context import BuildContext
from lakeshop.features.products import (
    buyers,
    products,
    promoted_tomorrow,
    sales,
    with_rates,
    with_sales,
)
from lakeshop.features.user_products import (
    TRENDS,
    habits,
    user_products,
)

DAY = date(2026, 3, 31)
WINDOWS = (7, 28, 84)


def ago(days):
    return DAY - timedelta(days=days)


@pytest.fixture
def night(settings):
    options = {"windows": WINDOWS, "repeat_prior_days": 300, "interval_prior_days": 45}
    features = settings.features.model_copy(update=options)
    return BuildContext(DAY, settings.model_copy(update={"features": features}))


@pytest.fixture
def made(rows, night):
    """features.products as rows by product, from daily sums and promotions."""

    def made(days, promotions=(), n_partitions=None, guests=()):
        sums = rows("features.user_product_days", *days)
        sold = rows("features.product_days", *map(as_sold, days), *guests)
        tables = {
            "features.user_product_days": sums.repartition(n_partitions) if n_partitions else sums,
            "features.product_days": sold.repartition(n_partitions) if n_partitions else sold,
            "silver.promotions": rows("silver.promotions", *promotions),
        }
        tables["features.user_products"] = user_products(tables, night)
        found = products(tables, night)
        assert "business_date" not in found.columns
        return {row.product_id: row.asDict() for row in found.collect()}

    return made


def bought(user, product, age, units="1", amount="1.00", lines=1):
    return {
        "business_date": ago(age),
        "event_date": ago(age),
        "user_id": user,
        "product_id": product,
        "units": Decimal(units),
        "lines": lines,
        "amount": Decimal(amount),
    }


def as_sold(day):
    """The same as rows of features.product_days."""
    names = ("business_date", "event_date", "product_id", "units", "lines", "amount")
    return {name: day[name] for name in names} | {"store_id": day["user_id"], "guest_lines": None}


def by_guests(product, age, lines=1):
    sold = bought("nobody", product, age, units=str(lines), amount=f"{2 * lines}.00", lines=lines)
    return as_sold(sold) | {"guest_lines": lines}


def promotion(product, starts, ends, display=0, mailer=0, announced=5):
    """A promotion from `starts` to `ends` days after the business date."""
    return {
        "business_date": ago(announced),
        "product_id": product,
        "starts_on": ago(-starts),
        "ends_on": ago(-ends),
        "display_stores": display,
        "mailer_stores": mailer,
    }


def test_worked_product(made):
    days = [
        bought("ann", "p", 0, units="2", amount="5.00"),
        bought("ann", "p", 10, units="1", amount="2.50"),
        bought("bob", "p", 20, units="1", amount="2.50"),
        bought("bob", "p", 50, units="2", amount="4.00"),
        bought("cem", "p", 90, units="4", amount="4.00"),
        # Views are no purchase; a refund of another day neither.
        bought("dua", "p", 0, lines=0, units="0", amount="0"),
        bought("cem", "p", 1, lines=0, units="-1", amount="-1"),
    ]
    p = made(days)["p"]
    assert [p[f"units_{w}"] for w in ("short", "middle", "long")] == [2, 4, 6]
    assert [p[f"buyers_{w}"] for w in ("short", "middle", "long")] == [1, 2, 2]
    assert p["buyers"] == 3
    assert [p["purchase_days"], *(p[f"purchase_days_{n}"] for n in TRENDS)] == [5, 1, 2, 3, 4]
    assert p["price"] == Decimal("2.5")  # 10.00 for 4 units in 28 days
    assert float(p["price_change"]) == 0.25  # by 4.00 for 2 units before: 2.5 / 2 - 1
    assert (p["age_days"], p["days_since_purchase"]) == (90, 0)
    assert p["repeat_share"] == pytest.approx(2 / 3)
    # Two repeats; exposure (10 + 1) + (50 + 1) + (90 + 1) = 153 buyer-days, and the shop's
    # mean is the product's own: 2 / 153, which shrinking leaves as it is.
    assert p["repeat_rate"] == pytest.approx(2 / 153)
    # Spans 10 + 30 + 0 = 40 days in two intervals, with three more of 45: 175 / 5.
    assert p["days_between_purchases"] == 35
    assert (p["display_stores"], p["mailer_stores"]) == (0, 0)


def test_repeats_are_shrunk_to_the_shops_mean(spark, night):
    purchases = spark.createDataFrame(
        [("ann", "often", ago(age), True) for age in (99, 89, 79)]
        + [("bob", "often", ago(49), True), ("ann", "once", ago(199), True)]
        + [("bob", "once", ago(0), True), ("cem", "once", ago(300), False)],
        "user_id STRING, product_id STRING, event_date DATE, is_kept BOOLEAN",
    )
    options = night.settings.features
    sums, mean = buyers(habits(purchases, DAY, options), options)
    found = {r.product_id: r for r in with_rates(sums, mean, options).collect()}
    # often: 2 repeats in 100 + 50 days; once: 0 in 200 + 1. Mean 2 / 351; prior 300 days.
    often, once = found["often"], found["once"]
    assert often.repeat_rate == pytest.approx((2 + 300 * 2 / 351) / (150 + 300))
    assert once.repeat_rate == pytest.approx((0 + 300 * 2 / 351) / (201 + 300))
    assert (often.buyers, often.repeat_share) == (2, 0.5)
    assert (once.buyers, once.repeat_share) == (2, 0)
    assert often.days_between_purchases == (20 + 3 * 45) / (2 + 3)
    assert once.days_between_purchases == 45


def test_windows_end_before_their_number_of_days(made):
    """The last 7 days are the ages 0 to 6."""
    ages = (0, 2, 3, 6, 7, 13, 14, 27, 28, 83, 84)
    p = made([bought("ann", "p", age) for age in ages])["p"]
    assert [p[f"units_{w}"] for w in ("short", "middle", "long")] == [4, 8, 10]
    assert [p[f"purchase_days_{n}"] for n in TRENDS] == [2, 6, 8, 10]
    assert [p[f"buyers_{w}"] for w in ("short", "middle", "long")] == [1, 1, 1]


def test_price_leaves_out_what_has_no_units(made):
    days = [
        bought("ann", "p", 1, units="2", amount="6.00"),
        bought("bob", "p", 1, units="0", amount="-1.00"),
        bought("cem", "p", 1, units="-1", amount="-9.00"),
        bought("ann", "q", 1, units="0", amount="2.00"),
        bought("ann", "old", 28, units="2", amount="6.00"),
        bought("ann", "older", 84, units="2", amount="6.00"),
        bought("ann", "free", 1, units="1", amount="0.00"),
        bought("ann", "free", 40, units="1", amount="0.00"),
    ]
    found = made(days)
    assert {name: row["price"] for name, row in found.items()} == {
        "p": Decimal(3),
        "q": None,
        "old": None,
        "older": None,
        "free": 0,
    }
    # There is no change from nothing, nor from a price of 0.
    assert {row["price_change"] for row in found.values()} == {None}
    assert found["p"]["units_short"] == 1


def test_a_price_that_cannot_be_stored_is_none(made):
    days = [
        bought("ann", "dear", 1, units="0.001", amount="10000000.00"),
        bought("ann", "p", 1, units="0.001", amount="9999999.99"),
    ]
    found = made(days)
    assert found["dear"]["price"] is None
    assert found["p"]["price"] == Decimal("9999999990")


def test_a_correction_that_gives_a_line_units_or_takes_them_counts_for_the_price(made):
    """A line of 20.00 gets its unit on the day after; another one loses it, beside a sale."""
    changes = {"business_date": ago(2), "lines": 0, "amount": Decimal(0), "corrections": 2}
    gained, lost = by_guests("gained", 3), by_guests("lost", 3)
    found = made(
        [],
        guests=[
            gained | {"units": Decimal(0), "amount": Decimal(20)},
            gained | changes,
            lost | {"amount": Decimal(20)},
            lost | changes | {"units": Decimal(-1)},
            by_guests("lost", 5),
        ],
    )
    prices = {name: row["price"] for name, row in found.items()}
    assert prices == {"gained": Decimal(20), "lost": Decimal(2)}


def test_promotion_of_tomorrow(made):
    """Tomorrow is day 1. The first and the last day belong to a promotion."""
    cases = {
        "starts tomorrow": ([(1, 7, 3, 2)], (3, 2)),
        "ends tomorrow": ([(-6, 1, 3, 2)], (3, 2)),
        "tomorrow only": ([(1, 1, 0, 2)], (0, 2)),
        "ends today": ([(-6, 0, 3, 2)], (0, 0)),
        "announced, not yet running": ([(2, 8, 3, 2)], (0, 0)),
        "two at once": ([(-3, 2, 5, 0), (1, 7, 1, 4)], (5, 4)),
        "none": ([], (0, 0)),
    }
    promotions = [
        promotion(name, starts, ends, display, mailer)
        for name, (periods, _) in cases.items()
        for starts, ends, display, mailer in periods
    ]
    promotions.append(promotion("never sold", 0, 5, 9, 9))
    found = made([bought("ann", name, 3) for name in cases], promotions)
    stores = {name: (row["display_stores"], row["mailer_stores"]) for name, row in found.items()}
    assert stores == {name: expected for name, (_, expected) in cases.items()}


def test_promoted_tomorrow_over_the_end_of_the_year(rows):
    period = {"starts_on": date(2026, 1, 1), "ends_on": date(2026, 1, 1), "display_stores": 2}
    promotions = rows("silver.promotions", period)
    assert collected(promoted_tomorrow(promotions, date(2025, 12, 31))) == [("x", 2, 1)]
    assert collected(promoted_tomorrow(promotions, date(2026, 1, 1))) == []


def random_days(seed):
    draw = random.Random(seed)
    days = [
        bought(
            draw.choice(["ann", "bob", "cem", "dua"]),
            draw.choice("pqr"),
            draw.choice([0, 2, 3, 6, 7, 13, 14, 27, 28, 83, 84, draw.randrange(400)]),
            units=draw.choice(["1", "2", "0.5", "0"]),
            lines=draw.choice([0, 1, 1, 2]),
            amount=f"{draw.randrange(1, 900) / 100:.2f}",
        )
        for _ in range(120)
    ]
    return list({(d["event_date"], d["user_id"], d["product_id"]): d for d in days}.values())


def age_of(day):
    return (DAY - day["event_date"]).days


def price_of(days, ages):
    counted = [d for d in days if age_of(d) in ages and d["units"] > 0]
    units = sum(d["units"] for d in counted)
    return float(sum(d["amount"] for d in counted) / units) if units else None


def stored(price):
    """The price in the four places of the contract."""
    places = Decimal("0.0001")
    return None if price is None else float(Decimal(f"{price}").quantize(places, ROUND_HALF_UP))


def ages_by_user(days):
    by_user = {}
    for day in days:
        by_user.setdefault(day["user_id"], set()).add(age_of(day))
    return by_user


def repeats_of(days):
    """Repeat purchases and buyer-days."""
    ages = ages_by_user(days).values()
    return sum(len(a) - 1 for a in ages), sum(max(a) + 1 for a in ages)


def expected_product(days, shops_rate):
    """All columns of one product, by the words of the contract."""
    ages = ages_by_user(days)
    n_repeats, exposure = repeats_of(days)
    price, before = price_of(days, range(28)), price_of(days, range(28, 84))
    row = {
        "buyers": len(ages),
        "purchase_days": len(days),
        "repeat_share": sum(len(a) > 1 for a in ages.values()) / len(ages),
        "repeat_rate": (n_repeats + 300 * shops_rate) / (exposure + 300),
        "days_between_purchases": (sum(max(a) - min(a) for a in ages.values()) + 135)
        / (n_repeats + 3),
        "price": stored(price),
        "price_change": price / before - 1 if price is not None and before else None,
        "age_days": max(map(age_of, days)),
        "days_since_purchase": min(map(age_of, days)),
        "display_stores": 0,
        "mailer_stores": 0,
    }
    for label, window in zip(("short", "middle", "long"), WINDOWS, strict=True):
        within = [d for d in days if age_of(d) < window]
        row[f"units_{label}"] = float(sum(d["units"] for d in within))
        row[f"buyers_{label}"] = len({d["user_id"] for d in within})
    for window in (3, 14, 28, 84):
        row[f"purchase_days_{window}"] = sum(age_of(d) < window for d in days)
    return row


def as_floats(row):
    return {k: float(value) if isinstance(value, Decimal) else value for k, value in row.items()}


def test_equals_brute_force(made, contracts):
    days = random_days(6)
    found = made(days, n_partitions=5)
    by_product = {}
    for day in days:
        if day["lines"]:
            by_product.setdefault(day["product_id"], []).append(day)
    all_repeats, all_days = map(sum, zip(*map(repeats_of, by_product.values()), strict=True))
    assert set(found) == set(by_product)
    columns = set(contracts["features.products"].column_names) - {"business_date"}
    for product, row in found.items():
        assert set(row) == columns
        expected = expected_product(by_product[product], all_repeats / all_days)
        assert as_floats(row) == pytest.approx({"product_id": product} | expected, abs=2e-6)


def test_no_days_no_products(rows, night, contracts):
    names = ("features.product_days", "features.user_products", "silver.promotions")
    tables = {name: rows(name) for name in names}
    found = products(tables, night)
    expected = set(contracts["features.products"].column_names) - {"business_date"}
    assert set(found.columns) == expected
    assert found.isEmpty()


def test_sums_are_exact_whatever_the_partitioning(rows, night):
    """0.10 three hundred times is 30.00 in any order of the rows."""
    days = [bought(f"u{n}", "p", n, units="0.1", amount="0.10") for n in range(300)]
    pairs, sold = rows("features.user_product_days", *days), map(as_sold, days)
    options, sold = night.settings.features, rows("features.product_days", *sold)

    def sums(n):
        found = habits(all_purchases(pairs.repartition(n, "user_id")), DAY, options)
        bought = sales(sold.repartition(n, "event_date"), DAY, WINDOWS)
        return collected(with_sales(found, bought, options), "units_long", "repeat_rate", "price")

    assert sums(1) == sums(9)
    assert sums(1)[0][0] == Decimal("8.4")  # the units of the last 84 days


def test_guests_count_for_popularity_and_for_what_is_on_sale(made):
    sold = [by_guests("p", 1, lines=2), by_guests("walk-in", 5), by_guests("walk-in", 20, lines=3)]
    found = made([bought("ann", "p", 30)], guests=sold)
    p, walk_in = found["p"], found["walk-in"]
    assert [p["purchase_days"], *(p[f"purchase_days_{n}"] for n in TRENDS)] == [3, 2, 2, 2, 3]
    assert (p["buyers"], p["age_days"], p["days_since_purchase"]) == (1, 30, 1)
    assert [walk_in[f"purchase_days_{n}"] for n in TRENDS] == [0, 1, 4, 4]
    assert (walk_in["buyers"], walk_in["repeat_share"], walk_in["price"]) == (0, 0, 2)
    assert (walk_in["age_days"], walk_in["days_since_purchase"]) == (20, 5)


def test_a_shop_of_guests_alone_has_products(made):
    found = made([], guests=[by_guests("p", 0), by_guests("q", 83), by_guests("old", 84)])
    assert set(found) == {"p", "q"}
    assert {row["repeat_rate"] for row in found.values()} == {0}
    assert {row["days_between_purchases"] for row in found.values()} == {45}


def test_a_guests_line_that_was_cancelled_is_not_on_sale(made):
    taken_back = by_guests("p", 3, lines=-1) | {"units": Decimal(-1), "corrections": 2}
    found = made([], guests=[by_guests("p", 3), taken_back, by_guests("q", 3)])
    assert set(found) == {"q"}
