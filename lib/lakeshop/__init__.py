"""Lakeshop: the nightly batch of an online shop, on PySpark and Delta Lake.

The machine room (config, contracts, storage, privacy, engine) carries the layers that each shop has
(sources, bronze, silver, features, similarity) and the applications (recommendations, fraud,
demand, inventory). `pipeline` says which there are and in which order things run.
"""

import os

from lakeshop.renamed import install

install()
# TensorFlow reads these as it is first imported, and a network's own module may import it before
# ours does. Other processors would take other routes through oneDNN, to other last bits.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
