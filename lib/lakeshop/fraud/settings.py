"""Settings of fraud: examples, networks and decisions."""

from collections.abc import Mapping
from typing import Literal

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from lakeshop.config.base import FrozenModel, Share
from lakeshop.config.training import NetworkConfig


class Fraud(FrozenModel):
    """Examples and networks of the fraud models, and the policy of decisions."""

    maturity_days: PositiveInt
    train_days: PositiveInt
    validation_days: PositiveInt
    report_weeks: PositiveInt
    report_lines: PositiveInt
    policy: Literal["budget", "cost"]
    alerts_per_day: PositiveInt
    rank_by: Literal["score", "expected_loss"]
    review_cost: PositiveFloat
    block_probability: Share
    min_history: PositiveInt
    review_score: PositiveFloat
    labelled: Mapping[str, NetworkConfig]
    unlabelled: Mapping[str, NetworkConfig]
    label_delay_days: NonNegativeInt
    prior_lines: PositiveFloat
    prior_rate: Share
