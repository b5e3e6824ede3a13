"""bronze -> silver and quarantine, with every row accounted for; pseudonyms -> restricted."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial, reduce

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakeshop.config.shop import Entity
from lakeshop.contracts.model import BUSINESS_DATE
from lakeshop.dates import days_between
from lakeshop.engine.inputs import read_inputs
from lakeshop.engine.publishing import MadeDays
from lakeshop.engine.run import FLUSH_SECONDS, Run
from lakeshop.privacy.pseudonyms import USER_KEYS
from lakeshop.silver.cleaning import REASONS, Cleaning, validate
from lakeshop.silver.conflicts import (
    conflict_warning,
    counted_conflicts,
    earlier_conflicts,
    with_conflict_reasons,
)
from lakeshop.silver.corrections import (
    can_correct,
    corrected_outcomes,
    known_lines,
    with_reversals,
)
from lakeshop.silver.counting import (
    ACCEPTED,
    CONFLICT,
    KEPT_ON,
    LEFT_OUT,
    OUTCOME,
    REPEATED,
    SET_ASIDE,
    Counted,
    counted,
)
from lakeshop.silver.currency import FOREIGN, foreign_warnings, is_delivered, is_foreign, learned
from lakeshop.silver.delivered_files import repeated_files
from lakeshop.silver.deliveries import delivery_warnings
from lakeshop.silver.drift import assert_columns
from lakeshop.silver.duplicates import VALID, Rule, event_outcomes, version_outcomes
from lakeshop.silver.entities import (
    FRAUD_LABELS_DERIVED,
    STOCK_DERIVED,
    TRANSACTIONS_DERIVED,
    USER_ACTIONS_DERIVED,
    CleaningContext,
    fraud_labels,
    stock,
    transactions,
    user_actions,
)
from lakeshop.silver.labels import LABELS, warn_of_unmet_labels
from lakeshop.silver.pseudonyms import pseudonymiser
from lakeshop.silver.quality import IS_LEFT_OUT, USUAL_DAYS, Balance, unusual_share
from lakeshop.sources.mapping import assert_mapped

# The longest first; transactions wait for the products that they are checked against.
CLEANINGS: Mapping[str, Cleaning] = {
    "transactions": Cleaning(transactions, TRANSACTIONS_DERIVED),
    "products": Cleaning(),
    "promotions": Cleaning(),
    "user_actions": Cleaning(user_actions, USER_ACTIONS_DERIVED),
    "users": Cleaning(),
    "stock": Cleaning(stock, STOCK_DERIVED),
    "fraud_labels": Cleaning(fraud_labels, FRAUD_LABELS_DERIVED),
}
# Ids of persons at the shop: of the user, the card or account, the device.
IDENTIFIERS = ("user_id", "payment_id", "device_id")
RAW_ID = "raw_user_id"


@dataclass
class Cleaned:
    """Cleaned rows of a run: accepted rows by entity and range, still with the shop's ids.

    They stay cached until their users are registered.
    """

    pseudonym: Callable[[str], Column]
    accepted: dict[tuple[str, date, date], DataFrame] = field(default_factory=dict)
    cached: list[DataFrame] = field(default_factory=list)
    labelled: list[tuple[date, date]] = field(default_factory=list)  # ranges with new labels

    def cache(self, rows: DataFrame) -> DataFrame:
        """Cache rows until `release`."""
        self.cached.append(rows.persist(StorageLevel.MEMORY_AND_DISK))
        return rows

    def release(self) -> None:
        """Free the cached rows."""
        while self.cached:
            self.cached.pop().unpersist()


def clean(run: Run) -> None:
    """Clean the days of every entity that the shop delivers; an entity fails alone."""
    cleaned = Cleaned(pseudonymiser(run.lake.spark, run.key))
    entities = mapped_entities(run)

    def clean_entity(name: str) -> None:
        assert_entity_mapped(run, name)
        tables = f"silver.{name}", f"quarantine.{name}"
        for first, last in run.todo(*tables):
            run.attempt(tables, first, last, partial(_clean_days, run, name, cleaned))

    try:
        run.side_by_side({f"silver.{name}": partial(clean_entity, name) for name in entities})
        for first, last in run.todo(USER_KEYS):
            run.attempt((USER_KEYS,), first, last, partial(_register_users, run, cleaned))
        for first, last in cleaned.labelled:
            warn_of_unmet_labels(run, first, last)
    finally:
        cleaned.release()
    run.flush(at_most_every=FLUSH_SECONDS)


def assert_entity_mapped(run: Run, name: str) -> None:
    """Refuse an entity that could be delivered and not be cleaned.

    Raises:
        ConfigError: the shop does not map the entity as its contract asks.
    """
    entity = run.settings.shop.entities[name]
    derived = CLEANINGS[name].derived | {BUSINESS_DATE}
    if name == LABELS and "order_id" in entity.columns:
        derived |= {"transaction_id"}
    assert_mapped(name, entity, run.lake.contract(f"silver.{name}"), derived)


def mapped_entities(run: Run) -> list[str]:
    """Name the entities that the shop maps, the longest to clean first."""
    return [name for name in CLEANINGS if name in run.settings.shop.entities]


def _clean_days(run: Run, name: str, cleaned: Cleaned, _: str, first: date, last: date) -> None:
    if run.ledger.rows(f"bronze.{name}", first, last):
        good = _clean_entity(run, name, cleaned, first, last)
        if "user_id" in good.columns:
            cleaned.accepted[name, first, last] = _users_in(good)
        if name == LABELS and run.ledger.rows(f"silver.{name}", first, last):
            cleaned.labelled.append((first, last))
    else:
        told = delivery_warnings(run, name, first, last)
        _publish_nothing(run, f"quarantine.{name}", first, last)
        _publish_nothing(run, f"silver.{name}", first, last, told)


def _users_in(accepted: DataFrame) -> DataFrame:
    own = RAW_ID if RAW_ID in accepted.columns else "user_id"
    return accepted.select(BUSINESS_DATE, F.col(own).alias(RAW_ID))


def _publish_nothing(
    run: Run, table: str, first: date, last: date, warnings: tuple[str, ...] = ()
) -> None:
    days = table, run.lake.empty_frame(table), first, last, time.monotonic()
    run.publish(MadeDays(*days, contents={}, warnings=warnings))


def _clean_entity(run: Run, name: str, cleaned: Cleaned, first: date, last: date) -> DataFrame:
    """Publish the days of one entity; return the accepted rows, still with the shop's ids."""
    started = time.monotonic()
    contract = run.lake.contract(f"silver.{name}")
    rows = cleaned.cache(_with_outcome(run, name, cleaned.pseudonym, first, last))
    entity = run.settings.shop.entities[name]
    counts = counted(contract, entity, rows)
    drift = assert_columns(entity, contract, counts.drifts, rows)
    counts, set_aside = _set_aside(run, name, cleaned, rows, counts, first)
    held_back = _publish_set_aside(run, name, set_aside, counts.set_aside, first, last)
    counts.assert_shares(contract.name, run.settings.quality)
    conflicting = set_aside.where(F.col(OUTCOME) == CONFLICT)
    told = conflict_warning(
        conflicting, counts.conflicts, counts.rows, contract, entity.on_conflict
    )
    twins = repeated_files(run, contract, first, last, counts.contents)
    unusual = _unusual_shares(run, name, first, counts)
    foreign = (
        foreign_warnings(rows) if counts.outcomes[LEFT_OUT] and FOREIGN in rows.columns else ()
    )
    logged = counts.counts(held_back, (*counts.warnings, *told, *twins, *unusual, *drift, *foreign))
    good = rows.where(F.col(OUTCOME) == ACCEPTED)
    hidden = good if RAW_ID in good.columns else _with_pseudonyms(good, entity, cleaned.pseudonym)
    published = run.publish(
        MadeDays(
            contract.name,
            with_reversals(hidden, contract) if counts.reversed else hidden,
            first,
            last,
            started,
            logged,
            contents=None if counts.outcomes[ACCEPTED] else {},
            warnings=delivery_warnings(run, name, first, last),
        )
    )
    Balance(
        contract.name,
        first,
        last,
        rows_in=run.ledger.rows(f"bronze.{name}", first, last) + counts.opened,
        accepted=published - counts.reversed,
        not_accepted=logged.not_accepted,
    ).assert_even()
    return good


def _set_aside(
    run: Run, name: str, cleaned: Cleaned, rows: DataFrame, counts: Counted, first: date
) -> tuple[Counted, DataFrame]:
    """Rows for quarantine with their reasons, those that conflict with earlier days among them."""
    set_aside = rows.where(F.col(OUTCOME).isin(*SET_ASIDE))
    if counts.repeated_since is not None and counts.repeated_since < first:
        days = counts.repeated_since, first - timedelta(days=1)
        more = cleaned.cache(_earlier_conflicts(run, name, rows, cleaned.pseudonym, days))
        counts = counts.with_earlier(counted_conflicts(more))
        set_aside = set_aside.unionByName(more, allowMissingColumns=True)
    contract, entity = run.lake.contract(f"silver.{name}"), run.settings.shop.entities[name]
    return counts, with_conflict_reasons(set_aside, contract, entity.on_conflict)


def _earlier_conflicts(
    run: Run,
    name: str,
    rows: DataFrame,
    pseudonym: Callable[[str], Column],
    days: tuple[date, date],
) -> DataFrame:
    """Duplicates by their key whose content is not that of the row accepted before the range.

    Within the range contents were compared already. Only the days since the first on which such a
    row was accepted are read, not the whole look-back.
    """
    contract, entity = run.lake.contract(f"silver.{name}"), run.settings.shop.entities[name]
    held = run.lake.read(contract.name, *days)
    repeated = rows.where((F.col(OUTCOME) == REPEATED) & (F.col(KEPT_ON) <= F.lit(days[1])))
    return earlier_conflicts(
        repeated,
        known_lines(held) if can_correct(contract) else held,
        Rule.of(contract, entity),
        lambda some: _with_pseudonyms(some, entity, pseudonym),
    )


def _unusual_shares(run: Run, name: str, first: date, counts: Counted) -> Iterator[str]:
    """Warnings of a delivery that is far worse than earlier ones, or of which far more is left out.

    What neither silver nor quarantine has of earlier days was left out, or came again. Of orders
    that are opened as lines the ledger does not tell.
    """
    since, until = first - timedelta(days=USUAL_DAYS), first - timedelta(days=1)
    layers = ("bronze", "silver", "quarantine")
    before, accepted, rejected = (
        run.ledger.rows(f"{layer}.{name}", since, until) for layer in layers
    )
    found = [unusual_share(counts.set_aside, counts.rows, rejected, before)]
    left_out, gone = counts.outcomes[LEFT_OUT], max(0, before - accepted - rejected)
    if run.settings.shop.entities[name].lines is None:
        found.append(unusual_share(left_out, counts.rows, gone, before, "left out"))
    yield from filter(None, found)


def _with_outcome(
    run: Run, name: str, pseudonym: Callable[[str], Column], first: date, last: date
) -> DataFrame:
    """The days' delivered rows, typed, each with what becomes of it.

    Where they are compared with rows before, which are known under pseudonyms alone, they bear
    those too; their users' own ids are in `raw_user_id` then.
    """
    contract = run.lake.contract(f"silver.{name}")
    tables = read_inputs(run.lake, run.ledger, contract, first, last)
    shop = run.settings.shop
    around = CleaningContext(tables, shop.zone, shop.shared_accounts, pseudonym)
    entity = shop.entities[name]
    raw = tables[f"bronze.{name}"]
    rows = validate(raw, entity, contract, CLEANINGS[name], around)
    if is_delivered(shop, contract.name):
        known = shop.currency or learned(run.lake, run.ledger, contract, first, rows)
        rows = rows.withColumn(FOREIGN, is_foreign(known))
        rows = rows.withColumn(IS_LEFT_OUT, F.col(IS_LEFT_OUT) | F.col(FOREIGN))
    rows = rows.withColumn(VALID, (F.size(REASONS) == 0) & ~F.col(IS_LEFT_OUT))
    before = tables[contract.name].where(F.col(BUSINESS_DATE) < F.lit(first))
    rule = Rule.of(contract, entity)
    corrects = can_correct(contract) and entity.on_conflict == "last"
    if "user_id" in contract.key or corrects:
        rows = _with_pseudonyms(rows.withColumn(RAW_ID, F.col("user_id")), entity, pseudonym)
    if corrects:
        return _with_left_out(corrected_outcomes(rows, before, rule, contract))
    if contract.rows == "event":
        found = event_outcomes(rows, known_lines(before) if can_correct(contract) else before, rule)
    else:
        found = version_outcomes(rows, before, rule)
    return _with_left_out(found)


def _with_left_out(rows: DataFrame) -> DataFrame:
    outcome = F.when(F.col(IS_LEFT_OUT), F.lit(LEFT_OUT)).otherwise(F.col(OUTCOME))
    return rows.withColumn(OUTCOME, outcome)


def _publish_set_aside(
    run: Run, name: str, rejected: DataFrame, number: int, first: date, last: date
) -> int:
    table = f"quarantine.{name}"
    started = time.monotonic()
    pairs = ((day, run.run_id(table, day)) for day in days_between(first, last))
    run_ids = F.create_map(*[F.lit(value) for pair in pairs for value in pair])
    rejected = rejected.withColumn("run_id", run_ids[F.col(BUSINESS_DATE)])
    made = MadeDays(table, rejected, first, last, started, contents=None if number else {})
    return run.publish(made)


def _with_pseudonyms(
    rows: DataFrame, entity: Entity, pseudonym: Callable[[str], Column]
) -> DataFrame:
    delivered = [name for name in IDENTIFIERS if name in entity.columns]
    return rows.withColumns({name: pseudonym(name) for name in delivered})


def _register_users(run: Run, cleaned: Cleaned, _: str, first: date, last: date) -> None:
    """Publish each user once, on the business date that first named them.

    An entity that was cleaned by an earlier run is read again from bronze: silver holds
    pseudonyms alone.
    """
    accepted = []
    for name in mapped_entities(run):
        contract = run.lake.contract(f"silver.{name}")
        if "user_id" not in contract.column_names:
            continue
        if not run.ledger.rows(f"bronze.{name}", first, last):
            continue
        known = cleaned.accepted.get((name, first, last))
        if known is None:
            rows = _with_outcome(run, name, cleaned.pseudonym, first, last)
            known = _users_in(rows.where(F.col(OUTCOME) == ACCEPTED))
        accepted.append(known)
    if not accepted:
        _publish_nothing(run, USER_KEYS, first, last)
        return
    started = time.monotonic()
    known = run.lake.read(USER_KEYS, None, first - timedelta(days=1)).select("raw_user_id")
    new = (
        reduce(DataFrame.unionByName, accepted)
        .where(F.col("raw_user_id").isNotNull())
        .groupBy("raw_user_id")
        .agg(F.min(BUSINESS_DATE).alias(BUSINESS_DATE))
        .join(known, on="raw_user_id", how="left_anti")
        .withColumn("user_id", cleaned.pseudonym("raw_user_id"))
    )
    run.publish(MadeDays(USER_KEYS, new, first, last, started))
