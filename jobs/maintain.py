"""Upkeep: old rows removed, files compacted and cleared; or persons erased from every layer."""

import sys

from lakeshop.engine.cli import main
from lakeshop.maintenance.maintain import maintain

if __name__ == "__main__":
    sys.exit(main("maintain", maintain))
