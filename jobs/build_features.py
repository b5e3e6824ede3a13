"""silver -> features: daily sums, then what is known of users and products on the date."""

import sys

from lakeshop.job import main
from lakeshop.night import STAGES

if __name__ == "__main__":
    sys.exit(main("build_features", STAGES["build_features"]))
