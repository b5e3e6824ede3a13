"""features, similarity -> gold: the tables of the morning."""

import sys

from lakeshop.pipeline import main

if __name__ == "__main__":
    sys.exit(main("publish"))
