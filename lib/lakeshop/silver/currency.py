"""The shop's currency, and lines of another one.

Amounts of several currencies add up to nothing: lines of another currency than the shop's are
left out. The shop's is `shop.currency`, or the constant of the mapping, or learned from the first
day with lines: the most frequent one, of equals the first by name. As no other one is accepted
since, each night learns the same, and a range of days learns what its first night does.
"""

import re
from datetime import date, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakeshop.config.shop import Shop
from lakeshop.contracts.model import BUSINESS_DATE, Contract
from lakeshop.silver.cleaning import REASONS
from lakeshop.silver.quality import IS_LEFT_OUT
from lakeshop.storage.lake import Lake
from lakeshop.storage.publications import Ledger

FOREIGN = "is_of_other_currency"
_CODE = "upper(currency)"
SHOWN = 10  # currencies that a warning names


def is_delivered(shop: Shop, table: str) -> bool:
    """Return whether rows of a table bear a currency that may differ from row to row."""
    origin = shop.entities[table.removeprefix("silver.")].columns.get("currency")
    return origin is not None and origin.constant is None


def learned(
    lake: Lake, ledger: Ledger, contract: Contract, first: date, rows: DataFrame
) -> str | None:
    """Return the currency of the first day with lines within the look-back; None without any.

    Args:
        lake: holds the lines accepted before.
        ledger: knows on which days there were some.
        contract: of their table.
        first: the first day of the run.
        rows: its validated rows, for a shop without a day before.
    """
    since = first - timedelta(days=contract.look_back_days or 0)
    failed = set(ledger.failed_days(contract.name, since, first))
    for day in ledger.days(contract.name):
        if since <= day < first and day not in failed and ledger.rows(contract.name, day, day):
            return _most_frequent(lake.read(contract.name, day, day), F.lit(True))
    return _most_frequent(rows, (F.size(REASONS) == 0) & ~F.col(IS_LEFT_OUT))


def _most_frequent(lines: DataFrame, is_good: Column) -> str | None:
    """The currency of most good lines of the first day that has some."""
    # Counted, not filtered: Spark would push so long a condition below all that it is made of.
    per_day = lines.groupBy(BUSINESS_DATE, F.expr(_CODE).alias("code"))
    counted = [row for row in per_day.agg(F.count_if(is_good).alias("n")).collect() if row["n"]]
    first = min((row[BUSINESS_DATE] for row in counted), default=None)
    of_first = [row for row in counted if row[BUSINESS_DATE] == first]
    return min(of_first, key=lambda r: (-r["n"], r["code"]))["code"] if of_first else None


def is_foreign(currency: str | None) -> Column:
    """Whether a line is of another currency; case makes no difference."""
    if currency is None:
        return F.lit(False)
    return F.coalesce(F.expr(_CODE) != F.lit(currency), F.lit(False))


def foreign_warnings(rows: DataFrame) -> tuple[str, ...]:
    """Warn of lines of other currencies, by currency.

    Args:
        rows: with `FOREIGN`, some of which are so.
    """
    counted = rows.where(FOREIGN).groupBy(F.expr(_CODE).alias("code")).count().collect()
    if not counted:
        return ()
    # A column that holds no codes is mapped by mistake: what it holds is not repeated.
    is_code = re.compile("[A-Z]{3}").fullmatch
    named = sorted((r["code"], r["count"]) for r in counted if is_code(r["code"]))[:SHOWN]
    others = sum(r["count"] for r in counted) - sum(rows for _, rows in named)
    parts = [f"{rows} of {code}" for code, rows in named]
    found = ", ".join([*parts, *([f"{others} of others"] if others else [])])
    return (
        f"currency: lines of another currency than the shop's are left out: {found}. Set "
        "shop.currency where another one is the shop's, or convert the amounts before delivery",
    )
