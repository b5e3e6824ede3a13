"""Outcomes of valid rows: one row counts of several with the same key.

A *duplicate* has the key and the content of a row that counts, a *conflict* has its key and other
content. `on_conflict` decides which row of a day counts: the first, the last, their sum, or none
where they differ. Of events the first day within the look-back counts then. A version counts if it
changed what was known. A range of days gives the same result as its days one after the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as W
from pyspark.sql import functions as F
from pyspark.sql.window import WindowSpec

from lakeshop.config.shop import MEASURES, Entity, OnConflict
from lakeshop.contracts.model import BUSINESS_DATE, Contract
from lakeshop.engine.transforms import latest_versions
from lakeshop.silver.counting import (
    ACCEPTED,
    CONFLICT,
    EVENT_DATE,
    KEPT_EVENT,
    KEPT_FILE,
    KEPT_ON,
    MERGED,
    OUTCOME,
    QUARANTINED,
    REPEATED,
)
from lakeshop.silver.entities import derived_price
from lakeshop.sources.json_rows import ITEM

VALID = "is_valid"
CONTENT = "_content"
CORRECTS, IS_REVERSAL = "corrects", "is_reversal"
# Not of the delivery: the catalogue of the day decides, or the cleaning.
_NOT_CONTENT = {BUSINESS_DATE, "is_known_product", CORRECTS, IS_REVERSAL}
_NEWEST_BY = ("updated_at", "occurred_at")  # of versions
_CANDIDATE = "_is_candidate"
_PLACE = ("source_file", "source_line", ITEM)


def place_of(rows: DataFrame) -> list[str]:
    """Columns of a row's place in its delivery; only where arrays are opened it has an item."""
    return [name for name in _PLACE if name in rows.columns]


@dataclass(frozen=True)
class Rule:
    """How rows of one key are told apart, and which of them counts.

    Attributes:
        key: columns of the key.
        content: columns that are compared.
        on_conflict: None keeps the first event, and the version that does not depend on the order.
        look_back_days: maximal age of an earlier event with the same key.
        measures: columns that `sum` adds.
        checks: predicates that the sum must fulfil.
    """

    key: tuple[str, ...]
    content: tuple[str, ...]
    on_conflict: OnConflict | None = None
    look_back_days: int = 0
    measures: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()

    @classmethod
    def of(cls, contract: Contract, entity: Entity) -> "Rule":
        """The rule of a silver table."""
        apart = {*contract.key, *_NOT_CONTENT}
        measures = MEASURES.get(contract.name.removeprefix("silver."), ())
        return cls(
            key=contract.key,
            content=tuple(c for c in contract.column_names if c not in apart),
            on_conflict=entity.on_conflict,
            look_back_days=contract.look_back_days or 0,
            measures=tuple(name for name in measures if name in entity.columns),
            checks=tuple(c.holds for c in contract.checks if c.on_failure == "quarantine"),
        )

    def day(self, *more: str) -> WindowSpec:
        """The rows of one key and day."""
        return W.partitionBy(*self.key, BUSINESS_DATE, *more)


def content_of(names: Sequence[str]) -> Column:
    """A hash of columns that tells a NULL from the value of its neighbour."""
    return F.xxhash64(F.lit(len(names)), *names, *[F.col(name).isNull() for name in names])


def event_outcomes(rows: DataFrame, accepted: DataFrame, rule: Rule) -> DataFrame:
    """Add `outcome`, and `kept_on` and `kept_file` where another row counts.

    Rows whose key was accepted before the range are duplicates here; whether their content is
    another one is seen by `conflicts.earlier_conflicts`.

    Args:
        rows: rows of a range of at most `look_back_days` days, with file and line; only rows with
            `is_valid` take part.
        accepted: rows of the same table accepted before the range: key and day.
        rule: how rows are told apart.
    """
    key = list(rule.key)
    mine = accepted.join(rows.select(*key).distinct(), on=key, how="left_semi")
    before = mine.groupBy(*key).agg(F.max(BUSINESS_DATE).alias("_accepted_on"))
    is_new = F.col("_accepted_on").isNull() | (
        F.col(BUSINESS_DATE) > F.date_add("_accepted_on", rule.look_back_days)
    )
    found = rows.join(before, on=key, how="left").withColumn("_is_open", F.col(VALID) & is_new)
    found = _with_candidates(found, rule)
    # Within such a range, once a key is accepted no later row of it is open again.
    in_order = (
        W.partitionBy(*key, "_is_open")
        .orderBy(BUSINESS_DATE, F.col(_CANDIDATE).desc(), *place_of(rows))
        .rowsBetween(W.unboundedPreceding, W.currentRow)
    )
    event = [EVENT_DATE] if EVENT_DATE in rows.columns else []
    kept = F.struct(BUSINESS_DATE, CONTENT, "source_file", *event)
    first = F.first(F.when(F.col(_CANDIDATE), kept), ignorenulls=True).over(in_order)
    found = found.withColumns({"_kept": first, "_number": F.count_if(_CANDIDATE).over(in_order)})
    is_same = F.col(CONTENT) == F.col("_kept")[CONTENT]
    is_of_day = F.col(BUSINESS_DATE) == F.col("_kept")[BUSINESS_DATE]
    # Rows that differ among themselves are none of them a duplicate.
    is_rejected = ~F.col(_CANDIDATE) & F.lit(rule.on_conflict == "reject")
    is_merged = is_same & is_of_day & F.lit(rule.on_conflict == "sum")
    outcome = (
        F.when(~F.col(VALID), F.lit(QUARANTINED))
        .when(is_rejected, F.lit(CONFLICT))
        .when(~F.col("_is_open"), F.lit(REPEATED))
        .when(F.col(_CANDIDATE) & (F.col("_number") == 1), F.lit(ACCEPTED))
        .when(is_merged, F.lit(MERGED))
        .when(is_same, F.lit(REPEATED))
        .otherwise(F.lit(CONFLICT))
    )
    is_open = F.col("_is_open")
    kept_event = F.col("_kept")[EVENT_DATE] if event else F.lit(None).cast("date")
    return found.withColumns(
        {
            OUTCOME: outcome,
            KEPT_ON: F.when(is_open, F.col("_kept")[BUSINESS_DATE]).otherwise(
                F.when(F.col(VALID), F.col("_accepted_on"))
            ),
            KEPT_EVENT: F.when(is_open, kept_event),
            KEPT_FILE: F.when(is_open, F.col("_kept")["source_file"]),
        }
    ).drop("_accepted_on", "_is_open", "_kept", "_number", _CANDIDATE, CONTENT)


def _with_candidates(rows: DataFrame, rule: Rule) -> DataFrame:
    """Add the content of valid rows, and whether a row may count for its day."""
    if rule.on_conflict == "sum":
        return with_sums(rows, rule, VALID)
    found = rows.withColumn(CONTENT, content_of(rule.content))
    if rule.on_conflict == "last":
        newest = rule.day(VALID).orderBy(*[F.col(c).desc() for c in place_of(rows)])
        return found.withColumn(_CANDIDATE, F.col(VALID) & (F.row_number().over(newest) == 1))
    if rule.on_conflict == "reject":
        day = rule.day(VALID)
        is_uniform = F.min(CONTENT).over(day) == F.max(CONTENT).over(day)
        return found.withColumn(_CANDIDATE, F.col(VALID) & is_uniform)
    return found.withColumn(_CANDIDATE, F.col(VALID))


def with_sums(rows: DataFrame, rule: Rule, competes: str) -> DataFrame:
    """Give all rows of a key and day the sums of their measures, and one row's other columns.

    That row is the first by content, whatever the order in a file; it is the candidate. There is
    none where the sum does not fit the column or breaks a rule of the contract.
    """
    own = rows.withColumn("_own", content_of(rule.content))
    day = rule.day(competes)
    in_order = day.orderBy("_own", *place_of(rows))
    whole = in_order.rowsBetween(W.unboundedPreceding, W.unboundedFollowing)
    kinds = {f.name: f.dataType for f in rows.schema.fields}
    sums = {c: F.sum(c).over(day).try_cast(kinds[c]) for c in rule.measures}
    others = [name for name in rule.content if name not in sums]
    merged = own.withColumns(
        {
            "_one": F.first(F.struct(*others, *rule.measures)).over(whole),
            "_place": F.row_number().over(in_order),
            "_n": F.count("*").over(day),
            **{f"_sum_{name}": total for name, total in sums.items()},
        }
    )
    is_many = F.col(competes) & (F.col("_n") > 1)
    lost = [F.col("_one")[c].isNotNull() & F.col(f"_sum_{c}").isNull() for c in sums]
    found = merged.withColumn(
        "_is_lost", is_many & reduce(Column.__or__, lost, F.lit(False))
    ).withColumns(
        {
            **{c: F.when(is_many, F.col("_one")[c]).otherwise(F.col(c)) for c in others},
            **{c: F.when(is_many, F.col(f"_sum_{c}")).otherwise(F.col(c)) for c in sums},
        }
    )
    if "unit_price" in others:  # of the whole, not of the first
        mean = derived_price(F.col("amount"), F.col("quantity"))
        found = found.withColumn("unit_price", F.when(is_many, mean).otherwise(F.col("unit_price")))
    holds = [F.coalesce(F.expr(check), F.lit(False)) for check in rule.checks]
    fits = ~F.col("_is_lost") & (~is_many | reduce(Column.__and__, holds, F.lit(True)))
    first = F.col(competes) & (F.col("_place") == 1)
    return found.withColumns({CONTENT: content_of(rule.content), _CANDIDATE: first & fits}).drop(
        "_own", "_one", "_place", "_n", "_is_lost", *[f"_sum_{c}" for c in sums]
    )


def version_outcomes(rows: DataFrame, known: DataFrame, rule: Rule) -> DataFrame:
    """Add `outcome`, and `kept_on` where another row of the day counts.

    The newest rows of a day compete; older ones by `updated_at` are overtaken. By default the
    version that was known stays where it is among them, else one is chosen by content: the order of
    rows in a file changes nothing. A version that equals the one before is a duplicate.

    Args:
        rows: rows of a range of days, with file and line; only rows with `is_valid` take part.
        known: versions of the same table accepted before the range.
        rule: how rows are told apart.
    """
    columns = [*rule.key, BUSINESS_DATE, *rule.content]
    competing = _with_choices(_with_competing(rows, rule), rule)
    before = latest_versions(known, rule.key).select(
        *columns,
        content_of(rule.content).alias(CONTENT),
        F.array(content_of(rule.content)).alias("_choices"),
        F.lit(0).alias("_rank"),
        *[F.lit(True).alias(name) for name in (VALID, "_competes")],
    )
    current = competing.unionByName(before, allowMissingColumns=True)
    found = _with_states(current, rule.key).where(F.col("_rank") > 0)
    newest_first = rule.on_conflict in (None, "last")
    places = [F.col(c).desc() if newest_first else F.col(c).asc() for c in place_of(rows)]
    copies = rule.day("_competes", CONTENT).orderBy(*places)
    is_state = F.col(CONTENT).eqNullSafe(F.col("_state"))
    has_changed = ~F.col("_state").eqNullSafe(F.col("_before"))
    outcome = (
        F.when(~F.col(VALID), F.lit(QUARANTINED))
        .when(~F.col("_competes"), F.lit(REPEATED))
        .when((F.size("_choices") == 0) | ~is_state, F.lit(CONFLICT))
        .when(has_changed & (F.col("_copy") == 1), F.lit(ACCEPTED))
        .when(has_changed & F.lit(rule.on_conflict == "sum"), F.lit(MERGED))
        .otherwise(F.lit(REPEATED))
    )
    return (
        found.withColumn("_copy", F.row_number().over(copies))
        .withColumns(
            {
                OUTCOME: outcome,
                KEPT_ON: F.when(F.col(VALID) & (F.size("_choices") > 0), F.col(BUSINESS_DATE)),
                KEPT_EVENT: F.lit(None).cast("date"),
            }
        )
        .drop("_copy", "_rank", "_competes", "_choices", "_chain", "_state", "_before", CONTENT)
    )


def _with_competing(rows: DataFrame, rule: Rule) -> DataFrame:
    """Mark the newest valid rows of each key and day."""
    time = next((name for name in _NEWEST_BY if name in rule.content), None)
    if time is None:
        return rows.withColumn("_competes", F.col(VALID))
    newest = F.max(F.when(F.col(VALID), F.col(time))).over(rule.day())
    return rows.withColumn("_competes", F.col(VALID) & F.col(time).eqNullSafe(newest))


def _with_choices(rows: DataFrame, rule: Rule) -> DataFrame:
    """Add content, the contents that may count for the day in order, and a number in the day."""
    day = rule.day("_competes")
    in_order = day.orderBy(*place_of(rows))
    if rule.on_conflict == "sum":
        found = with_sums(rows, rule, "_competes")
        is_any = F.bool_or(_CANDIDATE).over(day)
        choices = F.when(is_any, F.array(CONTENT)).otherwise(_none())
        return found.withColumns(
            {"_choices": choices, "_rank": F.row_number().over(in_order)}
        ).drop(_CANDIDATE)
    whole = in_order.rowsBetween(W.unboundedPreceding, W.unboundedFollowing)
    least, most = F.min(CONTENT).over(day), F.max(CONTENT).over(day)
    choices = {
        None: F.sort_array(F.collect_set(CONTENT).over(day)),
        "first": F.array(F.first(CONTENT).over(whole)),
        "last": F.array(F.last(CONTENT).over(whole)),
        "reject": F.when(least == most, F.array(least)).otherwise(_none()),
    }[rule.on_conflict]
    return rows.withColumn(CONTENT, content_of(rule.content)).withColumns(
        {"_choices": choices, "_rank": F.row_number().over(in_order)}
    )


def _none() -> Column:
    return F.array().cast("array<bigint>")


def _with_states(rows: DataFrame, key: Sequence[str]) -> DataFrame:
    """Add the content that counts after a row's day, `_state`, and after the day before, `_before`.

    A day with one choice starts a chain; on the days after it, the content stays while it is among
    their choices. Only chains are folded: where no rows differ each day is one.
    """
    is_day, number = F.col("_rank") <= 1, F.unix_date(F.col(BUSINESS_DATE))
    days = W.partitionBy(*key, "_competes").orderBy(number)
    chain = W.partitionBy(*key, "_competes", "_chain").orderBy(number)
    earlier = days.rangeBetween(W.unboundedPreceding, -1)
    choices = F.collect_list(F.when(is_day, F.col("_choices"))).over(chain)

    def after(state: Column, choices: Column) -> Column:
        stays = (F.size(choices) == 0) | F.coalesce(F.array_contains(choices, state), F.lit(False))
        return F.when(stays, state).otherwise(F.get(choices, F.lit(0)))

    nothing = F.lit(None).cast("bigint")
    return (
        rows.withColumn("_chain", F.count_if(is_day & (F.size("_choices") == 1)).over(days))
        .withColumn("_state", F.aggregate(choices, nothing, after))
        .withColumn("_before", F.last("_state").over(earlier))
    )
