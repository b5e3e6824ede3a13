"""Any Keras model, trained by rounds of ordinary Spark tasks.

A training has a specification (model, columns) and a plan (number of shards, local steps a round).
Each round sends the weights to one task per shard, which does some steps on its own rows. The
driver averages the results and commits them. See docs/training.md.
"""
