"""The whole night, stage after stage, in one Spark application.

Skips what is published from the same inputs, redoes days that became stale, ends with a summary.
"""

import sys

from lakeshop.job import main
from lakeshop.night import nightly

if __name__ == "__main__":
    sys.exit(main("nightly", nightly))
