"""The README's table list and docs/dictionary.md; `make docs` writes them.

Both are written from the contracts between two markers, so that they cannot say anything else.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from lakeshop.contracts.model import Column, Contract

LAYERS = (
    "bronze",
    "quarantine",
    "restricted",
    "silver",
    "features",
    "similarity",
    "models",
    "gold",
    "ops",
)
BEGIN, END = "<!-- tables: written by make docs -->", "<!-- end of tables -->"


def table_list(contracts: Mapping[str, Contract]) -> str:
    """The list of tables, as Markdown, in the order of data's way."""
    lines = ["| table | one row per | what it holds |", "| --- | --- | --- |"]
    for contract in in_order(contracts.values()):
        grain = contract.grain.removeprefix("one row per ")
        twin = " Twin: `_latest`." if contract.has_latest_twin else ""
        lines.append(f"| `{contract.name}` | {grain} | {contract.about}{twin} |")
    return "\n".join(lines)


def dictionary(contracts: Mapping[str, Contract]) -> str:
    """Every table with its columns, rules and inputs, as Markdown.

    Tables that follow from others have the columns of their layer, which stand once.
    """
    parts = ["# Data dictionary", "", "Written from `schemas/` by `make docs`."]
    described: dict[tuple[Column, ...], str] = {}
    for contract in in_order(contracts.values()):
        parts += ["", f"## {contract.name}", "", f"{contract.about} Grain: {contract.grain}."]
        parts += ["", f"Owner {contract.owner}; kept {contract.retention_days} days."]
        if contract.inputs:
            read = (f"`{i.table}` ({_reach(i.look_back_days)})" for i in contract.inputs)
            parts += ["", f"Computed from {', '.join(read)}."]
        if contract.derived_from:
            parts += ["", f"Derived from the contract of `{contract.derived_from}`."]
            same = described.setdefault(contract.columns, contract.name)
            if same != contract.name:
                parts[-1] += f" Columns are those of `{same}`."
                continue
        parts += _columns_and_checks(contract)
    return "\n".join(parts) + "\n"


def _columns_and_checks(contract: Contract) -> Iterator[str]:
    yield from ("", "| column | type | | meaning |", "| --- | --- | --- | --- |")
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


def in_order(contracts: Iterable[Contract]) -> list[Contract]:
    """Contracts by layer, in the order of data's way, then by name."""
    return sorted(contracts, key=lambda c: (LAYERS.index(c.name.split(".")[0]), c.name))


def with_tables(readme: str, tables: str) -> str:
    """The README with the list of tables between its markers."""
    before, rest = readme.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n{tables}\n{END}{after}"


def write(contracts: Mapping[str, Contract], home: Path) -> None:
    """Write both files below the project's folder."""
    readme = home / "README.md"
    readme.write_text(with_tables(readme.read_text(encoding="utf-8"), table_list(contracts)))
    (home / "docs").mkdir(exist_ok=True)
    (home / "docs" / "dictionary.md").write_text(dictionary(contracts), encoding="utf-8")
