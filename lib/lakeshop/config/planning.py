"""Settings of what is planned: how demand is forecast, and what is ordered because of it."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lakeshop.config.base import FrozenModel, NonNegativeInt, PositiveFloat, PositiveInt, Share
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


class Forecasts(FrozenModel):
    """Which series are forecast, from what, how far.

    `level` says what a series is. A series without a sale for `active_days` is no longer forecast.
    Lines of `most_units_per_line` units or more are no sales by the piece and are left out of
    demand. `country` (ISO 3166) has its public holidays, `paydays` are days of the month.
    `opening_hours` turns hours sold out into a share of the day.
    """

    level: Literal["product", "product_store", "category_store"]
    history_days: PositiveInt
    active_days: PositiveInt
    horizon_days: PositiveInt
    quantiles: tuple[Share, ...]
    most_units_per_line: PositiveFloat | None = None
    country: Country | None = None
    paydays: tuple[Annotated[int, Field(ge=1, le=31)], ...] = ()
    opening_hours: Annotated[int, Field(ge=1, le=24)] = 24
    teaching: GlobalModelConfig
    backtest: Backtest


class Reorder(FrozenModel):
    """How stock is reordered where the stock entity does not say it of a product.

    With both costs the service level is that of the newsvendor; costs are shares of the price,
    that of a unit short and that of a unit left over one day.
    """

    review_days: PositiveInt
    service_level: Share
    shortage_cost: Annotated[float, Field(ge=0)] | None = None
    holding_cost_per_day: Annotated[float, Field(ge=0)] | None = None
    lead_time_days: Annotated[float, Field(ge=0)]
    lead_time_deviation_days: Annotated[float, Field(ge=0)]
    pack_size: PositiveInt
    shelf_life_days: NonNegativeInt | None = None

    @model_validator(mode="after")
    def _has_both_costs_or_none(self) -> "Reorder":
        if (self.shortage_cost is None) != (self.holding_cost_per_day is None):
            msg = (
                "shortage_cost and holding_cost_per_day should be given both or neither; "
                "with one alone nothing says what the other side costs"
            )
            raise ValueError(msg)
        return self
