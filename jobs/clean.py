"""bronze -> silver and quarantine: typed, checked, unique, pseudonymised."""

import sys

from lakeshop.job import main
from lakeshop.night import STAGES

if __name__ == "__main__":
    sys.exit(main("clean", STAGES["clean"]))
