"""Events of a run, as records of `logging` that carry their figures along.

A person reads a record's text, a machine its fields: `console.py` writes the one or the other.
"""

from datetime import date

RUN, STAGE, TABLE, ROUND, SUMMARY = "run", "stage", "table", "round", "summary"
WARNING, ERROR, NOTE = "warning", "error", "note"


def event(kind: str, **fields: object) -> dict[str, object]:
    """The `extra` of a record: what kind of event it tells, and its figures by name."""
    return {"event": kind, "fields": fields}


def days_of(first: date, last: date) -> dict[str, object]:
    """Days as fields of an event."""
    return {"first_date": f"{first}", "last_date": f"{last}"}


def in_words(first: date, last: date) -> str:
    """Days as a person reads them."""
    return f"{last}" if first == last else f"{first} to {last}"
