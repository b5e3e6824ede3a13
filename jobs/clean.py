"""bronze -> silver and quarantine: typed, checked, unique, pseudonymised."""

import sys

from lakeshop.pipeline import main

if __name__ == "__main__":
    sys.exit(main("clean"))
