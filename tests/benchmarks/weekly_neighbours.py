"""`weekly_neighbours`: what lists lose by neighbours that are found once a week.

Of each Sunday the recommendations are made twice on one lake of Complete Journey: with neighbours
of the Monday before (`similarity.schedule: training`) and of the Sunday itself (`nightly`). No
night's neighbours are older than a Sunday's. Both lists are scored by what their users bought in
the seven days after; differences in nDCG are paired by user, who is the cluster over Sundays.
"""

import shutil
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from benchmarks.harness import BENCH, HOME, MethodFailed
from benchmarks.night import SHOP, SUNDAY, Figures, Lake, prepared_lake
from benchmarks.report import write_figures
from lakeshop.config.settings import Settings
from lakeshop.engine.session import local_session
from lakeshop.ml.ranking import paired_interval
from lakeshop.pipeline import all_contracts, read_settings
from lakeshop.recommendations.methods import Scored, ours, relevant, user_scores
from lakeshop.storage.lake import Lake as Tables

SUNDAYS = [SUNDAY - timedelta(weeks=weeks) for weeks in range(4, 0, -1)]
WEEKLY, NIGHTLY = "training", "nightly"
BY_USER = ["night", "list", "user_id"]


def run(name: str, scale: float, chosen: str, load: float) -> list[str]:
    """Run the benchmark; what failed, in words.

    Args:
        name: weekly_neighbours.
        scale: share of the history.
        chosen: part of a Sunday, such as 2017-11.
        load: of the machine, before.
    """
    from benchmarks.__main__ import say

    label = name if scale == 1 else f"{name}_scale_{scale:g}"
    folder = BENCH / "runs" / label
    shutil.rmtree(folder, ignore_errors=True)
    try:
        shutil.copytree(prepared_lake(scale, say).folder, folder / "shop")
        scores = [
            _scores_of_sunday(folder, day, schedule)
            for day in SUNDAYS
            if chosen in f"{day}"
            for schedule in (WEEKLY, NIGHTLY)
        ]
    except MethodFailed as error:
        return [str(error)]
    figures = given_up(pd.concat(scores))
    say("\n".join(["", label, *_lines(figures), ""]))
    part = "_part" if chosen else ""
    write_figures(BENCH / f"{label}{part}.json", label, figures, load=load)
    return []


def given_up(scores: pd.DataFrame) -> Figures:
    """Figures of each list, by schedule, and what weekly neighbours lose against nightly ones.

    Args:
        scores: schedule, night, list, user_id, ndcg.
    """
    pairs = scores.pivot(index=BY_USER, columns="schedule", values="ndcg").reset_index()
    found: Figures = {}
    for of, group in pairs.groupby("list"):
        lost = paired_interval(group[NIGHTLY] - group[WEEKLY], group["user_id"].to_numpy(str))
        values = {
            "user_nights": len(group),
            "ndcg_nightly": group[NIGHTLY].mean(),
            "ndcg_weekly": group[WEEKLY].mean(),
            "ndcg_lost": lost.mean,
            "ndcg_lost_low": lost.low,
            "ndcg_lost_high": lost.high,
        }
        found |= {("weekly_neighbours", f"{of}", key): float(v) for key, v in values.items()}
    return found


def _scores_of_sunday(folder: Path, day: date, schedule: str) -> pd.DataFrame:
    """nDCG of a Sunday's lists by user, after its night was run."""
    lake = Lake(folder / "shop", SHOP, _configuration(folder / schedule / "conf", schedule))
    lake.night(day, day, folder / f"{schedule}_{day}.log")
    settings = read_settings(lake.conf, env="local", shop=SHOP)
    spark = local_session(HOME / "conf" / "spark" / "local.conf", {"spark.driver.memory": "2g"})
    try:
        scores = _own_scores(spark, folder / "shop" / "lake", settings, day)
    finally:
        spark.stop()
    return scores.assign(schedule=schedule, night=day)


def _own_scores(spark: SparkSession, root: Path, settings: Settings, day: date) -> pd.DataFrame:
    """list, user_id, ndcg: of what was published, by the days after."""
    tables = Tables(spark, str(root), all_contracts(HOME / "schemas"))
    after = day + timedelta(days=1), day + timedelta(days=settings.evaluation.horizon_days)
    users = tables.read("features.users", day, day)
    days = tables.read("features.user_product_days", *after)
    scored = Scored(
        recommendations=tables.read("gold.recommendations", day, day).where("user_id != '*'"),
        users=users,
        products=tables.read("features.products", day, day),
        neighbours=tables.empty_frame("similarity.neighbours"),  # baselines are not asked for
        habits=tables.read("features.user_products", day, day),
        after=days.where(F.col("event_date") >= F.lit(after[0])),
    )
    k = settings.evaluation.cutoff
    lists, truth = ours(scored.recommendations, k), relevant(scored)
    scores = user_scores(lists, truth, scored.products, k=k, n_users=users.count())
    return scores.select("list", "user_id", "ndcg").toPandas()


def _configuration(conf: Path, schedule: str) -> Path:
    """A copy of the configuration, of recommendations alone and with a schedule of neighbours."""
    if not conf.exists():
        shutil.copytree(HOME / "conf", conf)
        shop = conf / "shops" / f"{SHOP}.yaml"
        wanted = f"applications: [recommendations]\nsimilarity: {{schedule: {schedule}}}\n"
        shop.write_text(wanted + shop.read_text())
    return conf


def _lines(figures: Figures) -> list[str]:
    """Each list in a sentence."""
    return [
        f"{of}: nDCG {figures[method, of, 'ndcg_nightly']:.4f} nightly, "
        f"{figures[method, of, 'ndcg_weekly']:.4f} weekly; lost "
        f"{figures[method, of, 'ndcg_lost']:+.4f} [{figures[method, of, 'ndcg_lost_low']:+.4f}, "
        f"{figures[method, of, 'ndcg_lost_high']:+.4f}] on "
        f"{figures[method, of, 'user_nights']:,.0f} user-nights"
        for method, of in dict.fromkeys((method, of) for method, of, _ in figures)
    ]
