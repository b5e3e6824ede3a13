from collections.abc import Mapping
from datetime import date, timedelta
from importlib import import_module

import numpy as np
import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from conftest import Rows, collected
from lakeshop.config.settings import Settings
from lakeshop.contracts.model import BUSINESS_DATE, Contract
from lakeshop.demand.forecasting.methods import METHODS
from lakeshop.demand.forecasting.panel import Panel
from lakeshop.demand.inventory_forecasts import inventory_forecasts, quantile_name
from lakeshop.demand.reasons import WORDS, method_words
from lakeshop.engine.context import BuildContext

# The package gives its function the module's name.
MODULE = import_module("lakeshop.demand.inventory_forecasts")
DAY = date(2026, 3, 7)  # a Saturday
HORIZON, HISTORY = 28, 140
MODELS = "name STRING, is_champion BOOLEAN, business_date DATE"
LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
QUANTILES = [quantile_name(level) for level in LEVELS]
FACTORS = [0.8, 0.8, 0.9, 1.0, 1.1, 1.4, 1.0]  # Monday first
LAST = DAY + timedelta(days=10)

_chance = np.random.default_rng(3)
BASE = _chance.poisson(5.0, HISTORY).astype(float)
_some = _chance.random(HISTORY)
UNITS: Mapping[str, np.ndarray] = {
    "smooth": BASE,
    "zeros": np.zeros(30),
    "once": np.array([3.0]),
    "gap": np.where((np.arange(HISTORY) > 30) & (np.arange(HISTORY) < 125), 0.0, BASE),
    "spike": np.where(np.arange(HISTORY) == 120, 5000.0, BASE),
    "discontinued": BASE[::-1].copy(),
    "fractional": BASE * 0.37,
    "lumpy": np.where(_some < 0.15, 7.0, 0.0),
    "sold out": np.where(np.arange(HISTORY) >= 130, 0.0, BASE),
    "promoted": BASE + 1,
    **{f"kin {n}": _chance.poisson(2.0, 12).astype(float) for n in range(8)},
    "newcomer": np.zeros(2),
    "not sellable": np.zeros(2),
}
CLASSES = {"zeros": "dead", "once": "new", "lumpy": "lumpy", "newcomer": "new"}
# The means of the rules: one method for each segment but that of the newcomers.
RULES = {
    "smooth A": "exponential_smoothing",
    "lumpy B": "croston_sba",
    "dead C": "seasonal_naive",
}


def test_quantile_names() -> None:
    assert QUANTILES == ["q05", "q10", "q25", "q50", "q75", "q90", "q95"]
    assert quantile_name(0.99) == "q99"


def test_every_method_has_words() -> None:
    assert set(METHODS) <= set(WORDS)
    assert method_words("tsb_and_network") == (
        f"the average of {WORDS['tsb']} and of {WORDS['network']}"
    )


def _class(name: str) -> str:
    return CLASSES.get(name, "new" if name.startswith(("kin", "not")) else "smooth")


def _abc(name: str) -> str:
    return {"smooth": "A", "lumpy": "B"}.get(_class(name), "C")


def _series(name: str) -> dict[str, object]:
    units = UNITS[name]
    days = len(units)
    exposure = None
    if name == "sold out":
        exposure = np.where(np.arange(days) >= 135, 0.0, np.where(np.arange(days) >= 130, 0.25, 1))
    if name == "not sellable":
        exposure = np.zeros(days)
    mailer = np.zeros(days + HORIZON)
    mailer[days + 2] = 4  # on the third day ahead
    is_promoted = name == "promoted"
    return {
        "business_date": DAY,
        "product_id": name,
        "store_id": "*",
        "category": "cheese" if name.startswith("kin") or name == "newcomer" else None,
        "department": "dairy" if name.startswith("kin") or name == "newcomer" else None,
        "first_day": DAY - timedelta(days=days - 1),
        "last_day": DAY,
        "discontinued_on": LAST if name == "discontinued" else None,
        "units": units.tolist(),
        "exposure": None if exposure is None else exposure.tolist(),
        "price": [None if name == "zeros" else 2.0] * days,
        "display": (0 * mailer).tolist() if is_promoted else None,
        "mailer": mailer.tolist() if is_promoted else None,
        "announced": [28] * len(mailer) if is_promoted else None,
        "demand_class": _class(name),
        "abc": _abc(name),
        "is_active": True,
        "is_fractional": name == "fractional",
        "weekdays": FACTORS,
        "value": float(units.sum()),
    }


def _tables(rows: Rows, rules: Mapping[str, str], parts: int) -> dict[str, DataFrame]:
    inactive = {**_series("smooth"), "product_id": "not active", "is_active": False}
    backtests = [
        {
            "business_date": day,
            "segment": segment,
            "method": method if day == DAY - timedelta(days=5) else "tsb",
            "reason": f"found so of {segment}",
            "levels": list(LEVELS) * 4,
            "variance_factor": 1.0,
            "level_variance": 0.25,
        }
        for segment, method in rules.items()
        for day in (DAY - timedelta(days=12), DAY - timedelta(days=5))
    ]
    whole = {"segment": "all", "business_date": DAY - timedelta(days=5), "figures": "{}"}
    demand = rows("features.demand", inactive, *[_series(name) for name in UNITS])
    return {
        "features.demand": demand.repartition(parts),
        "ops.backtests": rows("ops.backtests", *backtests, *([whole] if rules else [])),
        "models.demand": demand.sparkSession.createDataFrame([], MODELS),
    }


Found = dict[str, list[dict[str, object]]]


def _by_series(made: DataFrame) -> Found:
    found: Found = {}
    for row in sorted(made.collect(), key=lambda r: r["horizon"]):
        found.setdefault(row["product_id"], []).append(row.asDict())
    return found


def _numbers(rows: list[dict[str, object]], *names: str) -> np.ndarray:
    return np.array([[row[name] for name in names] for row in rows], np.float64)


def _means(name: str, method: str) -> np.ndarray:
    """By the method itself, on a matrix made here."""
    units, days = UNITS[name], len(UNITS[name])
    row = _series(name)
    matrix, exposure = np.zeros((1, 392)), np.zeros((1, 392))
    matrix[0, -days:] = units
    exposure[0, -days:] = 1.0 if row["exposure"] is None else row["exposure"]
    promoted = np.zeros((1, 392 + HORIZON))
    panel = Panel(
        DAY, matrix, exposure, np.full_like(matrix, np.nan), promoted, promoted, promoted - 1
    )
    return METHODS[method](panel, np.array([FACTORS]))[0]


def _night(settings: Settings, contracts: Mapping[str, Contract]) -> BuildContext:
    return BuildContext(DAY, settings, contract=contracts["gold.inventory_forecasts"])


def test_each_series_is_forecast_by_the_rule_of_its_segment(
    rows: Rows, settings: Settings, contracts: Mapping[str, Contract]
) -> None:
    night = _night(settings, contracts)
    made = inventory_forecasts(_tables(rows, RULES, 1), night)
    found = _by_series(made)
    assert set(found) == set(UNITS), "those not active are not forecast"
    assert night.warnings == []
    for name, series in found.items():
        assert [row["horizon"] for row in series] == list(range(1, HORIZON + 1)), name
        ahead = [DAY + timedelta(days=n) for n in range(1, HORIZON + 1)]
        assert [row["target_date"] for row in series] == ahead
        quantiles = _numbers(series, *QUANTILES)
        assert (np.diff(quantiles, axis=1) >= 0).all(), name
        assert (quantiles >= 0).all()
        assert np.isfinite(_numbers(series, "mean", "variance", "level_variance")).all(), name
        assert {row["model_date"] for row in series} == {None}
        is_whole = (quantiles == np.floor(quantiles)).all()
        assert is_whole == (name != "fractional"), name
    _means_are_those_of_the_methods(found)
    _what_cannot_be_done_is_done_by_another(found)
    _nothing_is_sold_after_a_product_was_discontinued(found)
    _reasons_say_why(found)
    _has_the_columns(made, contracts["gold.inventory_forecasts"])


def _means_are_those_of_the_methods(found: Found) -> None:
    for name in ("smooth", "gap", "spike", "fractional", "sold out", "promoted", "lumpy", "zeros"):
        method = RULES[f"{_class(name)} {_abc(name)}"]
        series = found[name]
        assert {row["method"] for row in series} == {method}
        assert not any(row["is_fallback"] for row in series)
        expected = np.round(_means(name, method), 4)
        np.testing.assert_allclose(_numbers(series, "mean")[:, 0], expected, atol=1e-4)
        assert {row["level_variance"] for row in series} == {0.25}
    assert _numbers(found["spike"], "mean").max() < 50, "one absurd day does not last"
    assert _numbers(found["sold out"], "mean").min() > 1, "what was sold out is still wanted"
    assert _numbers(found["zeros"], "mean", "q95").max() == 0


def _what_cannot_be_done_is_done_by_another(found: Found) -> None:
    # Its kin sell 2 a day; it was on sale for two days and sold nothing.
    newcomer = found["newcomer"]
    assert {row["method"] for row in newcomer} == {"by_analogy"}
    assert not any(row["is_fallback"] for row in newcomer)
    assert 0.5 < _numbers(newcomer, "mean").mean() < 2.2
    # Never on sale and of no kind: by analogy with all there is.
    assert np.isfinite(_numbers(found["not sellable"], "mean")).all()
    assert {row["demand_class"] for row in newcomer} == {"new"}


def _nothing_is_sold_after_a_product_was_discontinued(found: Found) -> None:
    numbers = _numbers(found["discontinued"], "mean", "variance", "level_variance", *QUANTILES)
    assert (numbers[10:] == 0).all(), "ten days are left"
    expected = _means("discontinued", RULES["smooth A"])[:10]
    np.testing.assert_allclose(numbers[:10, 0], expected, atol=1e-4)
    reasons = [row["reason"] for row in found["discontinued"]]
    assert reasons[10] == f"discontinued before {DAY + timedelta(days=11)}"
    assert not any(str(reason).startswith("discontinued") for reason in reasons[:10])


def _reasons_say_why(found: Found) -> None:
    sold = BASE[-56:]
    first = found["smooth"][0]["reason"]
    assert first == (
        f"sold {sold.sum():.0f} units on {(sold > 0).sum()} of 56 days; forecast is "
        "exponential smoothing by the weekday; as for smooth A: found so of smooth A"
    )
    promoted = [str(row["reason"]) for row in found["promoted"]]
    assert promoted[2] == f"{promoted[0]}; promoted: mailed by 4 stores"
    assert sum("promoted" in reason for reason in promoted) == 1
    # Five days at a quarter, 3.75 days lost; days not exposed at all are not among the 51.
    assert "of 51 days; sold out 3.8 days of them; " in str(found["sold out"][0]["reason"])
    assert str(found["once"][0]["reason"]).startswith("sold 3 units on 1 of 1 days; ")
    assert str(found["not sellable"][0]["reason"]).startswith("not sold yet; ")


def test_without_a_backtest_it_is_the_mean_however_the_series_lie(
    rows: Rows,
    settings: Settings,
    contracts: Mapping[str, Contract],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    night = _night(settings, contracts)
    made = night.cache(inventory_forecasts(_tables(rows, {}, 1), night))
    found = collected(made)
    assert night.warnings == ["no backtest of demand yet: forecasts are by mean_56"]
    monkeypatch.setattr(MODULE, "SERIES_PER_TASK", 7)
    split = inventory_forecasts(_tables(rows, {}, 2), _night(settings, contracts))
    assert collected(split) == found
    place = {name: made.columns.index(name) for name in made.columns}
    smooth = [row for row in found if row[place["product_id"]] == "smooth"]
    smooth.sort(key=lambda row: int(str(row[place["horizon"]])))
    means = [row[place["mean"]] for row in smooth]
    np.testing.assert_allclose(means, _means("smooth", "mean_56"), atol=1e-4)
    assert {row[place["method"]] for row in found} <= {"mean_56", "by_analogy", "zero"}
    assert len(found) == len(UNITS) * HORIZON
    _holds_to_its_contract(made, contracts["gold.inventory_forecasts"])
    night.release()


def test_a_series_that_no_method_can_do_is_zero_with_a_reason(
    rows: Rows, settings: Settings, contracts: Mapping[str, Contract]
) -> None:
    never = {**_series("not sellable"), "demand_class": "dead"}
    tables = {**_tables(rows, {}, 1), "features.demand": rows("features.demand", never)}
    made = inventory_forecasts(tables, _night(settings, contracts)).where("horizon = 1")
    [row] = made.collect()
    assert (row["method"], row["is_fallback"], row["mean"], row["q95"]) == ("zero", True, 0, 0)
    assert row["reason"] == (
        "not sold yet; forecast is nothing, since no method could say more; mean_56 could not do it"
    )


def test_days_on_which_the_shop_is_closed_are_zero(
    rows: Rows, settings: Settings, contracts: Mapping[str, Contract]
) -> None:
    closed = [n for n in range(1, HORIZON + 1) if (DAY + timedelta(days=n)).weekday() == 6]
    series = [_series(name) | {"closed": closed} for name in ("smooth", "promoted", "kin 1")]
    tables = {**_tables(rows, RULES, 1), "features.demand": rows("features.demand", *series)}
    for found in _by_series(inventory_forecasts(tables, _night(settings, contracts))).values():
        numbers = _numbers(found, "mean", "variance", *QUANTILES)
        assert (numbers[[n - 1 for n in closed]] == 0).all()
        assert (np.delete(numbers[:, 0], [n - 1 for n in closed]) > 0).all()
        day = DAY + timedelta(days=closed[0])
        said = f"the shop is always closed on days like {day}"
        assert found[closed[0] - 1]["reason"] == said


def _has_the_columns(made: DataFrame, contract: Contract) -> None:
    given = {BUSINESS_DATE, "run_id"}
    types = {c.name: c.type for c in contract.columns if c.name not in given}
    assert {f.name: f.dataType for f in made.schema.fields} == types


def _holds_to_its_contract(made: DataFrame, contract: Contract) -> None:
    _has_the_columns(made, contract)
    dated = made.withColumn(BUSINESS_DATE, F.lit(DAY)).withColumn("run_id", F.lit("x"))
    required = [F.col(c.name).isNotNull() for c in contract.columns if c.required]
    rules = [F.expr(check.holds) for check in contract.checks] + required
    broken = dated.select(*[F.count_if(~F.coalesce(rule, F.lit(False))) for rule in rules])
    assert set(broken.collect()[0]) == {0}
