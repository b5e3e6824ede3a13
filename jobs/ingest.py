"""landing -> bronze: every delivered row, raw, with file and line."""

import sys

from lakeshop.pipeline import main

if __name__ == "__main__":
    sys.exit(main("ingest"))
