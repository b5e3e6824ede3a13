"""Lakeshop: the nightly batch of an online shop, on PySpark and Delta Lake.

The ground floor (errors, days, settings, contracts, quality, frames, tables, ledger, parallel,
session, run, job) carries the stages, which data passes in this order: sources, silver, features,
similarity, gold, ops. `night` strings them together.
"""
