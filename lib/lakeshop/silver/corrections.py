"""Corrections: an order line that comes again changed takes the place of what was accepted.

It is filed on the day it came, in two rows: a reversal, which takes back the line as it was known,
and the corrected line. Both have ids of their own; no earlier day changes. A reversal has the
columns of what it takes back, its event date among them, and the negative of its sums: added up,
the line has never been.
"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as W
from pyspark.sql import functions as F
from pyspark.sql.window import WindowSpec

from lakeshop.contracts.model import BUSINESS_DATE, Contract
from lakeshop.engine.transforms import latest_versions
from lakeshop.silver.counting import (
    ACCEPTED,
    CONFLICT,
    KEPT_EVENT,
    KEPT_FILE,
    KEPT_ON,
    OUTCOME,
    QUARANTINED,
    REPEATED,
    TAKEN_BACK,
)
from lakeshop.silver.duplicates import (
    CONTENT,
    CORRECTS,
    IS_REVERSAL,
    VALID,
    Rule,
    content_of,
    place_of,
)

LINE = "transaction_id"
_NEGATED = ("quantity", "discount", "amount")


def can_correct(contract: Contract) -> bool:
    """Return whether rows of a table may correct others."""
    return CORRECTS in contract.column_names


def known_lines(rows: DataFrame) -> DataFrame:
    """Accepted lines by the shop's own ids: as they count, without reversals."""
    is_reversal = F.coalesce(IS_REVERSAL, F.lit(False))
    return rows.where(~is_reversal).withColumn(LINE, F.coalesce(CORRECTS, LINE))


def corrected_outcomes(
    rows: DataFrame, accepted: DataFrame, rule: Rule, contract: Contract
) -> DataFrame:
    """Add `outcome`, `kept_on`, and `taken_back` where a row corrects another one.

    The last row of a day counts. It is a duplicate where it equals the line as known, and no
    correction where that is older than the look-back.

    Args:
        rows: rows of a range of at most `look_back_days` days, with pseudonyms of persons.
        accepted: rows of the same table accepted before the range.
        rule: how rows are told apart.
        contract: of the table.
    """
    line_number = F.row_number().over(
        rule.day(VALID).orderBy(*[F.col(c).desc() for c in place_of(rows)])
    )
    current = (
        rows.withColumn("_is_before", F.lit(False))
        .withColumn("_is_last", F.col(VALID) & (line_number == 1))
        .unionByName(_before(rows, accepted, contract), allowMissingColumns=True)
        .withColumn(CONTENT, content_of(rule.content))
    )
    stored = {name: F.col(name) for name in contract.column_names}
    stored |= {LINE: _id(), CORRECTS: _corrected_id()}
    version = F.struct(*[value.alias(name) for name, value in stored.items()])
    kept = F.when(F.col("_is_before"), F.col("_stored")).when(F.col("_is_accepted"), version)
    found = (
        _with_changes(current, rule)
        .withColumn("_old", F.last(kept, ignorenulls=True).over(_earlier()))
        .where(~F.col("_is_before"))
    )
    return (
        _with_outcomes(found, rule)
        .withColumn(TAKEN_BACK, F.when(F.col("_is_correction"), F.col("_old")))
        .withColumns({LINE: _id(), CORRECTS: _corrected_id()})
        .drop("_is_before", "_is_last", "_is_accepted", "_is_correction", "_old", "_stored")
        .drop("_known", "_known_on", CONTENT)
    )


def _before(rows: DataFrame, accepted: DataFrame, contract: Contract) -> DataFrame:
    """The newest accepted row of each key in the range, as it counts and as it is stored."""
    stored = F.struct(*contract.column_names)
    lines = known_lines(accepted.withColumn("_stored", stored))
    mine = lines.join(rows.select(LINE).distinct(), on=LINE, how="left_semi")
    marks = {VALID: True, "_is_before": True, "_is_last": False}
    return latest_versions(mine, [LINE]).withColumns({n: F.lit(v) for n, v in marks.items()})


def _earlier() -> WindowSpec:
    """The rows of a line on earlier days."""
    days = W.partitionBy(LINE, VALID).orderBy(F.unix_date(F.col(BUSINESS_DATE)))
    return days.rangeBetween(W.unboundedPreceding, -1)


def _with_changes(rows: DataFrame, rule: Rule) -> DataFrame:
    """Mark the rows that are accepted, and those of them that correct; add what was known."""

    def newest(value: Column, where: Column) -> Column:
        return F.last(F.when(where, value), ignorenulls=True).over(_earlier())

    day, is_before, is_last = F.col(BUSINESS_DATE), F.col("_is_before"), F.col("_is_last")
    shown = rows.withColumn("_shown", newest(F.col(CONTENT), is_last | is_before))
    is_change = is_last & ~F.col(CONTENT).eqNullSafe(F.col("_shown"))
    changed = shown.withColumn("_is_change", is_change)
    since = newest(day, is_before | F.col("_is_change"))
    dated = changed.withColumn("_since", since)
    is_over = day > F.date_add("_since", rule.look_back_days)
    # Once a line is accepted anew, later rows of the range follow that.
    over = W.partitionBy(LINE, "_is_last", "_since", "_is_over").orderBy(BUSINESS_DATE)
    numbered = dated.withColumn("_is_over", is_over).withColumn("_nth", F.row_number().over(over))
    is_fresh = is_last & (F.col("_since").isNull() | (F.col("_is_over") & (F.col("_nth") == 1)))
    accepted = numbered.withColumn("_is_fresh", is_fresh).withColumns(
        {
            "_is_accepted": F.col("_is_fresh") | F.col("_is_change"),
            "_is_correction": F.col("_is_change") & ~F.col("_is_fresh"),
        }
    )
    counts = F.col("_is_accepted") | is_before
    return accepted.withColumns(
        {"_known": newest(F.col(CONTENT), counts), "_known_on": newest(day, counts)}
    ).drop("_shown", "_is_change", "_since", "_is_over", "_nth", "_is_fresh")


def _with_outcomes(rows: DataFrame, rule: Rule) -> DataFrame:
    day = F.col(BUSINESS_DATE)
    of_day = F.max(F.when(F.col("_is_last"), F.col(CONTENT))).over(rule.day(VALID))
    is_known = day <= F.date_add("_known_on", rule.look_back_days)
    is_as_known = is_known & (F.col(CONTENT) == F.col("_known"))
    is_repeated = F.coalesce(is_as_known, F.lit(False)) | (F.col(CONTENT) == F.col("_of_day"))
    outcome = (
        F.when(~F.col(VALID), F.lit(QUARANTINED))
        .when(F.col("_is_accepted"), F.lit(ACCEPTED))
        .when(is_repeated, F.lit(REPEATED))
        .otherwise(F.lit(CONFLICT))
    )
    last_file = F.max(F.when(F.col("_is_last"), F.col("source_file"))).over(rule.day(VALID))
    return (
        rows.withColumns({"_of_day": of_day, "_last_file": last_file})
        .withColumns(
            {
                OUTCOME: outcome,
                KEPT_ON: F.when(F.col(VALID), day),
                KEPT_EVENT: F.lit(None).cast("date"),
                KEPT_FILE: F.when(~F.col("_is_last"), F.col("_last_file")),
            }
        )
        .drop("_of_day", "_last_file")
    )


def _id() -> Column:
    corrected = F.concat(F.col(LINE), F.lit("~corrected "), F.col(BUSINESS_DATE).cast("string"))
    return F.when(F.col("_is_correction"), corrected).otherwise(F.col(LINE))


def _corrected_id() -> Column:
    return F.when(F.col("_is_correction"), F.col(LINE))


def with_reversals(rows: DataFrame, contract: Contract) -> DataFrame:
    """Accepted rows, and beside each that corrects another one the reversal of that."""
    lines = rows.select(*contract.column_names)
    shop_id = F.coalesce(F.col(TAKEN_BACK)[CORRECTS], F.col(TAKEN_BACK)[LINE])
    taken_back = {
        **{name: F.col(TAKEN_BACK)[name] for name in contract.column_names},
        **{n: (-F.col(TAKEN_BACK)[n]).cast(contract.struct[n].dataType) for n in _NEGATED},
        BUSINESS_DATE: F.col(BUSINESS_DATE),
        LINE: F.concat(shop_id, F.lit("~reversed "), F.col(BUSINESS_DATE).cast("string")),
        CORRECTS: F.col(TAKEN_BACK)[LINE],
        IS_REVERSAL: F.lit(True),
    }
    made = rows.where(F.col(TAKEN_BACK).isNotNull())
    return lines.unionByName(made.select(*[c.alias(name) for name, c in taken_back.items()]))
