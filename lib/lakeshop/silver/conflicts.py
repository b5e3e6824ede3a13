"""Conflicts: rows with the key of another row and other content, told of by reason and cause."""

from collections.abc import Callable

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakeshop.config.shop import MEASURES, OnConflict
from lakeshop.contracts.model import BUSINESS_DATE, Contract
from lakeshop.silver.cleaning import REASONS
from lakeshop.silver.counting import (
    CONFLICT,
    EVENT_DATE,
    KEPT_EVENT,
    KEPT_ON,
    OUTCOME,
    Conflicts,
    conflict_aggregates,
    conflicts_of,
)
from lakeshop.silver.duplicates import CORRECTS, Rule, content_of

EXAMPLES = 3


def shown_key(contract: Contract) -> tuple[str, ...]:
    """Columns of the key that may be shown: none is a person."""
    personal = {column.name for column in contract.columns if column.personal}
    return tuple(name for name in contract.key if name not in personal)


def with_conflict_reasons(
    rows: DataFrame, contract: Contract, on_conflict: OnConflict | None
) -> DataFrame:
    """Give rows that are set aside for another one the reason."""
    return rows.withColumn(
        REASONS,
        F.when(F.col(OUTCOME) == CONFLICT, F.array(_reason(contract, on_conflict))).otherwise(
            F.col(REASONS)
        ),
    )


def _reason(contract: Contract, on_conflict: OnConflict | None) -> Column:
    shown = shown_key(contract)
    texts = [F.concat(F.lit(f"{name} "), F.col(name).cast("string")) for name in shown]
    key = F.concat_ws(", ", *texts) if shown else F.lit(f"the same {', '.join(contract.key)}")
    day = F.col(KEPT_ON).cast("string")
    is_earlier = F.col(KEPT_ON) < F.col(BUSINESS_DATE)
    of_none = {
        "reject": " has rows of other content on the same day",
        "sum": " has rows whose sum breaks a rule of the table",
    }.get(on_conflict or "", " has other content")
    rest = (
        F.when(is_earlier, F.concat(F.lit(" was accepted with other content on "), day))
        .when(
            F.col(KEPT_ON).isNotNull(),
            F.concat(F.lit(" has other content in the row of "), day, F.lit(" that counts")),
        )
        .otherwise(F.lit(of_none))
    )
    return F.concat(F.lit("conflict: "), key, rest)


def earlier_conflicts(
    repeated: DataFrame, held: DataFrame, rule: Rule, hide: Callable[[DataFrame], DataFrame]
) -> DataFrame:
    """The rows with other content than the row of an earlier day with their key.

    Args:
        repeated: duplicates of rows that were accepted on `kept_on`.
        held: rows of the same table that were accepted on these days.
        rule: how rows are told apart.
        hide: replaces the ids of persons by pseudonyms, as `held` has them.
    """
    key = list(rule.key)
    event = [EVENT_DATE] if EVENT_DATE in held.columns else []
    found = hide(repeated).withColumn("_now", content_of(rule.content))
    was = held.select(
        *key,
        F.col(BUSINESS_DATE).alias(KEPT_ON),
        content_of(rule.content).alias("_was"),
        *[F.col(name).alias(KEPT_EVENT) for name in event],
    )
    joined = found.drop(KEPT_EVENT).join(was, on=[*key, KEPT_ON])
    return joined.where(F.col("_now") != F.col("_was")).withColumn(OUTCOME, F.lit(CONFLICT))


def counted_conflicts(rows: DataFrame) -> Conflicts:
    """Count conflicting rows."""
    found = rows.agg(*conflict_aggregates(rows.columns)).first()
    assert found is not None
    return conflicts_of(found)


def conflict_warning(
    rows: DataFrame, found: Conflicts, total: int, contract: Contract, mode: OnConflict | None
) -> tuple[str, ...]:
    """A warning of conflicts among `total` rows, with examples and the likely cause; or none.

    Args:
        rows: the conflicting rows.
        found: their counts.
        total: all rows received.
        contract: of the silver table.
        mode: the entity's `on_conflict`.
    """
    if not found.rows:
        return ()
    examples = _examples(rows, contract)
    such = f", such as {contract.key[0]} {', '.join(examples)}" if examples else ""
    return (
        f"conflicts: {found.rows} of {total} rows ({found.rows / total:.1%}) have the key of "
        f"another row and other content{such}; they are in quarantine. {_cause(found, contract)}"
        + (f" (on_conflict is {mode})" if mode else ""),
    )


def _examples(rows: DataFrame, contract: Contract) -> list[str]:
    shown = [name for name in contract.key[:1] if name in shown_key(contract)]
    if not shown:
        return []
    found = rows.select(*shown).distinct().orderBy(*shown).limit(EXAMPLES).collect()
    return [str(row[0]) for row in found]


def _cause(found: Conflicts, contract: Contract) -> str:
    name = contract.name.removeprefix("silver.")
    several = f'{contract.key[0]}: {{columns: [..., "{{date}}"]}}'
    if 2 * found.earlier > found.rows:
        if 2 * found.other_event > found.earlier:
            return (
                "Likely: the same ids on several days, numbers that begin anew each day; make the "
                f"id of several columns, {several}"
            )
        last = CORRECTS in contract.column_names
        rest = "set on_conflict: last" if last else "the first of them stays"
        return f"Likely: rows that come again changed; {rest}"
    if name == "transactions":
        return (
            "Likely: lines of one day share ids, such as numbers that begin anew at each till; "
            f"make the id of several columns, {several}; or set on_conflict: sum for parts of a "
            "line, last for later states of it"
        )
    if name in MEASURES:
        return (
            f"Likely: several rows a day of one {contract.key[0]}, such as stock by lot; "
            "set on_conflict: sum"
        )
    return (
        f"Likely: several rows a day of one {contract.key[0]}, such as a product in two "
        "categories; deliver one, or set on_conflict: first or last"
    )
