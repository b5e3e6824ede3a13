"""Migration of a stored table to its contract, once the contract has changed.

Columns that it gained are added, and its properties and constraints become the contract's. What
would need the rows to be made anew is refused.
"""

from collections.abc import Iterator, Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakeshop.contracts.model import Contract, quoted
from lakeshop.contracts.types import sql_type
from lakeshop.errors import ContractError

CONSTRAINT = "delta.constraints."
UNCHECKED = "lakeshop.unchecked."  # a rule that rows of before break, as it was then


def migration(
    contract: Contract, path: str, stored: T.StructType, properties: Mapping[str, str]
) -> list[str]:
    """The statements that bring a stored table to its contract; none where it is there.

    Constraints that are no more go first and new ones come last, each in a commit: a run that is
    killed amid them is gone on with by the next one.

    Args:
        contract: what the table should be.
        path: where it lies.
        stored: its schema.
        properties: its properties, constraints among them, as Delta keeps them.

    Raises:
        ContractError: a column has another type, or is required and missing.
    """
    _assert_fits(contract, path, stored)
    table = f"ALTER TABLE delta.`{path}`"
    wanted = contract.table_properties()
    dropped, added = _constraints(wanted, properties)
    new = [c for c in contract.columns if c.name not in stored.names]
    columns = ", ".join(f"`{c.name}` {sql_type(c.type)}" for c in new)
    changed = ", ".join(
        f"'{name}' = '{value}'"
        for name, value in wanted.items()
        if not name.startswith(CONSTRAINT) and properties.get(name) != value
    )
    return [
        *[f"{table} DROP CONSTRAINT `{name}`" for name in dropped],
        *[f"{table} ADD COLUMNS ({columns})"] * bool(columns),
        *[f"{table} SET TBLPROPERTIES ({changed})"] * bool(changed),
        *[f"{table} ADD CONSTRAINT `{name}` CHECK ({holds})" for name, holds in added.items()],
    ]


def left_unchecked(contract: Contract, statement: str) -> str:
    """The statement in place of one whose constraint stored rows break.

    A rule of deliveries is checked before a row is accepted: it holds for new rows, and those of
    before stay. The table remembers it, so that they are not looked through each night.

    Raises:
        ContractError: the rule is no rule of deliveries.
    """
    table, _, added = statement.partition(" ADD CONSTRAINT ")
    rule = next(check for check in contract.checks if added.startswith(f"`{check.name.lower()}` "))
    if rule.on_failure != "quarantine":
        msg = (
            f"{contract.name} should keep the checks of its contract. Received one that its stored "
            f"rows break: {added}. Loosen it, or move the table away and load its days again."
        )
        raise ContractError(msg) from None
    name, holds = quoted(UNCHECKED + rule.name.lower()), quoted(rule.holds)
    return f"{table} SET TBLPROPERTIES ({name} = {holds})"


def _assert_fits(contract: Contract, path: str, stored: T.StructType) -> None:
    kinds = {field.name: field.dataType for field in stored.fields}
    wrong = [
        f"{c.name} {c.type.simpleString()}, stored {kinds[c.name].simpleString()}"
        for c in contract.columns
        if c.name in kinds and kinds[c.name] != c.type
    ]
    wrong += [
        f"{c.name}, required and not stored"
        for c in contract.columns
        if c.name not in kinds and c.required
    ]
    if wrong:
        msg = (
            f"{contract.name} at {path} should fit its contract. "
            f"Different: {'; '.join(wrong)}. Move the table away and load its days again."
        )
        raise ContractError(msg)


def _constraints(
    wanted: Mapping[str, str], properties: Mapping[str, str]
) -> tuple[list[str], dict[str, str]]:
    """The constraints to drop, and those to add; one that has changed is both."""
    right, held = dict(_named(wanted)), dict(_named(properties))
    known = {name: (held.get(name), properties.get(UNCHECKED + name)) for name in right}
    added = {n: holds for n, holds in right.items() if not any(_same(k, holds) for k in known[n])}
    return [name for name in held if name in added or name not in right], added


def _named(properties: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in properties.items():
        if name.startswith(CONSTRAINT):
            yield name.removeprefix(CONSTRAINT).lower(), value


def _same(held: str | None, holds: str) -> bool:
    """Delta keeps an added constraint word by word, and one of a new table as it was written."""
    return held is not None and "".join(held.split()) == "".join(holds.split())


def with_gained_columns(contract: Contract, rows: DataFrame) -> DataFrame:
    """Rows of an older contract with the columns of today's; what it gained since is NULL.

    The next write adds such a column to the table.
    """
    stored = set(rows.columns)
    return rows.select(
        *[
            F.col(c.name) if c.name in stored else F.lit(None).cast(c.type).alias(c.name)
            for c in contract.columns
        ]
    )
