"""`recommend`: lists by what was learned, by the prior terms, and by who knows the users fully.

A simulated shop with views, carts and wish lists, 2,000 users, 1,500 products and sixteen weeks.
Its lake is prepared once; its last night, a Monday, trains. The lists are scored by what users buy
in the week after, before stock. Differences in nDCG@10 are paired by user. `truth` ranks by the
share of a hundred simulated weeks in which the user buys the product.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from benchmarks.futures import bought, likeliest
from benchmarks.harness import BENCH, HOME, MethodFailed
from benchmarks.night import Figures, Lake
from benchmarks.night_growth import PRODUCTS, SEED, SHOP, USERS, simulate
from benchmarks.report import write_figures
from lakeshop.config.settings import Settings
from lakeshop.engine.context import BuildContext
from lakeshop.engine.inputs import read_inputs
from lakeshop.engine.session import local_session
from lakeshop.ml.ranking import coverage, gini, ndcg_at, paired_interval
from lakeshop.pipeline import all_contracts, read_settings
from lakeshop.privacy.pseudonyms import pseudonym_key, pseudonym_of
from lakeshop.recommendations.recommendations import recommendations
from lakeshop.storage.lake import Lake as Tables
from lakeshop.storage.publications import Ledger
from lakeshop_demo.simulator.arguments import Arguments
from lakeshop_demo.simulator.rows import customer, sku

FIRST, MONDAY = date(2025, 1, 1), date(2025, 4, 28)
K, FUTURES, WEEK = 10, 100, 7
GOLD, MODELS = "gold.recommendations", "models.recommendations"
LEARNED, PRIOR, TRUTH = "lakeshop", "prior", "truth"
Lists = Mapping[str, Sequence[str]]  # product ids by pseudonym


@dataclass(frozen=True)
class Week:
    """What users bought in the week after the lists: product ids by pseudonym."""

    bought: Lists
    truth: Lists


def run(name: str, scale: float, chosen: str, load: float) -> list[str]:
    """Run the benchmark; what failed, in words.

    Args:
        name: recommend.
        scale: share of the users.
        chosen: part of a method's name.
        load: of the machine, before.
    """
    from benchmarks.__main__ import say

    label = name if scale == 1 else f"{name}_scale_{scale:g}"
    users = round(USERS * scale)
    try:
        lake = _prepared(users)
    except MethodFailed as error:
        return [str(error)]
    settings = read_settings(lake.conf, env="local", shop=SHOP)
    lists = _lists(lake.folder / "lake", settings)
    week = _week(Arguments(users, PRODUCTS, (MONDAY - FIRST).days + 1, SEED, 0.0, FIRST), settings)
    figures = compared({**lists, TRUTH: week.truth}, week.bought)
    shown = {key: value for key, value in figures.items() if chosen in key[0]}
    say("\n".join(["", label, *[f"  {m:<10}{of:<22}{v:>9.4f}" for (m, _, of), v in shown.items()]]))
    part = "_part" if chosen else ""
    write_figures(BENCH / f"{label}{part}.json", label, shown, load=load)
    return []


def compared(lists: Mapping[str, Lists], relevant: Lists) -> Figures:
    """Figures of each method, and what it gains over the prior terms, paired by user."""
    came = sorted(user for user, products in relevant.items() if products)
    ndcg = {
        method: np.array([ndcg_at(found.get(user, ()), relevant[user], K) for user in came])
        for method, found in lists.items()
    }
    figures: Figures = {}
    for method, values in ndcg.items():
        shown = [products for user, products in lists[method].items() if user in relevant]
        _, times = np.unique([p for products in shown for p in products], return_counts=True)
        gain = paired_interval(values - ndcg[PRIOR], np.array(came))
        of = {
            "ndcg": values.mean(),
            "share_of_truth": values.mean() / ndcg[TRUTH].mean(),
            "gain_over_prior": gain.mean,
            "gain_low": gain.low,
            "gain_high": gain.high,
            "coverage": coverage(shown, PRODUCTS),
            "gini": gini(times, PRODUCTS),
            "users": len(came),
        }
        figures |= {(method, "merged", name): float(value) for name, value in of.items()}
    return figures


def _prepared(users: int) -> Lake:
    """The lake until the Monday, made where there is none."""
    folder = BENCH / "data" / f"recommend_{users}_{MONDAY}"
    lake, done = Lake(folder, SHOP, folder / "conf"), folder / "done"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        shutil.copytree(HOME / "conf", lake.conf)
        shop = lake.conf / "shops" / f"{SHOP}.yaml"
        shop.write_text("applications: [recommendations]\n" + shop.read_text())
        simulate(lake, users, MONDAY)
        lake.night(FIRST, MONDAY - timedelta(days=1), folder / "history.txt")
        lake.night(MONDAY, MONDAY, folder / "night.txt")
        done.touch()
    return lake


def _lists(root: Path, settings: Settings) -> dict[str, Lists]:
    """The first products of each user, merged by score, by the champion and by the prior terms."""
    spark = local_session(HOME / "conf" / "spark" / "local.conf", {"spark.driver.memory": "3g"})
    try:
        tables = Tables(spark, str(root), all_contracts(HOME / "schemas"))
        contract = tables.contract(GOLD)
        read = read_inputs(tables, Ledger.load(tables), contract, MONDAY, MONDAY)
        night = BuildContext(MONDAY, settings, contract=contract, lake=tables)
        found = {}
        for method, models in ((LEARNED, read[MODELS]), (PRIOR, read[MODELS].where("false"))):
            rows = recommendations({**read, MODELS: models}, night).where("NOT is_fallback")
            chosen = rows.select("user_id", "product_id", "score", "rank").toPandas()
            best = chosen.sort_values(
                ["score", "rank", "product_id"], ascending=[False, True, True]
            )
            found[method] = {
                user: own["product_id"].head(K).tolist() for user, own in best.groupby("user_id")
            }
            night.release()
        return found
    finally:
        spark.stop()


def _week(arguments: Arguments, settings: Settings) -> Week:
    """What was bought in the week after, and what who knows the users would have shown."""
    key = pseudonym_key(settings.pseudonyms)
    users = [pseudonym_of(name, key) for name in customer(np.arange(arguments.users)).to_pylist()]
    ids = np.array(sku(np.arange(arguments.products)).to_pylist())
    first = arguments.days
    pairs = bought(arguments, first, first + WEEK, 0)
    user, product = np.divmod(pairs, arguments.products)
    mine = {users[n]: ids[product[user == n]].tolist() for n in range(arguments.users)}
    best = likeliest(arguments, first, first + WEEK, FUTURES, K)
    return Week(mine, {users[n]: ids[own].tolist() for n, own in best})
