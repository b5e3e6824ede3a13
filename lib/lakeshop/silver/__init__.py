"""bronze -> silver: typed, checked, unique by key, users pseudonymised; the rest quarantined.

`cleaning` judges rows, `duplicates` finds repeated ones, `pseudonyms` replaces users' ids,
`clean` runs all three for each entity. A table whose columns are not all delivered has a module
of its own that derives the others; for the other tables the contract says all.
"""
