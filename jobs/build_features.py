"""silver -> features: daily sums, then what is known of users and products on the date."""

import sys

from lakeshop.pipeline import main

if __name__ == "__main__":
    sys.exit(main("build_features"))
