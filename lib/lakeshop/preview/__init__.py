"""What a night would make of a shop's newest drops, shown to a person; nothing is written.

`samples` cleans the first rows of each entity's newest drop, `findings` says what looks wrong in
them, `report` puts both into words, `check` does all of it.
"""
