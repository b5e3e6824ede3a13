"""gold and the days after it -> ops.metrics: metrics of an earlier night."""

import sys

from lakeshop.pipeline import main

if __name__ == "__main__":
    sys.exit(main("evaluate"))
