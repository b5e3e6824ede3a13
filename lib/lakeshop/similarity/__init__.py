"""features -> similarity: which products go together.

`histories` (checked integer arrays), `packing`, `compiled` and `kernel` know nothing of Spark;
`interactions` makes the weighted histories, `neighbours` runs the kernel on blocks in tasks.
"""

from lakeshop.contracts.application import Application

NEIGHBOURS = "similarity.neighbours"
USER_NEIGHBOURS = "similarity.user_neighbours"
APPLICATION = Application("similarity", "lakeshop.similarity", sections=("similarity", "shop"))
