"""What can go wrong with a training or a model, each explained in one message."""

from lakeshop.errors import ShopError


class TrainingError(ShopError):
    """A training cannot go on; nothing of the failing round was committed."""


class ModelError(ShopError):
    """A model cannot be built, or its file is not the one that was registered."""

    exit_code = 2
