"""A simulated shop: daily drops of every entity, and the truth behind them in a folder beside.

The same arguments give the same bytes, whatever the number of partitions, cores or retries. Work is
cut into units (some users, some days) by the arguments alone. Every random number is a hash of the
seed, its purpose, its subject and its time (`chance`). Any unit can be made without any other, and
gives the same again.

Stock couples the users, so there are two passes. The first sums the demand per product, day and
hour; from it `stock` finds when each product sold out. The second repeats the same visits and
leaves out sold-out products.

`arguments` and `world` define the simulation. `products`, `season` and `people` make its objects;
`visits`, `baskets`, `purchases`, `fraud` and `actions` its events; `stock` its supply. `texts` and
`dirt` write it as a shop would; `units` puts one unit together. `simulate` is the thin Spark shell
over the units; all other modules know no Spark.
"""
