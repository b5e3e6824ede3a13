"""gold and what happened in the days after -> ops.metrics: how good an earlier night was."""

import sys

from lakeshop.engine.cli import main
from lakeshop.pipeline import STAGES

if __name__ == "__main__":
    sys.exit(main("evaluate", STAGES["evaluate"]))
