"""Lists of erased persons, for tests."""

from lakeshop.privacy.erasure_list import Erased, shape_of
from lakeshop.privacy.pseudonyms import pseudonym_of


def erased_of(users, key):
    """The list with these users."""
    shapes = frozenset(map(shape_of, users))
    return Erased(shapes, frozenset(pseudonym_of(user, key) for user in users), key)
