"""gold and what happened in the days after -> ops.metrics: how good an earlier night was."""

import sys

from lakeshop.job import main
from lakeshop.night import STAGES

if __name__ == "__main__":
    sys.exit(main("evaluate", STAGES["evaluate"]))
