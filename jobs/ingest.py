"""landing -> bronze: every delivered row, raw, with file and line."""

import sys

from lakeshop.job import main
from lakeshop.night import STAGES

if __name__ == "__main__":
    sys.exit(main("ingest", STAGES["ingest"]))
