"""gold and the days after it -> ops.metrics: metrics of an earlier run."""

import sys

from lakeshop.pipeline import main

if __name__ == "__main__":
    sys.exit(main("evaluate"))
