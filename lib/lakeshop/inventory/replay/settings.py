"""Configuration of a replay: files, rules and policies."""

from collections.abc import Mapping
from datetime import date
from itertools import product
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import (
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from lakeshop.config.base import FrozenModel, Share
from lakeshop.errors import ConfigError

Cost = Annotated[float, Field(ge=0)]
Names = Annotated[tuple[str, ...], Field(min_length=1)]


class Wide(FrozenModel):
    """CSV files with a column per period, headed by its first day; later files add to earlier."""

    layout: Literal["wide"]
    files: Names


class Long(FrozenModel):
    """CSV or Parquet files with a row per series and day or period.

    Without a row nothing was demanded; before a series' first row and after its last one it was
    not on sale. `in_stock` is a column of true and false, or of a share.
    """

    layout: Literal["long"]
    files: Names
    day: str
    units: str
    in_stock: str | None = None


class Held(FrozenModel):
    """A CSV file of the stock before the first scored period: one row per series."""

    file: str
    on_hand: str
    in_transit: tuple[str, ...] = ()


class Data(FrozenModel):
    """Files below `folder`; `*` in a name matches anything.

    `series` are the columns that name a series. Without `stock` a replay begins with whole units
    for `start_cover` mean periods. `most_series` keeps the series with most sales before the first
    scored period.
    """

    folder: str
    series: Names
    demand: Annotated[Wide | Long, Field(discriminator="layout")]
    in_stock: Wide | None = None
    stock: Held | None = None
    start_cover: PositiveFloat = 2.0
    most_series: PositiveInt | None = None


class FixedRule(FrozenModel):
    """Order up to `cover` mean periods, of the last `window` in stock."""

    kind: Literal["fixed_rule"]
    cover: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)]
    window: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]

    def choices(self) -> list["FixedRule"]:
        """One policy for each combination of parameters."""
        return [
            self.model_copy(update={"cover": (cover,), "window": (window,)})
            for cover, window in product(self.cover, self.window)
        ]

    def __str__(self) -> str:
        return f"cover {self.cover[0]:g}, window {self.window[0]}"


class SeasonalMean(FrozenModel):
    """Order up to `cover` periods of a seasonal mean: the VN2 organisers' benchmark."""

    kind: Literal["seasonal_mean"]
    cover: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    window: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]

    def choices(self) -> list["SeasonalMean"]:
        """One policy for each combination of parameters."""
        return [
            self.model_copy(update={"cover": (cover,), "window": (window,)})
            for cover, window in product(self.cover, self.window)
        ]

    def __str__(self) -> str:
        return f"cover {self.cover[0]}, window {self.window[0]}"


class Predictive(FrozenModel):
    """Cover demand with a probability, by levels and a pooled season or a method by name.

    `level` are probabilities, by default the one of the costs. `half_lives` are lists of periods;
    `method` one of lakeshop.demand.forecasting.methods, for days.
    """

    kind: Literal["predictive"]
    level: tuple[Share, ...] = ()
    half_lives: Annotated[tuple[tuple[PositiveFloat, ...], ...], Field(min_length=1)] = (
        (6.0, 26.0),
    )
    season: Annotated[tuple[Share, ...], Field(min_length=1)] = (1.0,)
    drift: Annotated[tuple[Cost, ...], Field(min_length=1)] = (0.02,)
    method: str | None = None

    def choices(self) -> list["Predictive"]:
        """One policy for each combination of parameters; without levels, with none."""
        levels: list[tuple[float, ...]] = [(level,) for level in self.level] or [()]
        return [
            self.model_copy(
                update={"level": level, "half_lives": (lives,), "season": (s,), "drift": (drift,)}
            )
            for lives, s, drift, level in product(self.half_lives, self.season, self.drift, levels)
        ]

    def __str__(self) -> str:
        lives = " and ".join(f"{life:g}" for life in self.half_lives[0])
        how = self.method or f"half-lives {lives}, season {self.season[0]:g}"
        level = f"level {self.level[0]:g}" if self.level else "level of the costs"
        return f"{level}, {how}, drift {self.drift[0]:g}"


class Tuning(FrozenModel):
    """Rolling windows before the scored periods, by which each policy's parameters are chosen."""

    windows: PositiveInt
    scored: PositiveInt
    stride: PositiveInt
    warm_up: NonNegativeInt


class EqualService(FrozenModel):
    """Two policies that are compared where both serve the same share of demand.

    `ours` is a predictive one, replayed at `levels`; `against` a fixed rule, at `covers`.
    """

    ours: str
    against: str
    levels: Annotated[tuple[Share, ...], Field(min_length=2)]
    covers: Annotated[tuple[PositiveFloat, ...], Field(min_length=2)]


class ReplaySettings(FrozenModel):
    """One replay."""

    name: str
    period_days: Annotated[int, Field(ge=1, le=31)]
    lead_periods: NonNegativeInt
    review_periods: PositiveInt = 1
    holding_cost: Cost
    lost_cost: Cost
    backorders: bool = False
    sees_lost_sales: bool
    first_scored: date
    last_scored: date | None = None
    orders: PositiveInt | None = None
    parts: Mapping[str, tuple[PositiveInt, PositiveInt]] = {}
    data: Data
    policies: Annotated[
        Mapping[str, Annotated[FixedRule | SeasonalMean | Predictive, Field(discriminator="kind")]],
        Field(min_length=1),
    ]
    tuning: Tuning | None = None
    equal_service: EqualService | None = None

    @model_validator(mode="after")
    def _has_windows_to_choose_by(self) -> "ReplaySettings":
        many = [name for name, policy in self.policies.items() if len(policy.choices()) > 1]
        if many and not self.tuning:
            msg = f"tuning should say by which windows parameters of {', '.join(many)} are chosen"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _compares_policies_it_has(self) -> "ReplaySettings":
        if not self.equal_service:
            return self
        ours, against = self.equal_service.ours, self.equal_service.against
        kinds = (self.policies.get(ours), self.policies.get(against))
        if not isinstance(kinds[0], Predictive) or not isinstance(kinds[1], FixedRule):
            msg = (
                "equal_service should name a predictive policy as ours and a fixed_rule as "
                f"against, both of policies; received {ours!r} and {against!r}"
            )
            raise ValueError(msg)
        return self


def read_replay(path: Path) -> ReplaySettings:
    """The settings of one file.

    Raises:
        ConfigError: it is missing or not YAML, a key is unknown or a value wrong.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return ReplaySettings.model_validate(content)
    except FileNotFoundError:
        known = sorted(str(p) for p in path.parent.glob("*.yaml"))
        msg = f"{path} should exist. Found there: {', '.join(known) or 'nothing'}."
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        msg = f"{path} should be YAML. Received: {error}"
    except ValidationError as error:
        faults = "\n".join(
            f"  {'.'.join(map(str, fault['loc']))}: {fault['msg']}." for fault in error.errors()
        )
        msg = f"{path} should say a replay. Received:\n{faults}"
    raise ConfigError(msg)
