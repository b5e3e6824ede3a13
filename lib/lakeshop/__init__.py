"""Lakeshop: the nightly batch of an online shop, on PySpark and Delta Lake.

The machine room (config, contracts, storage, privacy, engine) carries the layers that each shop has
(sources, bronze, silver, features, similarity) and the applications (recommendations, fraud,
demand, inventory). `pipeline` says which there are and in which order things run.
"""

from lakeshop.renamed import install

install()
