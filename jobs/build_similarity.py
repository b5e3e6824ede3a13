"""features -> similarity: which products go together."""

import sys

from lakeshop.job import main
from lakeshop.night import STAGES

if __name__ == "__main__":
    sys.exit(main("build_similarity", STAGES["build_similarity"]))
