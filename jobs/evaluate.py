"""gold and what happened in the days after -> ops.metrics: how good an earlier night was."""

import sys

from lakeshop.pipeline import main

if __name__ == "__main__":
    sys.exit(main("evaluate"))
