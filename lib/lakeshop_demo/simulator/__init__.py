"""A simulated shop: daily drops of every entity, and the truth behind them in a folder beside.

The same arguments give the same bytes, whatever the number of partitions, cores or retries:
work is cut into units (some users, some days) by the arguments alone, and every number drawn is
a hash of the seed, its purpose and whom and when it is for (`chance`). So any unit can be made
without any other, and made twice it is the same.

What couples the users is stock. So there are two passes: the first sums what would be bought per
product, day and hour; from that `stock` finds when each product was sold out; the second makes
the same visits again and leaves out what could not be had any more.

`arguments` and `world` say what is simulated; `products`, `season` and `people` make what there
is; `visits`, `baskets`, `purchases`, `fraud` and `actions` what happens; `stock` what can be had;
`texts` and `dirt` write it as a shop would; `units` puts one unit together; `simulate` is the
thin shell that lets Spark do the units. All but the shell know no Spark.
"""
