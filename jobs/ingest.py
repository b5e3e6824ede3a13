"""landing -> bronze: every delivered row, raw, with file and line."""

import sys

from lakeshop.engine.cli import main
from lakeshop.pipeline import STAGES

if __name__ == "__main__":
    sys.exit(main("ingest", STAGES["ingest"]))
