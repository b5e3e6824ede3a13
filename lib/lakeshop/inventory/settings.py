"""Settings of the reorder plan, where the stock entity has none of a product."""

from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from lakeshop.config.base import FrozenModel, Share


class InventorySettings(FrozenModel):
    """Defaults of the reorder plan, used where the stock entity has no value for a product.

    With both costs the service level is the newsvendor's. Costs are shares of the price: of a unit
    short, and of a unit left over one day.
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
    def _has_both_costs_or_none(self) -> "InventorySettings":
        if (self.shortage_cost is None) != (self.holding_cost_per_day is None):
            msg = (
                "shortage_cost and holding_cost_per_day should be given both or neither; "
                "with one alone nothing says what the other side costs"
            )
            raise ValueError(msg)
        return self
