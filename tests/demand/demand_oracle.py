"""Demand of series by the rules of the contract, in plain Python, a day at a time."""

from collections import defaultdict
from datetime import timedelta

from lakeshop.demand.open_days import open_days

ARRAYS = ("units", "exposure", "price", "display", "mailer", "announced")


def expected_demand(tables, day, options):
    """Rows of features.demand by product and store, without classes and weekdays.

    Args:
        tables: lists of rows by table name.
        day: the business date.
        options: the settings of forecasts.
    """
    entries = defaultdict(list)
    for entry in sorted(tables["silver.products"], key=lambda row: row["business_date"]):
        entries[entry["product_id"]].append(entry)
    named = as_series(entries, options.level)
    days = defaultdict(lambda: defaultdict(lambda: defaultdict(int)))
    for row in tables["features.product_days"]:
        if (day - row["event_date"]).days <= 400:
            sums = days[named(row)][row["event_date"]]
            for name in ("units", "amount", "refunded", "excluded_units"):
                sums[name] += row[name]
    silent = open_days(shop_lines(tables), day, None, options).silent
    shop_since = min(row["business_date"] for row in tables["silver.products"])
    if options.level == "product":
        for product, versions in entries.items():
            since = versions[0]["business_date"]
            if since > shop_since and (day - since).days < 28:
                days[product, "*"]["new"] = since
    found = {}
    for key, sums in days.items():
        since = sums.pop("new", None)
        series = one_series(sums, since, day, options)
        entry = entries[key[0]][-1] if key[0] in entries else {}
        end = entry.get("discontinued_on")
        if series is None or (end is not None and end < day):
            continue
        shown = span(series["first_day"], day)
        shares = exposures(tables["silver.stock"], named, key, shown, sums, options)
        shares = [
            0.0 if (day - when).days in silent else share
            for when, share in zip(shown, shares, strict=True)
        ]
        series["exposure"] = shares if min(shares) < 1 else None
        ahead = span(series["first_day"], day + timedelta(days=options.horizon_days))
        series |= promoted(tables["silver.promotions"], named, key, ahead)
        found[key] = series | {"discontinued_on": end}
    return found


def shop_lines(tables):
    """Order lines of the shop by day."""
    lines = defaultdict(int)
    for row in tables["features.product_days"]:
        lines[row["event_date"]] += row["lines"]
    return lines


def as_series(entries, level):
    """The series of a row, by its product and store."""

    def named(row):
        product, store = row["product_id"], row.get("store_id", "*")
        if level == "category_store":
            product = (entries[product][-1]["category"] if product in entries else None) or (
                "without category"
            )
        return product, "*" if level == "product" else store

    return named


def span(first, last):
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def one_series(sums, since, day, options):
    """Units and prices of one series, None where it is not forecast."""
    sold = sorted(when for when, one in sums.items() if one["units"] > 0)
    if not (sold and (day - sold[-1]).days < options.active_days) and since is None:
        return None
    first = sold[0] if sold else since
    first = max(first, day - timedelta(days=options.history_days - 1))
    units, price, last = [], [], None
    for when in span(first, day):
        one = sums.get(when)
        units.append(float(one["units"]) if one else 0.0)
        if units[-1]:
            last = float(one["amount"]) / float(one["units"])
        price.append(last)
    active = [one for when, one in sums.items() if (day - when).days < options.active_days]
    return {
        "first_day": first,
        "last_day": day,
        "units": units,
        "price": price,
        "value": float(sum(one["amount"] for one in active)),
        "refunded": float(sum(one["refunded"] for one in active)),
        "excluded_units": float(sum(one["excluded_units"] for one in active)),
        "is_fractional": any(one["units"] % 1 for one in sums.values()),
    }


def exposures(stock, named, key, days, sums, options):
    """The mean over what was counted."""
    shares = []
    for when in days:
        is_sold = when in sums and sums[when]["units"] > 0
        counted = []
        for row in stock:
            product, store = named(row)
            is_own = (product, store) == key or (product == key[0] and store == "*")
            if not is_own or row["event_date"] != when:
                continue
            if row["hours_sold_out"] is not None:
                counted.append(max(0, 1 - row["hours_sold_out"] / options.opening_hours))
            elif row["on_hand"] != 0:
                counted.append(1)
            else:
                counted.append(0.5 if is_sold else 0)
        share = sum(counted) / len(counted) if counted else 1.0
        shares.append(max(share, 1 / options.opening_hours) if is_sold else share)
    return shares


def promoted(promotions, named, key, days):
    """Stores by day, and since when they are known; None where there is no promotion."""
    versions = defaultdict(list)
    for row in sorted(promotions, key=lambda row: row["business_date"]):
        if named(row)[0] == key[0]:
            versions[row["product_id"], row["starts_on"]].append(row)
    display, mailer, announced = ([0.0] * len(days), [0.0] * len(days), [None] * len(days))
    for newest, known_on in as_planned(versions):
        for n, when in enumerate(days):
            if newest["starts_on"] <= when <= newest["ends_on"]:
                display[n] += newest["display_stores"]
                mailer[n] += newest["mailer_stores"]
                ahead = (when - known_on).days
                announced[n] = ahead if announced[n] is None else min(announced[n], ahead)
    if not any(n is not None for n in announced):
        return dict.fromkeys(("display", "mailer", "announced"))
    announced = [-1 if n is None else max(n, -1) for n in announced]
    return {"display": display, "mailer": mailer, "announced": announced}


def as_planned(versions):
    """The newest version of each promotion and its announcement; one moved later is cut.

    Args:
        versions: rows by product and first day, the oldest first.
    """
    plans = defaultdict(list)
    for (product, _), rows in sorted(versions.items()):
        plans[product].append((rows[-1], rows[0]["business_date"]))
    for of_product in plans.values():
        for n, (old, known_on) in enumerate(of_product):
            ends, own = old["ends_on"], span(old["starts_on"], old["ends_on"])
            for new, new_known_on in of_product[max(n - 1, 0) : n] + of_product[n + 1 : n + 2]:
                days = span(new["starts_on"], new["ends_on"])
                common = len(set(own) & set(days))
                if new_known_on > known_on and 2 * common > max(len(own), len(days)):
                    ends = min(ends, new_known_on, new["starts_on"] - timedelta(days=1))
            if ends >= old["starts_on"]:
                yield old | {"ends_on": ends}, known_on


def value_classes(values, ids):
    """A: series that make the first 80 % of the value, B: the next 15 %, C: the rest."""
    ranked = sorted(zip(values, ids, range(len(values)), strict=True), key=lambda x: (-x[0], x[1]))
    whole, before, found = sum(max(value, 0) for value in values), 0, ["C"] * len(values)
    for value, _, place in ranked:
        if value > 0 and before < 0.95 * whole:
            found[place] = "A" if before < 0.8 * whole else "B"
        before += max(value, 0)
    return found
