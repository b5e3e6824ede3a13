"""bronze -> silver and quarantine: typed, checked, unique, pseudonymised."""

import sys

from lakeshop.engine.cli import main
from lakeshop.pipeline import STAGES

if __name__ == "__main__":
    sys.exit(main("clean", STAGES["clean"]))
