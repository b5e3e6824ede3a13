"""silver -> features: daily sums, then features of users and products as known on the date."""

import sys

from lakeshop.pipeline import main

if __name__ == "__main__":
    sys.exit(main("build_features"))
