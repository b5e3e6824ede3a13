"""A simulated shop, from clean to mostly dirty: each row of every entity ends as the truth says."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from chaos.report import Report
from lakeshop_demo.simulator.arguments import Arguments
from lakeshop_demo.simulator.dirt import SHAPES
from simulations import cleaned, outcomes, simulated_by_hand

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1800)]


@pytest.mark.parametrize("dirt", [0.0, 0.01, 0.6])
def test_dirt_of_all_entities_ends_as_the_truth_says(
    spark: SparkSession, tmp_path: Path, chaos_report: Report, dirt: float
) -> None:
    arguments = Arguments(users=300, products=80, days=18, seed=12, dirt=dirt)
    shop = simulated_by_hand(arguments, tmp_path)
    lake = cleaned(spark, shop, tmp_path / "lake")
    found, expected = outcomes(lake, shop)
    wrong = [key for key in {*found, *expected} if found.get(key) != expected.get(key)]
    rows = shop.read_truth("rows")
    assert set(rows["entity"]) == set(SHAPES)
    told = rows.groupby("outcome")["rows"].sum().to_dict()
    assert bool(told.get("quarantined")) == bool(dirt)
    assert told.get("quarantined", 0) / sum(told.values()) == pytest.approx(dirt / 3, abs=0.1)
    chaos_report(f"deliveries of seven entities, {dirt:.0%} dirty", lost=len(wrong))
    assert wrong == []
