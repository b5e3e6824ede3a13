"""Upkeep: old rows removed, files compacted and cleared; or persons erased from every layer."""

import sys

from lakeshop.pipeline import main

if __name__ == "__main__":
    sys.exit(main("maintain"))
