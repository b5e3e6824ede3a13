"""The features of order lines by the words of their definition: loops over all pairs of lines."""

import math
from datetime import datetime, timedelta
from statistics import mean, stdev
from zoneinfo import ZoneInfo

KEPT, EARLY = timedelta(days=97), timedelta(days=30)


def expected(lines, labels, first, last, *, zone, delay=0, prior=(50, 0.005)):
    """By transaction id, what each line delivered from `first` to `last` should get."""
    lines = [line for line in lines if line["quantity"] or line["amount"]]
    return {
        line["transaction_id"]: features(line, lines, labels, zone, delay, prior)
        for line in lines
        if first <= line["business_date"] <= last
    }


def is_refund(line):
    return line["quantity"] < 0 or line["amount"] < 0


def features(line, lines, labels, zone, delay, prior):
    day = line["business_date"]
    delivered = [
        other
        for other in lines
        if day - KEPT <= other["business_date"] <= day
        and other["occurred_at"] < line["occurred_at"]
        and not is_refund(other)
    ]

    def same(column):
        return [other for other in delivered if other[column] == line[column]]

    def within(others, days):
        since = line["occurred_at"] - timedelta(days=days)
        return [other for other in others if other["occurred_at"] >= since]

    def frauds(others, days):
        known = [known_on(other, labels, day, delay) for other in others]
        return float(sum(k is not None and k > day - timedelta(days=days) for k in known))

    def risk(others, days):
        weight, rate = prior
        return (frauds(others, days) + weight * rate) / (len(within(others, days)) + weight)

    found = of_line(line, zone) | of_order(line, lines)
    found |= of_user(line, within, same("user_id"), frauds)
    store, product = same("store_id"), same("product_id")
    found |= {f"store_count_{d}": float(len(within(store, d))) for d in (1, 7, 30)}
    for days in (7, 30):
        found[f"store_frauds_{days}"] = frauds(store, days)
        found[f"store_risk_{days}"] = risk(store, days)
    prices = [p["unit_price"] for p in within(product, 90) if p["unit_price"] is not None]
    found |= {
        "product_count_30": float(len(within(product, 30))),
        "product_frauds_30": frauds(product, 30),
        "product_risk_30": risk(product, 30),
        "price_to_product_mean": over(line["unit_price"], prices),
    }
    for name in ("payment", "device"):
        linked = same(f"{name}_id")
        others = [other for other in linked if other["user_id"] != line["user_id"]]
        if line["user_id"] is None:
            others = linked
        users = {other["user_id"] for other in within(others, 90)} - {None}
        week = within(linked, 7)
        found |= {
            f"{name}_count_1": float(len(within(linked, 1))),
            f"{name}_count_7": float(len(week)),
            f"{name}_users": float(len(users)),
            f"{name}_coupons_7": float(sum(w["coupon_id"] is not None for w in week)),
            f"{name}_frauds": frauds(others, 90),
        }
    for name in ("store", "product", "payment", "device"):
        before = [o for o in within(same(f"{name}_id"), 90) if o["user_id"] == line["user_id"]]
        found[f"is_first_{name}"] = None if line["user_id"] is None else float(not before)
        if line[f"{name}_id"] is None:
            found |= {column: None for column in found if column.startswith(f"{name}_")}
            found[f"is_first_{name}"] = None
    return found


def known_on(line, labels, day, delay):
    """The day since which the line is known to be fraud on `day`, or None."""
    since = None
    for label in sorted(labels, key=lambda label: label["business_date"]):
        on = label["business_date"]
        if label["transaction_id"] != line["transaction_id"]:
            continue
        if line["business_date"] - EARLY <= on <= day:
            since = (since or on) if label["is_fraud"] else None
    if since is None:
        return None
    known = max(since, line["event_date"] + timedelta(days=delay))
    return known if known <= day else None


def of_line(line, zone):
    local = line["occurred_at"].replace(tzinfo=ZoneInfo("UTC")).astimezone(ZoneInfo(zone))
    discount = float(line["discount"] or 0)
    whole = float(line["amount"]) + discount
    return {
        "line_amount": float(line["amount"]),
        "quantity": float(line["quantity"]),
        "unit_price": None if line["unit_price"] is None else float(line["unit_price"]),
        "discount_share": discount / whole if whole and line["amount"] >= 0 else None,
        "hour": local.hour + local.minute / 60,
        "is_night": float(local.hour < 6),
        "is_weekend": float(datetime.weekday(local) >= 5),
        "has_coupon": float(line["coupon_id"] is not None),
    }


def of_order(line, lines):
    same = ("order_id", "user_id", "business_date")
    order = [other for other in lines if all(other[name] == line[name] for name in same)]
    return {
        "order_lines": float(len(order)),
        "order_amount": float(sum(other["amount"] for other in order)),
        "order_units": float(sum(other["quantity"] for other in order)),
        "order_coupons": float(sum(other["coupon_id"] is not None for other in order)),
    }


def of_user(line, within, all_before, frauds):
    before = within(all_before, 90)
    amounts = [float(other["amount"]) for other in before]
    logs = [math.log1p(amount) for amount in amounts]
    found = {"user_count": float(len(before)), "user_frauds": frauds(all_before, 90)}
    for days in (1, 7, 30):
        found[f"user_count_{days}"] = float(len(within(before, days)))
        found[f"user_amount_{days}"] = float(sum(o["amount"] for o in within(before, days)))
    found |= {
        "user_mean_amount": mean(amounts) if before else None,
        "amount_to_user_mean": over(line["amount"], amounts),
        "amount_to_user_max": over(line["amount"], [max(amounts)] if before else []),
        "amount_z": None,
        "quantity_to_user_mean": over(line["quantity"], [o["quantity"] for o in before]),
        "hours_since_user": None,
    }
    if before:
        last = max(other["occurred_at"] for other in before)
        found["hours_since_user"] = (line["occurred_at"] - last).total_seconds() / 3600
    if len(before) > 1 and line["amount"] >= 0:
        deviation = max(stdev(logs), 0.1)
        found["amount_z"] = (math.log1p(float(line["amount"])) - mean(logs)) / deviation
    return found if line["user_id"] is not None else dict.fromkeys(found)


def over(value, values):
    """The value as a multiple of the mean, None where that says nothing."""
    if value is None or not values or not mean(values):
        return None
    return float(value) / float(mean(values))
