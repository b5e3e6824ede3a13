"""What a night survives: kills, two nights at once, nights out of order; `make chaos`.

Tests here, and those elsewhere that bear the mark `chaos`, take minutes. What each tried goes to
the report through the fixture `chaos_report`.
"""
