"""Settings of what is learned: when models are trained, which networks, and fraud."""

from collections.abc import Mapping
from typing import Any, Literal

from lakeshop.values import Count, Days, Frozen, Positive, Share

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Training(Frozen):
    """When models are trained, and how the work is cut.

    `shards` belong to a model, not to a cluster: the same on two cores and on two hundred.
    """

    weekday: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
    shards: Count

    @property
    def weekday_number(self) -> int:
        """0 for Monday."""
        return WEEKDAYS.index(self.weekday)


class Network(Frozen):
    """A Keras model: who builds it, how it is compiled, and how its training is cut.

    `builder` is "package.module:function"; it gets `arguments` and what the training rows say
    of the inputs. `optimizer`, `loss` and `outer` are what Keras serialises: a name, or class_name
    and config. Each shard does `local_steps` batches between two averages, which `outer` applies.
    With `patience` training ends after so many rounds that were no better on the lines held out,
    and the best weights count; without it all epochs are done and the last ones do. `decay` lets
    the optimiser's learning rate fall to nothing over the training, along a cosine.
    """

    builder: str
    arguments: Mapping[str, Any] = {}
    optimizer: str | Mapping[str, Any]
    loss: str | Mapping[str, Any]
    batch_size: Count
    epochs: Positive
    local_steps: Count
    outer: Mapping[str, Any] = {"class_name": "SGD", "config": {"learning_rate": 1.0}}
    patience: Count | None = None
    decay: Literal["cosine"] | None = None


class Fraud(Frozen):
    """What fraud models learn from, and what becomes of their scores."""

    maturity_days: Count
    train_days: Count
    validation_days: Count
    report_weeks: Count
    report_lines: Count
    policy: Literal["budget", "cost"]
    alerts_per_day: Count
    rank_by: Literal["score", "expected_loss"]
    review_cost: Positive
    block_probability: Share
    min_history: Count
    review_score: Positive
    labelled: Mapping[str, Network]
    unlabelled: Mapping[str, Network]
    label_delay_days: Days
    prior_lines: Positive
    prior_rate: Share
