"""landing -> bronze: every delivered row, raw, filed under its business date."""
