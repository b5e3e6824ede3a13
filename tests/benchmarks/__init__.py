"""How fast and how large: Lakeshop beside what people use for the same work.

`make bench ONLY=similarity_2m` runs one benchmark: every method in a process of its own, on the
same data, on two cores. It prints one table and writes `build/bench/<name>.json`.
"""
