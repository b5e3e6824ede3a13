"""features -> models.<application>, ops.backtests, as of the newest training day up to the date."""

import sys

from lakeshop.pipeline import main

if __name__ == "__main__":
    sys.exit(main("train"))
