"""features -> similarity: which products go together."""

import sys

from lakeshop.engine.cli import main
from lakeshop.pipeline import STAGES

if __name__ == "__main__":
    sys.exit(main("build_similarity", STAGES["build_similarity"]))
