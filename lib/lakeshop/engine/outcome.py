"""Outcome of a run: tables that failed, why, and tables not made because of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

from lakeshop.engine.failures import summarize_error
from lakeshop.errors import ShopError
from lakeshop.events import ERROR, days_of, event, in_words
from lakeshop.storage.machine import is_of_machine
from lakeshop.storage.run_log import LOG


@dataclass(frozen=True)
class Failure:
    """Days of a table that were not made: why, or because of which other table's day."""

    table: str
    first: date
    last: date
    reason: str
    because: str = ""


@contextmanager
def failing_alone() -> Iterator[list[Exception]]:
    """Go on after work that fails.

    Yields:
        The error that ended the work, if one did.

    Raises:
        Exception: the machine is at fault, which ends the run.
    """
    errors: list[Exception] = []
    try:
        yield errors
    except Exception as error:
        if is_of_machine(error):
            raise
        errors.append(error)


def explain(error: Exception) -> str:
    """Return the words of an error that explains itself, else one line."""
    return str(error) if isinstance(error, ShopError) else summarize_error(error)


def report_failures(failures: Sequence[Failure]) -> None:
    """Say which tables failed and why, and which were not made because of them."""
    failed = [f for f in failures if not f.because]
    not_made = [f for f in failures if f.because]
    for title, some in (("Failed", failed), ("Not made because of these", not_made)):
        if some:
            LOG.error("%s", title, extra=event(ERROR))
        for failure in some:
            days = in_words(failure.first, failure.last)
            figures = event(
                ERROR,
                table=failure.table,
                message=failure.reason,
                because=failure.because,
                **days_of(failure.first, failure.last),
            )
            LOG.error("  %s of %s: %s", failure.table, days, failure.reason, extra=figures)
    if failed:
        text = "Other tables are published. The next run makes these days first."
        LOG.error("%s", text, extra=event(ERROR, message=text))
