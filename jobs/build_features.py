"""silver -> features: daily sums, then what is known of users and products on the date."""

import sys

from lakeshop.engine.cli import main
from lakeshop.pipeline import STAGES

if __name__ == "__main__":
    sys.exit(main("build_features", STAGES["build_features"]))
