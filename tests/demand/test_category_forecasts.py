from collections import defaultdict
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal

import numpy as np

from conftest import Rows
from lakeshop.config.settings import Settings
from lakeshop.contracts.model import BUSINESS_DATE, Contract
from lakeshop.demand.category_forecasts import category_forecasts
from lakeshop.engine.context import BuildContext

DAY = date(2026, 3, 7)
PLACES = [("dairy", "cheese"), ("dairy", "milk"), ("dairy", None), ("bakery", "milk"), (None, None)]


def test_every_level_is_exactly_the_sum_of_the_one_below(
    rows: Rows, settings: Settings, contracts: Mapping[str, Contract]
) -> None:
    chance = np.random.default_rng(0)
    demand, forecasts = [], []
    expected: dict[tuple[object, ...], list[Decimal]] = defaultdict(list)
    for n in range(30):
        key = {"business_date": DAY, "product_id": f"p{n // 2}", "store_id": f"s{n % 2}"}
        department, category = PLACES[n // 2 % len(PLACES)]
        demand.append({**key, "department": department, "category": category})
        for horizon in (1, 2):
            # As doubles such numbers do not add up to what their digits say.
            mean = Decimal(int(chance.integers(0, 10**7))).scaleb(-4)
            target = DAY + timedelta(days=horizon)
            forecasts.append(
                {**key, "horizon": horizon, "target_date": target, "mean": float(mean)}
            )
            place = (department or "", category or "")
            for level in (("category", *place), ("department", place[0], ""), ("shop", "", "")):
                expected[(*level, target, horizon)].append(mean)
    tables = {
        "features.demand": rows("features.demand", *demand),
        "gold.inventory_forecasts": rows("gold.inventory_forecasts", *forecasts),
    }
    made = category_forecasts(tables, BuildContext(DAY, settings))
    names = ("level", "department", "category", "target_date", "horizon")
    found = made.collect()
    by_key = {tuple(row[name] for name in names): (row["mean"], row["series"]) for row in found}
    assert len(by_key) == len(found) == 2 * (5 + 3 + 1)
    assert by_key == {key: (sum(means), len(means)) for key, means in expected.items()}
    sums: dict[tuple[object, ...], Decimal] = defaultdict(Decimal)
    for (level, department, _, _, horizon), (mean, _) in by_key.items():
        sums[level, horizon] += mean
        if level == "category":
            sums[department, horizon] += mean
    for horizon in (1, 2):
        of_levels = {sums[level, horizon] for level in ("category", "department", "shop")}
        assert len(of_levels) == 1
        dairy = by_key["department", "dairy", "", DAY + timedelta(days=horizon), horizon][0]
        assert dairy == sums["dairy", horizon]
    contract = contracts["gold.category_forecasts"]
    types = {c.name: c.type for c in contract.columns if c.name not in {BUSINESS_DATE, "run_id"}}
    assert {f.name: f.dataType for f in made.schema.fields} == types
