"""features, similarity -> gold: the tables that people open in the morning."""

import sys

from lakeshop.engine.cli import main
from lakeshop.pipeline import STAGES

if __name__ == "__main__":
    sys.exit(main("publish", STAGES["publish"]))
