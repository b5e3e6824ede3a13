"""features -> similarity: which products go together.

`histories` (checked integer arrays), `blocks`, `compiled` and `kernel` know nothing of Spark;
`interactions` makes the weighted histories, `neighbours` runs the kernel on blocks in tasks.
"""

from collections.abc import Mapping

from lakeshop.builder import Builder
from lakeshop.similarity.neighbours import neighbours

TABLES: Mapping[str, Builder] = {"similarity.neighbours": neighbours}
