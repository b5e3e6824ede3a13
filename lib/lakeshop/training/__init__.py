"""Any Keras model, trained by rounds of ordinary Spark tasks.

A run is a recipe (which model, on which columns) and a plan (how many shards, how many local
steps a round). Each round sends the weights to one task per shard, which trains some steps on its
own rows; the driver averages what came back and commits it. See docs/training.md.
"""
