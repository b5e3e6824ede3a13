"""features -> similarity: which products go together, as known on the newest training day."""

import sys

from lakeshop.pipeline import main

if __name__ == "__main__":
    sys.exit(main("build_similarity"))
