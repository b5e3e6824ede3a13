"""The few errors of a night; each knows the exit code with which a job ends.

1 means that a table or the run failed, 2 means wrong arguments or configuration and nothing
touched. A text says what should be, what was received and what to do.

What can go wrong with a training or a model, each explained in one message.
"""


class ShopError(Exception):
    """Base of all errors that a job explains in one message instead of a stack trace."""

    exit_code = 1


class ConfigError(ShopError):
    """Arguments or configuration are wrong; no table was touched."""

    exit_code = 2


class ContractError(ShopError):
    """A contract is not well formed, or a table or frame does not fit its contract."""

    exit_code = 2


class InputError(ShopError):
    """An input of a night was not delivered or cannot be read."""


class QualityError(ShopError):
    """Data broke a rule that stops the run before it publishes."""


class BusyError(ShopError):
    """Another run holds the lake."""


class DiskSpaceError(ShopError):
    """The lake's disk has too little room for a run."""


class TrainingError(ShopError):
    """A training cannot go on; nothing of the failing round was committed."""


class ModelError(ShopError):
    """A model cannot be built, or its file is not the one that was registered."""

    exit_code = 2
