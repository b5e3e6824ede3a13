"""Maintenance: old rows removed, files compacted and cleared; or persons erased everywhere."""

import sys

from lakeshop.pipeline import main

if __name__ == "__main__":
    sys.exit(main("maintain"))
