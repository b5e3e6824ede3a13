"""Settings of demand: which series are forecast, how methods are compared, what is trained."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from lakeshop.config.base import FrozenModel, Share
from lakeshop.config.training import NetworkConfig
from lakeshop.demand.calendar import Country


class Backtest(FrozenModel):
    """Comparison of methods: `origins` days, `stride_days` apart, each over the horizon.

    The newest origin is a horizon before the training day. Samples have at most about `series`
    series: the half of highest value, and as many others.
    """

    origins: Annotated[int, Field(ge=4)]
    stride_days: PositiveInt
    series: PositiveInt


class GlobalModelConfig(FrozenModel):
    """Training examples and architecture of the network of all series.

    Examples are a series as known on one of `origins` earlier days, `stride_days` apart, and its
    demand afterwards. Samples have at most about `series` series: the half of highest value, and as
    many others.
    """

    origins: PositiveInt
    stride_days: PositiveInt
    series: PositiveInt
    network: NetworkConfig


class DemandSettings(FrozenModel):
    """Forecast series, their history and horizon.

    `level` defines a series. A series without a sale for `active_days` is no longer forecast.
    `country` (ISO 3166) has its public holidays, `paydays` are days of the month. `opening_hours`
    turns hours sold out into a share of the day.
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
