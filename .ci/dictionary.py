"""Write the list of tables in docs/tables.md, and docs/dictionary.md, from the contracts."""

from pathlib import Path

from lakeshop.contracts.dictionary import write
from lakeshop.pipeline import all_contracts

HOME = Path(__file__).resolve().parent.parent
write(all_contracts(HOME / "schemas"), HOME)
