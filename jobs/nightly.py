"""The whole nightly run, stage after stage, in one Spark application.

Skips days published from the same inputs, rebuilds stale days, ends with a summary.
"""

import sys

from lakeshop.pipeline import main

if __name__ == "__main__":
    sys.exit(main("nightly"))
