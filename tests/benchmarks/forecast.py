"""`forecast`: a night's forecasts of 1,000 to 100,000 series, beside statsforecast in one process.

Ours goes from a Delta table of features.demand to a committed Delta table of 28 days with seven
quantiles each: once by local methods alone, once with the network of all series for every one of
them. statsforecast forecasts the same series from memory to memory, by the five of its models that
ours has too, means only: less work than a night's. Its answer must agree where both have a method.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame

from benchmarks.child import Answer, Prepared
from benchmarks.harness import BENCH, HOME, Measured, Method, measure
from benchmarks.report import Goal, as_text, compared, judged, row_of, write
from benchmarks.sessions import session
from lakeshop.config.settings import Settings
from lakeshop.demand.examples import columns_of
from lakeshop.demand.inventory_forecasts import inventory_forecasts
from lakeshop.demand.training import METHOD, MODEL_NAME, widths
from lakeshop.engine.context import BuildContext
from lakeshop.pipeline import all_contracts, read_settings
from lakeshop.training.backend import compiled_model
from lakeshop.training.networks import model_spec
from lakeshop.training.registry import as_bytes, sha256_of

DAY = date(2026, 6, 30)
DAYS = 365
SIZES = (1_000, 10_000, 100_000)
LOCAL, NETWORK, PEER = "lakeshop, local", "lakeshop, network", "statsforecast"
# Of a night: 2,000 series within a minute; 10,000 are five times as many.
GOALS = (Goal(f"{LOCAL}, 10000", seconds=60), Goal(f"{NETWORK}, 10000", seconds=60))
CLASSES = ("smooth", "erratic", "intermittent", "lumpy")
EVEN = [1.0] * 7


def run(name: str, scale: float, chosen: str, load: float) -> list[str]:
    """Run the benchmark, or a part of it that is for trying out; what failed, in words."""
    from benchmarks.__main__ import measure_all, say

    label = name if scale == 1 else f"{name}_scale_{scale:g}"
    methods = []
    for size in [round(n * scale) for n in SIZES]:
        data = {"path": str(BENCH / "data" / f"demand_{size}"), "n": size}
        if not (Path(data["path"]) / "_delta_log").exists():
            making = Method("the series", "benchmarks.forecast:making", data)
            measure(making, BENCH / "data" / f"making_demand_{size}")
        ours = f"{LOCAL}, {size}"
        methods += [
            Method(ours, "benchmarks.forecast:ours", {**data, "method": "tsb"}),
            Method(f"{NETWORK}, {size}", "benchmarks.forecast:ours", {**data, "method": "network"}),
            Method(f"{PEER}, {size}", "benchmarks.forecast:in_statsforecast", data, ours),
        ]
    methods = [method for method in methods if chosen in method.name]
    measured, faults = measure_all(methods, BENCH / "runs" / label)
    faults += differences(measured)
    sizes = {method.name: int(str(method.arguments["n"])) for method in methods}
    rows = [
        row_of(label, m, sizes[m.name], measured[m.name]) for m in methods if m.name in measured
    ]
    rows = compared(rows, {m.name: m.beside for m in methods if m.beside in measured})
    rates = [
        f"  {m}: {n / min(measured[m].seconds):,.0f} series/s"
        for m, n in sizes.items()
        if m in measured
    ]
    goals = judged(GOALS, rows) if scale == 1 else []
    say("\n".join(["", label, as_text(rows), *rates, *goals, ""]))
    part = "_part" if chosen else ""
    counts = {"series": max(sizes.values()), "days": DAYS}
    write(BENCH / f"{label}{part}.json", rows, data=counts, goals=goals, faults=faults, load=load)
    return faults


def differences(measured: Mapping[str, Measured]) -> list[str]:
    """Which sizes have another mean of TSB than statsforecast, which knows one smoothing alone."""
    faults = []
    for name, peer in measured.items():
        ours = measured.get(name.replace(PEER, LOCAL))
        if not name.startswith(PEER) or ours is None or ours.answer is None or peer.answer is None:
            continue
        mine, theirs = ours.answer["mean"].sum(), peer.answer["mean"].sum()
        if not np.isclose(mine, theirs, rtol=0.05):
            faults.append(
                f"{name} should forecast as many units as ours. Received {theirs}, {mine}."
            )
    return faults


def demand(n: int) -> np.ndarray:
    """Units of n series by days: counts around levels from one a month to twenty a day."""
    rng = np.random.default_rng(n)
    level = np.exp(rng.uniform(np.log(0.03), np.log(20), n))[:, None]
    return rng.poisson(rng.gamma(2.0, level / 2.0, (n, DAYS))).astype(np.float64)


def making(path: str, n: int) -> Prepared:
    """Write the series as rows of features.demand."""

    def work() -> None:
        spark = session("4g")
        contract = all_contracts(HOME / "schemas")["features.demand"]
        for start in range(0, n, 20_000):
            units = demand(n)[start : start + 20_000]
            rows = [_row(start + place, of) for place, of in enumerate(units)]
            values = [tuple(row.get(c) for c in contract.column_names) for row in rows]
            frame = spark.createDataFrame(values, contract.struct)
            # Work may be done again: the first rows replace what is there.
            frame.write.format("delta").mode("append" if start else "overwrite").save(path)

    return Prepared(work)


def _row(number: int, units: np.ndarray) -> dict[str, object]:
    return {
        "business_date": DAY,
        "product_id": f"{number:07}",
        "store_id": "*",
        "department": f"d{number % 10}",
        "category": f"c{number % 100}",
        "is_active": True,
        "first_day": DAY - timedelta(days=DAYS - 1),
        "last_day": DAY,
        "units": units.tolist(),
        "price": [2.0] * DAYS,
        "refunded": 0.0,
        "excluded_units": 0.0,
        "value": float(2 * units[-84:].sum()),
        "abc": "ABC"[number % 3],
        "demand_class": CLASSES[number % 4],
        "is_fractional": False,
        "weekdays": EVEN,
        "run_id": "bench",
    }


def ours(path: str, n: int, method: str) -> Prepared:
    """gold.inventory_forecasts, all series by one method."""
    del n
    spark = session("4g")
    settings = read_settings(HOME / "conf", env="local", shop="simulated")
    contracts = all_contracts(HOME / "schemas")
    tables: dict[str, DataFrame] = {
        "ops.backtests": spark.createDataFrame(
            _rules(method, settings), contracts["ops.backtests"].struct
        ),
        "models.demand": spark.createDataFrame(
            _models(settings), contracts["models.demand"].struct
        ),
    }

    def work() -> None:
        contract = contracts["gold.inventory_forecasts"]
        night = BuildContext(DAY, settings, contract=contract)
        series = spark.read.format("delta").load(path)
        rows = inventory_forecasts({**tables, "features.demand": series}, night)
        rows.write.format("delta").mode("overwrite").save("forecasts")
        night.release()

    def answer() -> Answer:
        found = spark.read.format("delta").load("forecasts").where("horizon = 1")
        ordered = found.select("product_id", "mean").orderBy("product_id").toPandas()
        return {"mean": ordered["mean"].to_numpy()}

    return Prepared(work, answer)


def _rules(method: str, settings: Settings) -> list[tuple[object, ...]]:
    levels = list(settings.demand.quantiles) * 4
    return [
        (DAY, f"{kind} {abc}", method, "for the benchmark", levels, 1.0, 0.1, 1, 4, "{}", "bench")
        for kind in (*CLASSES, "new", "dead")
        for abc in "ABC"
    ]


def _models(settings: Settings) -> list[tuple[object, ...]]:
    """A network with its first weights: what it says takes as long as what a trained one says."""
    options = settings.demand
    network = options.global_model.network
    stated = model_spec(network, columns_of(options), widths(options), MODEL_NAME, 1)
    payload = as_bytes(compiled_model(stated))
    of_model = (
        MODEL_NAME,
        METHOD,
        True,
        [],
        [],
        payload,
        sha256_of(payload),
        "{}",
        "{}",
        [],
        "bench",
    )
    return [(DAY, *of_model, 1, DAY, DAY, [], "bench", "bench")]


def in_statsforecast(path: str, n: int) -> Prepared:
    """Five local models, one process, from memory to memory."""
    from statsforecast import StatsForecast
    from statsforecast.models import (
        TSB,
        CrostonSBA,
        SeasonalNaive,
        SimpleExponentialSmoothing,
        WindowAverage,
    )

    del path
    days = pd.date_range(DAY - timedelta(days=DAYS - 1), DAY)
    long = pd.DataFrame(
        {
            "unique_id": np.repeat(np.arange(n), DAYS),
            "ds": np.tile(days.to_numpy(), n),
            "y": demand(n).ravel(),
        }
    )
    models = [
        SeasonalNaive(7),
        WindowAverage(56),
        SimpleExponentialSmoothing(0.1),
        CrostonSBA(),
        TSB(0.1, 0.1),
    ]
    found: dict[str, pd.DataFrame] = {}

    def work() -> None:
        found["all"] = StatsForecast(models, freq="D", n_jobs=1).forecast(df=long, h=28)

    def answer() -> Answer:
        first = found["all"].groupby("unique_id").head(1)
        return {"mean": first["TSB"].to_numpy()}

    return Prepared(work, answer)
