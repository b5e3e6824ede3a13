"""One Spark session for all tests, small frames from rows, lakes in temporary folders."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pyspark.sql import DataFrame, SparkSession

from lakeshop.config.settings import Settings
from lakeshop.contracts.model import Contract
from lakeshop.engine.session import local_session
from lakeshop.features.user_products import purchases_and_refunds
from lakeshop.pipeline import all_contracts, read_settings

if TYPE_CHECKING:
    from frauds import FraudShop
    from shops import Contents, TinyShop

pytest_plugins = ["chaos.report"]
HOME = Path(__file__).resolve().parent.parent
os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
os.environ["TZ"] = "UTC"

# Hundreds of small plans over a few rows: the second compiler costs more than it spares.
JAVA = (
    f"-Dlog4j2.configurationFile={HOME / 'conf' / 'spark' / 'log4j2.properties'} "
    "-Duser.timezone=UTC -XX:+UseSerialGC -XX:TieredStopAtLevel=1"
)
SMALL = {
    "spark.driver.memory": "2g",
    "spark.sql.shuffle.partitions": "2",
    # Plans of a few rows: adapting them costs more than running them.
    "spark.sql.adaptive.enabled": "false",
    "spark.default.parallelism": "2",
    # Compiling a plan costs more than interpreting it over a few rows.
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.databricks.delta.snapshotPartitions": "1",
    "spark.driver.extraJavaOptions": JAVA,
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
}

# What .ci/postgres.sh fetches, for tests against a database; on the class path with Delta's.
DRIVERS = sorted((HOME / ".venv" / "jars").glob("org.postgresql_postgresql-*.jar"))


# What shares a lake goes to one process of `-n 2`, the longest first.
LONGEST = (
    "test_kills.py",
    "test_deaths.py",
    "test_random_kills.py",
    "test_submit.py",
    "two_nights",
    "six_nights",
    "test_survival.py",
    "fraud_nights",
    "keras",
)


# Run TensorFlow in the process of the test: started once, in one process of the two.
KERAS = {
    "test_backend.py",
    "test_calibration.py",
    "test_demand_network.py",
    "test_fraud_network.py",
    "test_inference.py",
    "test_local_steps.py",
    "test_registry.py",
}


def group(item: pytest.Item) -> str:
    if item.path.name in KERAS:
        return "keras"
    needs = (*getattr(item, "fixturenames", ()), item.path.name)
    return next((name for name in LONGEST if name in needs), item.path.name)


# Start a JVM of their own, or need what one has made.
IN_JVMS = {"test_submit.py", "test_survival.py", "test_own_application.py", "test_jdbc.py"}


def pytest_itemcollected(item: pytest.Item) -> None:
    """Not later: xdist reads the groups before any other hook sees all items."""
    item.add_marker(pytest.mark.xdist_group(group(item)))
    if "spark" in getattr(item, "fixturenames", ()) or item.path.name in IN_JVMS:
        item.add_marker(pytest.mark.jvm)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: (*LONGEST, group(item)).index(group(item)))


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """The laptop's configuration, made small."""
    session = local_session(HOME / "conf" / "spark" / "local.conf", SMALL)
    yield session
    session.stop()


@pytest.fixture(scope="session")
def contracts() -> dict[str, Contract]:
    return all_contracts(HOME / "schemas")


@pytest.fixture(scope="session")
def settings() -> Settings:
    return read_settings(HOME / "conf", env="local", shop="complete_journey")


Rows = Callable[..., DataFrame]


@pytest.fixture
def rows(spark: SparkSession, contracts: Mapping[str, Contract]) -> Rows:
    """Rows of a table: `rows("silver.transactions", {...}, {...})`, each over a base row.

    A column that is not named is NULL, or where the contract requires it a plain value.
    """

    def make(table: str, *overrides: Mapping[str, object]) -> DataFrame:
        contract = contracts[table]
        base = {c.name: plain(c.type.typeName()) if c.required else None for c in contract.columns}
        values = [tuple({**base, **row}[c] for c in contract.column_names) for row in overrides]
        return spark.createDataFrame(values, contract.struct)

    return make


def all_purchases(days: DataFrame) -> DataFrame:
    """All that `purchases_and_refunds` finds."""
    plain, moved = purchases_and_refunds(days)
    return plain.unionByName(moved)


def plain(kind: str) -> object:
    """A plain value of a Spark type."""
    return {
        "string": "x",
        "boolean": True,
        "integer": 1,
        "long": 1,
        "double": 1.0,
        "decimal": Decimal(1),
        "date": date(2026, 3, 10),
        "timestamp": datetime(2026, 3, 10, 12),
        "array": [],
        "binary": b"",
    }[kind]


def collected(frame: DataFrame, *columns: str) -> list[tuple[object, ...]]:
    """The rows of a frame as sorted tuples."""
    chosen: Sequence[str] = columns or frame.columns
    return sorted((tuple(row) for row in frame.select(*chosen).collect()), key=repr)


@pytest.fixture(scope="session")
def ten_days(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> "TinyShop":
    """A shop with the drops of ten days."""
    from shops import ten_day_shop

    return ten_day_shop(spark, tmp_path_factory.mktemp("shop"))


TwoNights = tuple["TinyShop", "Contents"]


@pytest.fixture(scope="session")
def two_nights(ten_days: "TinyShop") -> TwoNights:
    """A shop of ten days and what two whole nights, in order, leave in its lake `in_order`."""
    from lakeshop.pipeline import STAGES
    from shops import FIRST, contents, run_stages

    days = (FIRST, FIRST + timedelta(days=1))
    for day in days:
        run_stages(ten_days, "in_order", day, day, list(STAGES))
    return ten_days, contents(ten_days.lake("in_order"), *days)


@pytest.fixture(scope="session")
def fraud_nights(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> "FraudShop":
    """A shop with labels whose models of the training day are trained."""
    from frauds import fraud_shop

    shop = fraud_shop(spark, tmp_path_factory.mktemp("frauds") / "lake")
    shop.train()
    return shop
