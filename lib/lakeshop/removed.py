"""What retention has removed is not made again, and neither is what could not be made the same."""

from datetime import date

from lakeshop.contract import Contract
from lakeshop.errors import InputError
from lakeshop.journal import LOG
from lakeshop.ledger import Ledger


def assert_inputs_remain(ledger: Ledger, contract: Contract, day: date) -> None:
    """A day made without what retention has removed would be another one.

    Raises:
        InputError: retention has removed rows that the day is to be made from.
    """
    if removed := ledger.removed_inputs(contract, day):
        msg = (
            f"{contract.name} of {day} should be made from rows of {', '.join(removed)} that "
            "retention has removed. It stays as it is; to make it again, load the days before "
            "it first, where they are still delivered."
        )
        raise InputError(msg)


def is_to_be_redone(ledger: Ledger, contract: Contract, day: date) -> bool:
    """Whether a published day is stale, still there, and so are the rows it is made from."""
    published = ledger.publication(contract.name, day)
    if published is None or published.is_removed or not ledger.is_stale(contract, day):
        return False
    if removed := ledger.removed_inputs(contract, day):
        what = "%s of %s is stale and stays so: retention has removed rows of %s"
        LOG.info(what, day, contract.name, ", ".join(removed))
    return not removed
