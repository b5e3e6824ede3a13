"""Days that brought nothing or far too little are warned of, and end no night."""

from datetime import date, timedelta

import pytest

from lakeshop.bronze.ingest import ingest
from lakeshop.silver.clean import clean
from shops import ENTITIES, LINES_ALONE, action, line, tiny_shop

MONDAY = date(2026, 3, 2)
OTHER = "product_is_known"  # a warning of another kind


def day(n):
    return MONDAY + timedelta(days=n)


def lines(n, number):
    return [line(100 * n + i, f"{day(n)} 10:{i:02}:00") for i in range(number)]


def cleaned(shop, first, last=None):
    """Failures of a run, and its warnings by table."""
    run = shop.run(day(first), day(last if last is not None else first), redo_stale=True)
    ingest(run)
    clean(run)
    run.flush()
    rows = shop.lake().read("ops.runs").where(f"business_date = DATE'{run.last}'").collect()
    said = {r["table_name"]: [w for w in r["warnings"] if OTHER not in w] for r in rows}
    told = {table: " ".join(warnings) for table, warnings in said.items() if warnings}
    return [f.table for f in run.failures if not f.because], told


def shop_of(spark, home, **entity):
    of_lines = ENTITIES["transactions"] | entity
    return tiny_shop(spark, home, shop=LINES_ALONE | {"entities": {"transactions": of_lines}})


def test_a_range_with_closed_days_needs_no_setting(spark, tmp_path):
    """Three weeks, closed at weekends: the first weekend is told of, later ones are known."""
    shop = shop_of(spark, tmp_path)
    for n in range(19):
        if day(n).weekday() < 5 and n != 16:
            shop.deliver("transactions", day(n), lines(n, 4))
    assert cleaned(shop, 0, 11) == (
        [],
        {
            "silver.transactions": f"nothing was delivered for {day(5)}, {day(6)}, where rows "
            "were expected; to forecasts the day is unknown, not one without demand"
        },
    )
    assert cleaned(shop, 14) == ([], {})
    assert cleaned(shop, 15) == ([], {})
    failed, told = cleaned(shop, 17)  # no night for the day before
    assert not failed
    assert f"{day(16)}, where" in told["silver.transactions"]
    assert cleaned(shop, 18) == ([], {})


def test_nothing_and_far_too_little_on_the_night_itself(spark, tmp_path):
    shop = shop_of(spark, tmp_path)
    for n in range(22):
        shop.deliver("transactions", day(n), lines(n, 2 if n == 21 else 20))
    shop.deliver("transactions", day(22), [])
    cleaned(shop, 0, 20)
    assert (
        "far fewer rows than usual: 2 on 2026-03-23" in cleaned(shop, 21)[1]["silver.transactions"]
    )
    assert f"delivered for {day(22)}, " in cleaned(shop, 22)[1]["silver.transactions"]
    assert f"delivered for {day(23)}, " in cleaned(shop, 23)[1]["silver.transactions"]


def test_an_entity_that_never_came_fails_and_so_does_one_that_must_come(spark, tmp_path):
    shop = shop_of(spark, tmp_path / "a")
    assert cleaned(shop, 0)[0] == ["bronze.transactions"]
    shop.deliver("transactions", day(1), lines(1, 3))
    assert cleaned(shop, 1)[0] == []
    must = shop_of(spark, tmp_path / "b", required=True, expects="weekdays")
    must.deliver("transactions", day(0), lines(0, 3))
    assert cleaned(must, 0)[0] == []
    assert cleaned(must, 1)[0] == ["bronze.transactions"]
    must.deliver("transactions", day(1), lines(1, 3))
    assert cleaned(must, 5)[0] == [], "no file is expected on a Saturday"


@pytest.mark.parametrize(
    ("expects", "told"), [("daily", True), (["mon"], False), ("sometimes", False)]
)
def test_what_an_optional_entity_is_expected_to_do(spark, tmp_path, expects, told):
    actions = ENTITIES["user_actions"] | {"expects": expects}
    entities = {"transactions": ENTITIES["transactions"], "user_actions": actions}
    shop = tiny_shop(spark, tmp_path, shop=LINES_ALONE | {"entities": entities})
    for n in range(2):
        shop.deliver("transactions", day(n), lines(n, 2))
    shop.deliver("user_actions", day(0), [action(1, f"{day(0)} 09:00:00")])
    found = cleaned(shop, 0, 1)[1].get("silver.user_actions", "")
    assert ("nothing was delivered" in found) == told
    assert "forecasts" not in found
