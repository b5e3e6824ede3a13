"""A failure stays where it is: tables, entities, models and trainings that fail, one lake."""

from datetime import date, timedelta

import pytest

from lakeshop import pipeline
from lakeshop.contracts.model import TRAINING
from lakeshop.engine.outcome import report_failures
from lakeshop.errors import BusyError
from shops import FIRST, TinyShop, contents, line, product, run_stages, tiny_shop

GOLD = (
    "gold.category_forecasts",
    "gold.fraud_scores",
    "gold.inventory_forecasts",
    "gold.recommendations",
    "gold.reorder_plan",
    "gold.similar_products",
)
READERS = {
    "gold.inventory_forecasts": {"gold.category_forecasts", "gold.reorder_plan"},
    "gold.fraud_scores": set(),
    "gold.recommendations": set(),
}


def nothing(context):
    """No rows of the table that is made."""
    from pyspark.sql import SparkSession

    return SparkSession.active().createDataFrame([], context.contract.struct)


@pytest.fixture
def broken(monkeypatch):
    """Tables whose builders raise; all others make no rows."""
    broken: set[str] = set()

    def builder(run, table):
        def build(tables, context):
            if table in broken:
                msg = f"{table} is broken"
                raise ArithmeticError(msg)
            return nothing(context)

        return build

    monkeypatch.setattr(pipeline, "_builder", builder)
    return broken


@pytest.fixture(scope="module")
def shop(spark, tmp_path_factory) -> TinyShop:
    return tiny_shop(spark, tmp_path_factory.mktemp("failures"))


def night(shop, day, *layers):
    """Make the tables of some layers of a night; returns the run."""
    run = shop.run(day)
    pipeline.build(run, *layers)
    run.flush()
    return run


def made(run, tables, day):
    return {t for t in tables if run.ledger.publication(t, day)}


@pytest.mark.parametrize("number", range(len(GOLD)))
def test_a_table_of_gold_takes_only_its_readers_with_it(shop, broken, number):
    table, day = GOLD[number], FIRST + timedelta(days=10 * number)
    broken.add(table)
    run = night(shop, day, "gold")
    lost = {table, *READERS.get(table, ())}
    assert made(run, GOLD, day) == set(GOLD) - lost
    assert {f.table: f.because for f in run.failures} == {
        t: (t != table and table) or "" for t in lost
    }
    broken.clear()
    run = night(shop, day + timedelta(days=1), "gold")
    assert not run.failures
    assert made(run, GOLD, day) == made(run, GOLD, day + timedelta(days=1)) == set(GOLD)


def test_two_at_once_are_both_told(shop, broken, caplog):
    day = FIRST + timedelta(days=100)
    broken |= {"gold.fraud_scores", "gold.recommendations"}
    run = night(shop, day, "gold")
    assert made(run, GOLD, day) == set(GOLD) - broken
    report_failures(run.failures)
    assert "gold.fraud_scores of 2026-" in caplog.text
    assert "ArithmeticError: gold.recommendations is broken" in caplog.text
    broken.clear()
    assert not night(shop, day, "gold").failures


def test_what_a_failed_day_reaches_waits_for_it(shop, broken):
    """Features by day look back: the day after is not made either, and says so."""
    day = FIRST + timedelta(days=120)
    broken.add("features.user_product_days")
    assert night(shop, day, "features").failures
    run = night(shop, day + timedelta(days=1), "features")
    reasons = {f.table: f.reason for f in run.failures}
    assert "features.user_product_days is broken" in reasons["features.user_product_days"]
    assert (
        f"features.user_product_days of {day + timedelta(days=1)} failed"
        in reasons["features.users"]
    )
    assert made(run, ["features.product_days"], day + timedelta(days=1))
    broken.clear()
    run = night(shop, day + timedelta(days=2), "features")
    assert not run.failures
    for n in range(3):
        assert made(run, ["features.users"], day + timedelta(days=n))


def test_a_table_by_day_that_failed_is_made_by_the_next_night_alone(spark, tmp_path, monkeypatch):
    """With its true builders: after the day and the next one all is as after two good nights."""
    shop = tiny_shop(spark, tmp_path)
    days = [FIRST, FIRST + timedelta(days=1)]
    for day in days:
        shop.deliver("transactions", day, [line(n, f"{day} 09:00:00") for n in range(4)])
    tables = ("features.product_days", "features.user_product_days")

    def make(lake, day):
        run = shop.run(day, lake=lake)
        for stage in ("ingest", "clean"):
            pipeline.STAGES[stage](run)
        pipeline.build_tables(run, *tables)
        run.flush()
        return run

    true = pipeline._builder
    with monkeypatch.context() as patch:

        def breaking(run, table):
            def build(tables, context):
                msg = "division by zero"
                raise ArithmeticError(msg)

            return build if table == "features.product_days" else true(run, table)

        patch.setattr(pipeline, "_builder", breaking)
        assert [f.table for f in make("lake", days[0]).failures] == ["features.product_days"]
    assert not make("lake", days[1]).failures
    for day in days:
        make("good", day)
    assert contents(shop.lake("lake"), *days) == contents(shop.lake("good"), *days)
    assert contents(shop.lake("good"), *days)["features.product_days"]


def test_a_failed_training_leaves_the_one_before_in_use_for_two_weeks(shop, broken):
    monday = date(2027, 1, 4)
    weeks = [monday + timedelta(days=7 * n) for n in range(3)]
    run = night(shop, weeks[0], "models", "ops")
    assert not run.failures
    broken.add("models.fraud")
    run = night(shop, weeks[1], "models", "ops", "gold")
    assert {f.table for f in run.failures} == {"models.fraud"}
    warnings = run.lake.read("ops.runs").where("table_name = 'gold.fraud_scores'")
    told = [w for row in warnings.collect() for w in row["warnings"]]
    assert told == [f"models.fraud of {weeks[1]} failed: that of {weeks[0]} is used"]
    source = run.lake.contract("models.fraud")
    assert source.schedule == TRAINING
    assert run.ledger.newest_made(source.name, weeks[1]) == weeks[0]
    last = weeks[0] + timedelta(days=14)
    assert made(night(shop, last, "models", "gold"), ["gold.fraud_scores"], last)
    run = night(shop, last + timedelta(days=1), "gold")
    assert not made(run, ["gold.fraud_scores"], last + timedelta(days=1))
    assert made(run, ["gold.recommendations"], last + timedelta(days=1))
    broken.clear()
    assert not night(shop, last + timedelta(days=2), "models", "gold").failures


def test_an_entity_that_cannot_be_cleaned_leaves_the_others(spark, tmp_path):
    """Too many bad rows of products: what reads products waits, user actions do not."""
    shop = tiny_shop(spark, tmp_path, similarity={"min_support": 1, "blocks": 2})
    days = [FIRST, FIRST + timedelta(days=1)]
    for day in days:
        shop.deliver("transactions", day, [line(n, f"{day} 09:00:00") for n in range(4)])
        shop.deliver("user_actions", day, [])
    good = [product(n) for n in range(4)]
    shop.deliver("products", FIRST, [{**row, "sku": ""} for row in good])
    run = shop.run(FIRST)
    for stage in ("ingest", "clean"):
        pipeline.STAGES[stage](run)
    run.flush()
    failed = {f.table for f in run.failures if not f.because}
    assert failed == {"silver.products"}
    assert {f.table for f in run.failures if f.because} >= {"silver.transactions"}
    assert made(run, ["silver.user_actions"], FIRST)
    shop.deliver("products", FIRST, good)
    run = shop.run(days[1])
    for stage in ("ingest", "clean"):
        pipeline.STAGES[stage](run)
    run.flush()
    assert {f.table for f in run.failures if not f.because} == {"silver.products"}
    for day in days:  # delivered again, the day is loaded again
        run_stages(shop, "lake", day, day, ["ingest", "clean"])
    run_stages(shop, "good", days[0], days[0], ["ingest", "clean"])
    run_stages(shop, "good", days[1], days[1], ["ingest", "clean"])
    assert contents(shop.lake("lake"), *days) == contents(shop.lake("good"), *days)


def test_a_missing_drop_of_one_entity_leaves_the_others(spark, tmp_path):
    shop = tiny_shop(spark, tmp_path)
    shop.deliver("user_actions", FIRST, [])
    run = shop.run(FIRST)
    for stage in ("ingest", "clean"):
        pipeline.STAGES[stage](run)
    run.flush()
    assert made(run, ["bronze.user_actions", "silver.user_actions"], FIRST)
    assert "Looked for and not found" in run.failures[0].reason
    assert {f.table for f in run.failures} >= {"bronze.transactions", "silver.transactions"}
    shop.deliver("transactions", FIRST, [line(1, f"{FIRST} 09:00:00")])
    shop.deliver("transactions", FIRST + timedelta(days=1), [])
    shop.deliver("user_actions", FIRST + timedelta(days=1), [])
    run = shop.run(FIRST + timedelta(days=1))
    for stage in ("ingest", "clean"):
        pipeline.STAGES[stage](run)
    assert not run.failures
    assert run.ledger.rows("silver.transactions", FIRST, FIRST) == 1


def test_a_mapping_that_cannot_be_used_leaves_the_others(spark, tmp_path):
    shop = tiny_shop(spark, tmp_path)
    for entity in ("transactions", "user_actions"):
        shop.deliver(entity, FIRST, [])
    run = shop.run(FIRST)
    users = run.settings.shop.entities["user_actions"]
    columns = {name: users.columns[name] for name in users.columns if name != "action"}
    entities = {
        **run.settings.shop.entities,
        "user_actions": users.model_copy(update={"columns": columns}),
    }
    own = run.settings.shop.model_copy(update={"entities": entities})
    run.settings = run.settings.model_copy(update={"shop": own})
    for stage in ("ingest", "clean"):
        pipeline.STAGES[stage](run)
    assert made(run, ["bronze.transactions", "silver.transactions"], FIRST)
    assert not made(run, ["bronze.user_actions"], FIRST)
    assert "user_actions" in run.unusable["bronze.user_actions"]


@pytest.mark.parametrize(
    "fault", [BusyError("lost"), OSError(28, "No space left on device"), ConnectionError("gone")]
)
def test_faults_of_the_machine_end_the_run(shop, broken, monkeypatch, fault):
    def builder(run, table):
        def build(tables, context):
            raise fault

        return build

    monkeypatch.setattr(pipeline, "_builder", builder)
    run = shop.run(FIRST + timedelta(days=300))
    with pytest.raises(type(fault)):
        pipeline.build(run, "gold")
    assert not run.failures
