"""The whole night, stage after stage, in one Spark application.

Skips what is published from the same inputs, redoes days that became stale, ends with a summary.
"""

import sys

from lakeshop.engine.cli import main
from lakeshop.pipeline import nightly

if __name__ == "__main__":
    sys.exit(main("nightly", nightly))
