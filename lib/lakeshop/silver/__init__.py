"""bronze -> silver: typed, checked, unique by key, users pseudonymised; the rest quarantined.

`cleaning` validates rows, `duplicates` finds repeated ones, `pseudonyms` replaces users' ids,
`clean` runs all three for each entity. A table with derived columns has its derivations in
`entities`; for the other tables the contract suffices.
"""
