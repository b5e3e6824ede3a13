"""bronze -> silver and quarantine: typed, checked, unique, pseudonymised."""

import sys

from lakeshop.job import main
from lakeshop.silver.clean import clean

if __name__ == "__main__":
    sys.exit(main("clean", clean))
