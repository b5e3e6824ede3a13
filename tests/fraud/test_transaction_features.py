"""Features of order lines against brute force on random shops, and the traps one by one."""

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from pyspark.sql import functions as F

from fraud.fraud_oracle import expected
from lakeshop.engine.context import BuildContext
from lakeshop.fraud.entities import ALL_NAMES
from lakeshop.fraud.transactions import CARRIED, LINE, transactions

LAST = date(2026, 4, 30)
FIRST = LAST - timedelta(days=4)
ABOUT_FRAUD = {name for name in ALL_NAMES if "frauds" in name or "risk" in name}
LOOK_BACK, LABELS_LOOK_BACK = timedelta(days=97), timedelta(days=127)


@pytest.fixture
def zone(settings):
    return settings.shop.zone


@pytest.fixture
def made(rows, settings):
    """features.transactions as dicts by transaction id."""

    def made(lines, labels=(), first=FIRST, last=LAST, *, delay=0, partitions=2, mode=None):
        fraud = settings.fraud.model_copy(
            update={"label_delay_days": delay, "prior_lines": 50, "prior_rate": 0.005}
        )
        tables = {
            "silver.transactions": rows("silver.transactions", *lines).repartition(partitions),
            "silver.fraud_labels": rows("silver.fraud_labels", *labels),
        }
        delivered = settings.shop.entities
        entity = delivered["transactions"].model_copy(update={"on_conflict": mode})
        shop = settings.shop.model_copy(update={"entities": {**delivered, "transactions": entity}})
        changed = settings.model_copy(update={"fraud": fraud, "shop": shop})
        night = BuildContext(last, changed, first)
        found = transactions(tables, night).collect()
        assert len({row["transaction_id"] for row in found}) == len(found)
        return {row["transaction_id"]: row.asDict() for row in found}

    return made


def line(number, at, zone, *, late=0, **changes):
    """An order line of ann's, sold at a time in UTC."""
    event_date = at.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).date()
    plain = {
        "transaction_id": f"t{number}",
        "order_id": f"o{number}",
        "user_id": "ann",
        "product_id": "p1",
        "store_id": "s1",
        "payment_id": "c1",
        "device_id": "d1",
        "coupon_id": None,
        "quantity": Decimal(1),
        "amount": Decimal(10),
        "unit_price": Decimal(10),
        "discount": None,
        "occurred_at": at,
        "event_date": event_date,
        "business_date": event_date + timedelta(days=late),
    }
    return plain | changes


def label(number, day, *, is_fraud=True):
    return {
        "transaction_id": f"t{number}",
        "business_date": day,
        "event_date": day,
        "is_fraud": is_fraud,
    }


def random_shop(seed, zone, n=170):
    """Lines of 130 days with ties, late ones, guests, refunds and gaps, and their labels."""
    draw = random.Random(seed)
    lines, labels = [], []
    for number in range(n):
        age = draw.choice([draw.randrange(6), draw.randrange(6), draw.randrange(40), 90, 97, 110])
        at = datetime(2026, 4, 30, 12) - timedelta(days=age, hours=draw.choice([0, 6, 12, 13]))
        sign = draw.choice([1, 1, 1, 1, 1, 1, -1])
        quantity = draw.choice([Decimal(0), Decimal(1), Decimal("2.5")])
        amount = sign * Decimal(draw.choice([0, 100, 999, 12345, draw.randrange(5000)])) / 100
        made = line(
            number,
            at,
            zone,
            late=draw.choice([0, 0, 0, 0, 0, 0, 1, 2, 9, 20]),
            order_id=f"o{draw.randrange(3)}",
            user_id=draw.choice(["ann", "bob", "cem", None]),
            product_id=draw.choice(["p1", "p2", "p3"]),
            store_id=draw.choice(["s1", "s2", None]),
            payment_id=draw.choice(["c1", "c2", None]),
            device_id=draw.choice(["d1", "d2", "d3", None]),
            coupon_id=draw.choice([None, None, "k"]),
            quantity=sign * quantity,
            amount=amount,
            unit_price=Decimal(draw.randrange(0, 90_000)) / 10_000 if quantity else None,
            discount=draw.choice([None, Decimal("0.50")]),
        )
        if made["business_date"] > LAST:
            continue
        lines.append(made)
        if draw.random() < 0.4:
            after = draw.sample([-40, -25, -1, 0, 1, 2, 3, 5, 8, 30], draw.choice([1, 1, 2, 3]))
            days = [made["business_date"] + timedelta(days=d) for d in after]
            labels += [
                label(number, day, is_fraud=draw.random() < 0.7) for day in days if day <= LAST
            ]
    return lines, labels


def differences(found, right):
    """Where a row's values are not those expected, NULL being None."""
    assert found.keys() == right.keys()
    return [
        (key, name, found[key][name], value)
        for key, row in right.items()
        for name, value in row.items()
        if not is_close(found[key][name], value, 2e-4 if name == "amount_z" else 1e-12)
    ]


def is_close(value, other, share):
    """Log amounts are summed as fixed-point numbers of 16 bits, all else is exact."""
    if value is None or other is None:
        return value is other
    return value == pytest.approx(other, rel=share, abs=share)


@pytest.mark.parametrize(("seed", "delay"), [(1, 0), (2, 0), (3, 6)])
def test_equals_brute_force_over_all_pairs(made, zone, seed, delay):
    lines, labels = random_shop(seed, zone)
    right = expected(lines, labels, FIRST, LAST, zone=zone, delay=delay)
    found = made(lines, labels, delay=delay)
    assert len(right) > 30
    assert {*ALL_NAMES, *LINE} == {name for row in right.values() for name in row}
    assert differences(found, right) == []
    for name in ALL_NAMES:
        assert len({row[name] for row in right.values()}) > 1, f"{name} is not tried"


def test_a_range_in_one_go_is_each_day_with_what_was_known(made, zone):
    lines, labels = random_shop(4, zone)
    alone = {}
    for day in (FIRST + timedelta(days=n) for n in range(5)):
        known = [x for x in lines if day - LOOK_BACK <= x["business_date"] <= day]
        labelled = [x for x in labels if day - LABELS_LOOK_BACK <= x["business_date"] <= day]
        alone |= made(known, labelled, day, day)
    assert alone == made(lines, labels)


def test_partitions_and_order_change_nothing(made, zone, spark):
    lines, labels = random_shop(5, zone)
    found = made(lines, labels)
    before = spark.conf.get("spark.sql.shuffle.partitions")
    spark.conf.set("spark.sql.shuffle.partitions", "7")
    try:
        again = made(lines[::-1], labels[::-1], partitions=5)
    finally:
        spark.conf.set("spark.sql.shuffle.partitions", before)
    assert again == found


def test_the_first_line_of_a_user_has_no_history(made, zone):
    at = datetime(2026, 4, 29, 12)
    found = made([line(1, at, zone), line(2, at, zone), line(3, at + timedelta(hours=3), zone)])
    for number in (1, 2):
        row = found[f"t{number}"]
        assert (row["user_count_1"], row["user_count"], row["user_frauds"]) == (0, 0, 0)
        assert row["amount_to_user_mean"] is row["hours_since_user"] is row["amount_z"] is None
        assert row["is_first_store"] == row["is_first_device"] == 1
    assert found["t3"]["user_count_1"] == 2
    assert found["t3"]["hours_since_user"] == 3
    assert found["t3"]["is_first_store"] == 0


def test_later_labels_change_features_of_frauds_alone(made, zone):
    lines, labels = random_shop(6, zone)
    later = [
        x | {"business_date": x["business_date"] + timedelta(days=30)}
        for x in labels
        if x["business_date"] + timedelta(days=30) <= LAST
    ]
    before, after = made(lines, labels), made(lines, later)
    changed = {n for key, row in before.items() for n in row if row[n] != after[key][n]}
    assert changed
    assert changed <= ABOUT_FRAUD


def test_a_late_line_is_seen_from_its_delivery(made, zone):
    at = datetime(2026, 4, 27, 12)
    found = made(
        [
            line(1, at, zone, late=2),
            line(2, at + timedelta(hours=1), zone),
            line(3, at + timedelta(days=1), zone),
            line(4, at + timedelta(days=2), zone),
            line(5, at + timedelta(hours=2), zone, late=3),
        ]
    )
    counts = {key: row["user_count"] for key, row in found.items()}
    assert counts == {"t1": 0, "t2": 0, "t3": 1, "t4": 3, "t5": 2}


def test_a_fraud_counts_until_its_label_is_taken_back(made, zone):
    lines = [line(1, datetime(2026, 4, 26, 9), zone)]
    lines += [line(n, datetime(2026, 4, 26 + n - 2, 12), zone) for n in range(2, 7)]
    labels = [label(1, date(2026, 4, 27)), label(1, date(2026, 4, 28))]
    taken_back = label(1, date(2026, 4, 29), is_fraud=False)
    found = made(lines, [*labels, taken_back])
    assert [found[f"t{n}"]["store_frauds_7"] for n in range(2, 7)] == [0, 1, 1, 0, 0]
    assert [found[f"t{n}"]["user_frauds"] for n in range(2, 7)] == [0, 1, 1, 0, 0]
    delayed = made(lines, [*labels, taken_back], delay=2)
    assert [delayed[f"t{n}"]["store_frauds_7"] for n in range(2, 7)] == [0, 0, 1, 0, 0]
    assert found["t3"]["store_risk_7"] == pytest.approx((1 + 50 * 0.005) / (2 + 50))


def test_links_are_to_other_users(made, zone):
    at = datetime(2026, 4, 27, 12)
    own = [line(1, at, zone), line(2, at + timedelta(hours=1), zone, user_id="bob")]
    guest = line(3, at + timedelta(hours=2), zone, user_id=None)
    later = line(4, at + timedelta(days=2), zone)
    found = made([*own, guest, later], [label(1, LAST - timedelta(days=2))])
    assert (found["t4"]["device_users"], found["t4"]["device_frauds"]) == (1, 0)
    found = made([*own, guest, later], [label(2, LAST - timedelta(days=2))])
    assert (found["t4"]["payment_users"], found["t4"]["payment_frauds"]) == (1, 1)
    assert found["t3"]["payment_users"] == 2, "a guest has only others"


def test_guests_and_lines_without_card_have_no_such_history(made, zone):
    nobody = dict.fromkeys(("user_id", "payment_id", "device_id", "store_id"))
    found = made([line(n, datetime(2026, 4, 29, 10 + n), zone, **nobody) for n in range(3)])
    for row in found.values():
        unknown = {name for name in ALL_NAMES if row[name] is None}
        assert {n for n in ALL_NAMES if n.startswith(("store", "payment", "device"))} <= unknown
        assert {n for n in ALL_NAMES if n.startswith(("user", "is_first"))} <= unknown
        assert row["order_lines"] == 1
    assert found["t2"]["product_count_30"] == 2


def test_refunds_are_scored_but_are_no_history(made, zone):
    at = datetime(2026, 4, 29, 9)
    refund = line(2, at + timedelta(hours=1), zone, quantity=Decimal(-1), amount=Decimal(-10))
    found = made([line(1, at, zone), refund, line(3, at + timedelta(hours=2), zone)])
    assert [found[f"t{n}"]["user_count"] for n in (1, 2, 3)] == [0, 1, 1]
    assert found["t2"]["is_refund"]
    assert found["t2"]["amount_to_user_mean"] == -1
    assert found["t2"]["amount_z"] is None


def test_a_line_of_nothing_is_neither_scored_nor_history(made, zone):
    """An order that was cancelled before it came; a gift and a credit are lines."""
    at = datetime(2026, 4, 29, 9)
    nothing = {"quantity": Decimal(0), "amount": Decimal(0)}
    lines = [
        line(1, at, zone, **nothing),
        line(2, at + timedelta(hours=1), zone, amount=Decimal(0)),
        line(3, at + timedelta(hours=2), zone, quantity=Decimal(0), amount=Decimal(-1)),
        line(4, at + timedelta(hours=3), zone, order_id="o1"),
    ]
    found = made(lines)
    assert {key: row["user_count"] for key, row in found.items()} == {"t2": 0, "t3": 1, "t4": 1}
    assert found["t4"]["order_lines"] == 1


def test_the_contract_holds(rows, settings, contracts, zone):
    lines, labels = random_shop(7, zone)
    tables = {
        "silver.transactions": rows("silver.transactions", *lines),
        "silver.fraud_labels": rows("silver.fraud_labels", *labels),
    }
    found = transactions(tables, BuildContext(LAST, settings, FIRST)).persist()
    contract = contracts["features.transactions"]
    assert [*CARRIED, *LINE, *ALL_NAMES] == list(contract.column_names)
    kinds = {field.name: field.dataType for field in found.schema}
    assert kinds == {column.name: column.type for column in contract.columns}
    for check in contract.checks:
        assert found.where(~F.coalesce(F.expr(check.holds), F.lit(False))).isEmpty(), check.name
    for column in contract.columns:
        if column.required:
            assert found.where(F.col(column.name).isNull()).isEmpty(), column.name
    found.unpersist()


def test_days_without_lines_have_no_rows(made, zone):
    assert made([]) == {}
    assert made([line(1, datetime(2026, 4, 20, 12), zone)]) == {}


def test_a_corrected_line_leaves_the_history_on_that_day(made, zone):
    """One line is cancelled on the day before the last, another one costs more from then on."""
    noon = datetime(2026, 4, 30, 12)
    at = [noon - timedelta(days=days) for days in (3, 2, 0)]
    corrected_on = {"business_date": LAST - timedelta(days=1)}
    taken_back = {"quantity": Decimal(-1), "amount": Decimal(-10), "is_reversal": True}
    gone, dear = (line(n, at[0], zone, transaction_id=f"{n}") for n in ("gone", "dear"))
    lines = [
        *[gone, dear, line(2, at[1], zone), line(3, at[2], zone)],
        gone | corrected_on | taken_back | {"transaction_id": "gone-", "corrects": "gone"},
        dear | corrected_on | taken_back | {"transaction_id": "dear-", "corrects": "dear"},
        gone
        | corrected_on
        | {"transaction_id": "gone+", "corrects": "gone"}
        | {"quantity": Decimal(0), "amount": Decimal(0)},
        dear
        | corrected_on
        | {"transaction_id": "dear+", "corrects": "dear", "amount": Decimal(90)},
    ]
    found = made(lines, [label("x", LAST) | {"transaction_id": "dear"}], mode="last")
    assert set(found) == {"gone", "dear", "t2", "t3", "dear+"}
    assert (found["t2"]["user_count"], found["t2"]["user_amount_7"]) == (2, 20)
    assert (found["t3"]["user_count"], found["t3"]["user_amount_7"]) == (2, 100)
    assert found["t3"]["user_frauds"] == 1
    assert found["dear+"]["corrects"] == "dear"
