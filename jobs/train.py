"""features -> ops.models: the models of the newest training day up to the date."""

import sys

from lakeshop.engine.cli import main
from lakeshop.pipeline import STAGES

if __name__ == "__main__":
    sys.exit(main("train", STAGES["train"]))
