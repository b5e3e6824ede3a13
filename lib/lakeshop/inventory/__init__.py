"""What to order, without Spark: demand until the next order helps, levels, packs, and replays."""
