"""silver -> features: what several applications share, as known on the business date."""

from lakeshop.contracts.application import Application

APPLICATION = Application("features", "lakeshop.features", sections=("features",))
