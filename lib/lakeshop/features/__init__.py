"""silver -> features: inputs shared by several applications, as known on the business date."""

from lakeshop.contracts.application import Application

APPLICATION = Application("features", "lakeshop.features", sections=("features",))
