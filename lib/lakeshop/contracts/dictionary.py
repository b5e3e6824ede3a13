"""The list of tables in docs/tables.md, and docs/dictionary.md; `make docs` writes both.

Both are written from the contracts, so that they cannot say anything else. Gold comes first, then
what it is made from. Tables that follow from others, such as those of bronze, are described once.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from lakeshop.contracts.model import Contract

LAYERS = (
    "gold",
    "similarity",
    "models",
    "features",
    "silver",
    "bronze",
    "quarantine",
    "restricted",
    "ops",
)
BEGIN, END = "<!-- tables: written by make docs -->", "<!-- end of tables -->"
COLUMNS = "| column | type | | meaning |\n| --- | --- | --- | --- |"


def table_list(contracts: Mapping[str, Contract]) -> str:
    """The list of tables, as Markdown: gold first; derived tables of a layer in one row."""
    lines = ["| table | one row per | what it holds |", "| --- | --- | --- |"]
    for group in groups(contracts.values()):
        first = group[0]
        grain = first.grain.removeprefix("one row per ")
        about = f"{_of_group(group)} Columns: [dictionary](dictionary.md#{_anchor(group)})."
        lines.append(f"| {_names(group)} | {grain} | {about} |")
    return "\n".join(lines)


def dictionary(contracts: Mapping[str, Contract]) -> str:
    """Every table with its columns, rules and inputs, as Markdown.

    Derived tables of a layer have the same columns, which stand once.
    """
    parts = ["# Data dictionary", "", "Written from `schemas/` by `make docs`."]
    for group in groups(contracts.values()):
        first = group[0]
        parts += ["", f"## {_title(group)}"]
        if len(group) == 1:
            parts += ["", f"{first.about} Grain: {first.grain}."]
            parts += ["", f"Owner {first.owner}; kept {first.retention_days} days."]
            if first.inputs:
                parts += ["", f"Computed from {_inputs(first)}."]
        else:
            parts += ["", f"Grain: {first.grain}.", "", *_members(group)]
        parts += ["", COLUMNS, *_columns_and_checks(first)]
    return "\n".join(parts) + "\n"


def groups(contracts: Iterable[Contract]) -> list[list[Contract]]:
    """Contracts by layer, gold first, then by name; derived ones of the same columns together."""
    found: dict[object, list[Contract]] = {}
    for contract in sorted(contracts, key=lambda c: (LAYERS.index(_layer(c)), c.name)):
        kind = (_layer(contract), contract.columns) if contract.derived_from else contract.name
        found.setdefault(kind, []).append(contract)
    return list(found.values())


def _layer(contract: Contract) -> str:
    return contract.name.partition(".")[0]


def _names(group: list[Contract]) -> str:
    return ", ".join(f"`{contract.name}`" for contract in group)


def _title(group: list[Contract]) -> str:
    entities = ", ".join(contract.name.partition(".")[2] for contract in group)
    return group[0].name if len(group) == 1 else f"{_layer(group[0])} of {entities}"


def _anchor(group: list[Contract]) -> str:
    """The anchor that Markdown gives the title."""
    return _title(group).replace(".", "").replace(",", "").replace(" ", "-")


def _of_group(group: list[Contract]) -> str:
    """Return the purpose of a table; of tables that differ by entity alone, without the entity."""
    first = group[0]
    twin = f" Twin: `{first.name}_latest`." if first.has_latest_twin else ""
    if len({contract.about for contract in group}) == 1:
        return f"{first.about}{twin}"
    kinds = {
        "bronze": "Rows of one entity as they were delivered, with file and line.",
        "quarantine": "Rows of one entity that were rejected, with all reasons.",
    }
    return kinds[_layer(first)]


def _members(group: list[Contract]) -> Iterator[str]:
    yield "| table | what it holds | computed from | owner | kept |"
    yield "| --- | --- | --- | --- | --- |"
    for contract in group:
        named = f"`{contract.name}` | {contract.about} | {_inputs(contract) or 'drops'}"
        yield f"| {named} | {contract.owner} | {contract.retention_days} days |"


def _inputs(contract: Contract) -> str:
    return ", ".join(f"`{i.table}` ({_reach(i.look_back_days)})" for i in contract.inputs)


def _columns_and_checks(contract: Contract) -> Iterator[str]:
    for column in contract.columns:
        marks = [
            "key" * (column.name in contract.key),
            "required" * column.required,
            "personal" * column.personal,
        ]
        kind = column.type.simpleString()
        marked = ", ".join(filter(None, marks))
        yield f"| `{column.name}` | {kind} | {marked} | {column.about} |"
    for check in contract.checks:
        yield from ("", f"- `{check.holds}`, else {check.on_failure}: {check.about}.")


def _reach(days: int | None) -> str:
    if days is None:
        return "all versions known"
    return "the same day" if days == 0 else f"{days} days back"


def with_tables(page: str, tables: str) -> str:
    """The page with the list of tables between its markers."""
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n{tables}\n{END}{after}"


def write(contracts: Mapping[str, Contract], home: Path) -> None:
    """Write the list of tables and the dictionary below the project's folder."""
    page = home / "docs" / "tables.md"
    text = with_tables(page.read_text(encoding="utf-8"), table_list(contracts))
    page.write_text(text, encoding="utf-8")
    (home / "docs" / "dictionary.md").write_text(dictionary(contracts), encoding="utf-8")
