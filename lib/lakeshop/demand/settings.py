"""Settings of demand: which series are forecast, how methods are compared, what is trained."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from lakeshop.config.base import FrozenModel, Share
from lakeshop.config.training import NetworkConfig
from lakeshop.demand.calendar import Country


class Backtest(FrozenModel):
    """How methods are compared: `origins` nights, `stride_days` apart, each over the horizon.

    The newest origin is a horizon before the training day. Of more than `series` series the half
    with most value are taken, and as many others.
    """

    origins: Annotated[int, Field(ge=4)]
    stride_days: PositiveInt
    series: PositiveInt


class GlobalModelConfig(FrozenModel):
    """What the network of all series learns from, and how it is built.

    Examples are a series as known on one of `origins` earlier days, `stride_days` apart, and what
    came after. Of more than `series` series the half with most value are taken, and as many others.
    """

    origins: PositiveInt
    stride_days: PositiveInt
    series: PositiveInt
    network: NetworkConfig


class DemandSettings(FrozenModel):
    """Which series are forecast, from what, how far.

    `level` says what a series is. A series without a sale for `active_days` is no longer forecast.
    `country` (ISO 3166) has its public holidays, `paydays` are days of the month.
    `opening_hours` turns hours sold out into a share of the day.
    """

    level: Literal["product", "product_store", "category_store"]
    history_days: PositiveInt
    active_days: PositiveInt
    horizon_days: PositiveInt
    quantiles: tuple[Share, ...]
    country: Country | None = None
    paydays: tuple[Annotated[int, Field(ge=1, le=31)], ...] = ()
    opening_hours: Annotated[int, Field(ge=1, le=24)] = 24
    global_model: GlobalModelConfig
    backtest: Backtest
