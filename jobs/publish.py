"""features, similarity -> gold: the tables that people open in the morning."""

import sys

from lakeshop.pipeline import main

if __name__ == "__main__":
    sys.exit(main("publish"))
