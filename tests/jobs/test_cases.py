"""Odd but honest deliveries of `tests/cases/`, each run by its plan: nothing of them ends a night.

A case is a folder: `shop.yaml`, `landing/` with the drops, `plan` with the jobs in order, and
`expected.md`, which says in words what is asserted here.
"""

import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from conftest import HOME, collected
from lakeshop.pipeline import all_contracts, main
from lakeshop.storage.lake import Lake

CASES = HOME / "tests" / "cases"


@dataclass(frozen=True)
class Case:
    """A case after its plan.

    Attributes:
        codes: exit codes of its jobs.
        said: what they logged.
        lake: what they wrote.
    """

    codes: tuple[int, ...]
    said: str
    lake: Lake

    def rows(self, table: str, day: str) -> DataFrame:
        """Rows of a table filed on a day of March 2026."""
        filed = date.fromisoformat(f"2026-03-{day}")
        return self.lake.read(table, filed, filed)


def expression_meets_dirt(case: Case) -> None:
    assert case.codes == (0, 0)
    assert case.rows("silver.transactions", "10").count() == 99
    [row] = case.rows("quarantine.transactions", "10").collect()
    assert row["reasons"] == ["not computed: amount should follow from qty, paid"]


def credit_without_quantity(case: Case) -> None:
    assert set(case.codes) == {0}
    lines = case.lake.read("silver.transactions").where("quantity = 0 AND amount < 0")
    product = lines.first()["product_id"]
    newest = case.lake.read("features.demand").where(F.col("product_id") == product)
    assert all(v <= 0 and c == "C" for v, c in collected(newest, "value", "abc"))
    assert not newest.isEmpty()


def open_end_date(case: Case) -> None:
    assert case.codes == (0,)
    until = case.lake.read("silver.products").where("discontinued_on = DATE'9999-12-31'")
    [name] = {row["product_id"] for row in until.collect()}
    forecasts = case.rows("gold.inventory_forecasts", "12")
    days = forecasts.groupBy("product_id").count().collect()
    assert {row["count"] for row in days} == {28}
    assert name in {row["product_id"] for row in days}


def minutes_for_months(case: Case) -> None:
    assert set(case.codes) == {2}
    assert "month" in case.said
    assert not Path(case.lake.root).exists()


def a_line_break_in_quotes(case: Case) -> None:
    assert case.codes == (0, 0)
    products = {row["product_id"]: row for row in case.rows("silver.products", "10").collect()}
    assert set(products) == {f"p{n}" for n in range(80)}
    assert products["p3"]["description"] == "first line\nsecond, line, of, it"
    assert products["p5"]["name"] == "Lamp\nwith shade"


def cancelled_rows_cannot_be_left_out(case: Case) -> None:
    assert case.codes == (0, 0)
    assert case.rows("silver.transactions", "10").count() == 54
    assert case.rows("quarantine.transactions", "10").isEmpty()
    [run] = case.lake.read("ops.runs").where("table_name = 'silver.transactions'").collect()
    assert (run["rows_in"], run["accepted"], run["left_out"]) == (60, 54, 6)
    assert not any("rejected" in warning for warning in run["warnings"])


def colon_in_a_name(case: Case) -> None:
    assert case.codes == (0,)
    assert case.rows("bronze.transactions", "10").count() == 8


def lines_within_an_order(case: Case) -> None:
    assert case.codes == (0, 0)
    lines = case.rows("silver.transactions", "10")
    assert collected(lines.groupBy("order_id").count()) == [(f"o{n}", 2) for n in range(6)]
    assert case.rows("bronze.transactions", "10").count() == 6
    [run] = case.lake.read("ops.runs").where("table_name = 'silver.transactions'").collect()
    assert (run["rows_in"], run["accepted"]) == (12, 12)


def null_by_another_name(case: Case) -> None:
    assert case.codes == (0, 0)
    lines = case.rows("silver.transactions", "10")
    assert lines.select("user_id").distinct().where("user_id IS NOT NULL").count() == 5
    assert lines.where("user_id IS NULL").count() == lines.count() / 2


def told(case: Case, table: str) -> str:
    """Warnings of a table, as `ops.runs` has them."""
    rows = case.lake.read("ops.runs").where(F.col("table_name") == table)
    return "\n".join(text for row in rows.collect() for text in row["warnings"])


def a_day_never_delivered(case: Case) -> None:
    assert set(case.codes) == {0}
    assert told(case, "silver.transactions").count("2026-03-12") == 1
    for night in ("13", "14"):
        for row in case.rows("features.demand", night).collect():
            known = [row["first_day"] + timedelta(days=n) for n in range(len(row["units"]))]
            missing = known.index(date(2026, 3, 12))
            assert row["exposure"][missing] == 0
            assert sum(share < 1 for share in row["exposure"]) == 1


def nobody_sold_anything(case: Case) -> None:
    assert set(case.codes) == {0}
    assert "delivered for 2026-03-11, 2026-03-12" in told(case, "silver.transactions")
    filed = case.lake.read("silver.transactions").groupBy("business_date").count()
    counts = {f"{row['business_date']:%d}": row["count"] for row in filed.collect()}
    assert counts["10"] == 40
    assert not {"11", "12"} & set(counts)
    # Lines that end with CR alone are cut by `sources.lines`.
    assert counts["13"] == 40


def closed_on_sundays(case: Case) -> None:
    assert set(case.codes) == {0}
    night = date(2026, 2, 10)
    for table in ("gold.inventory_forecasts", "gold.category_forecasts"):
        rows = collected(case.lake.read(table, night, night), "target_date", "mean")
        closed = [float(mean) for target, mean in rows if target.weekday() == 6]
        open_ = [float(mean) for target, mean in rows if target.weekday() != 6]
        assert len(closed) >= 4
        assert max(closed) == 0
        assert min(open_) > 0
    said = told(case, "silver.transactions")
    assert said.count("nothing was delivered") == 1, "the first Sunday"


def negative_on_hand(case: Case) -> None:
    assert set(case.codes) == {0}
    assert case.rows("quarantine.stock", "11").isEmpty()
    plan = case.rows("gold.reorder_plan", "11")
    owed = plan.where("on_hand < 0").collect()
    assert len(owed) == 3
    for row in owed:
        assert row["order_quantity"] == row["order_up_to"] + 5
        assert "5 are owed" in row["reason"]
    kept = plan.where("on_hand > 0").collect()
    assert all(row["order_quantity"] == max(row["order_up_to"] - 8, 0) for row in kept)


def house_account(case: Case) -> None:
    assert case.codes == (0,)
    assert not case.rows("gold.recommendations", "10").isEmpty()
    assert "hardly as a person" in case.said
    assert "shop.shared_accounts" in case.said
    assert "CASH" not in case.said


def discontinued_is_recommended(case: Case) -> None:
    assert case.codes == (0,)
    recommended = {p for (p,) in collected(case.rows("gold.recommendations", "10"), "product_id")}
    pairs = collected(case.rows("gold.similar_products", "10"), "product_id", "similar_product_id")
    # p2 is discontinued, p3 is sold out.
    assert recommended == {"p0", "p1"}
    assert {product for pair in pairs for product in pair} <= recommended


def labels_of_orders(case: Case) -> None:
    assert case.codes == (0, 0)
    assert "12 of 12 labels name no known order line, such as r0, r1, r100" in case.said.replace(
        "\n", " "
    )
    assert "They are ids of orders: map order_id in place of transaction_id" in case.said


def other_currency(case: Case) -> None:
    assert case.codes == (0, 0, 0)
    kept = collected(case.lake.read("silver.transactions"), "transaction_id", "user_id")
    assert [line for line, _ in kept] == ["t1", "t2", "t4", "t8"]
    assert {line for line, user in kept if user is None} == {"t2", "t8"}
    assert case.lake.read("quarantine.transactions").isEmpty()
    runs = case.lake.read("ops.runs").where("table_name = 'silver.transactions'")
    assert collected(runs, "left_out", "quarantined") == [(1, 0), (3, 0)]
    assert "left out: 1 of CHF" in case.said
    assert "left out: 3 of CHF" in case.said
    actions = collected(case.lake.read("silver.user_actions"), "action_id", "user_id")
    assert [action for action, user in actions if user is None] == ["a1"]
    assert case.lake.read("restricted.user_keys").count() == 1


def receipts_begin_anew(case: Case) -> None:
    assert set(case.codes) == {0}
    assert "80 of 120 rows" in case.said
    assert "transaction_id t0, t1, t10" in case.said
    assert 'columns: [..., "{date}"]' in case.said
    assert case.lake.read("silver.transactions").count() == 40
    aside = case.rows("quarantine.transactions", "11").select("reasons")
    assert aside.count() == 40
    reason = "conflict: transaction_id t0 was accepted with other content on 2026-03-10"
    assert [reason] in [row["reasons"] for row in aside.collect()]


def stock_by_lot(case: Case) -> None:
    assert set(case.codes) == {0}
    levels = dict(collected(case.rows("silver.stock", "10"), "product_id", "on_hand"))
    assert levels["p1"] == 100


def one_product_in_two_categories(case: Case) -> None:
    assert set(case.codes) == {0}
    assert "2 of " in case.said
    assert "product_id p1;" in case.said
    [category] = case.lake.read("silver.products").where("product_id = 'p1'").collect()
    assert category["category"] in {"C", "Sale"}


def order_cancelled_the_day_after(case: Case) -> None:
    assert set(case.codes) == {0}
    assert case.rows("silver.transactions", "10").where("transaction_id = 't1'").count() == 1
    filed = case.rows("silver.transactions", "11").where("corrects = 't1'").collect()
    assert {row["transaction_id"]: (row["quantity"], row["amount"]) for row in filed} == {
        "t1~reversed 2026-03-11": (-5, -500),
        "t1~corrected 2026-03-11": (0, 0),
    }
    [reversal] = [row for row in filed if row["is_reversal"]]
    assert reversal["event_date"] == date(2026, 3, 10)
    user, product = reversal["user_id"], reversal["product_id"]
    habits = case.rows("features.user_products", "11")
    assert habits.where((F.col("user_id") == user) & (F.col("product_id") == product)).isEmpty()
    demand = case.rows("features.demand", "11").where(F.col("product_id") == product)
    assert demand.isEmpty() or sum(demand.first()["units"]) == 0
    paid = case.rows("features.transactions", "11").select("transaction_id").collect()
    assert len(paid) == 6
    assert not [row for row in paid if row["transaction_id"].startswith("t1~")]


def played(spark: SparkSession, name: str, home: Path, said: Callable[[], str]) -> Case:
    """Run a case's plan below a folder."""
    conf = home / "conf"
    shutil.copytree(HOME / "conf", conf)
    shutil.copy(CASES / name / "shop.yaml", conf / "shops" / f"{name}.yaml")
    shutil.copytree(CASES / name / "landing", home / "landing")
    places = ["--shop", name, "--conf", str(conf), "--schemas", str(HOME / "schemas")]
    codes = []
    for step in (CASES / name / "plan").read_text().splitlines():
        verb, *words = shlex.split(step)
        if verb == "job":
            codes.append(main(words[0], argv=[*words[1:], *places]))
        else:
            shutil.copy(CASES / name / "later" / words[0], home / "landing" / words[1])
    lake = Lake(spark, str(home / "lake"), all_contracts(HOME / "schemas"))
    return Case(tuple(codes), said(), lake)


# Of several nights each.
LONG = {
    "a_day_never_delivered",
    "closed_on_sundays",
    "discontinued_is_recommended",
    "house_account",
    "negative_on_hand",
}
NAMES = [
    pytest.param(path.name, marks=[pytest.mark.slow] if path.name in LONG else [])
    for path in sorted(CASES.iterdir())
]


@pytest.mark.parametrize("name", NAMES)
def test_a_case_ends_as_expected(
    spark: SparkSession, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = played(spark, name, tmp_path, lambda: "".join(capsys.readouterr()))
    globals()[name](case)
