"""The whole night, stage after stage, in one Spark application.

Skips what is published from the same inputs, redoes days that became stale, ends with a summary.
"""

import sys

from lakeshop.pipeline import main

if __name__ == "__main__":
    sys.exit(main("nightly"))
