"""Settings of training: when models are trained, how the work is cut, and what a network is."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, PositiveFloat, PositiveInt

from lakeshop.config.base import FrozenModel
from lakeshop.renamed import hint

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Training(FrozenModel):
    """When models are trained, and how the work is cut.

    `shards` belong to a model, not to a cluster: the same on two cores and on two hundred.
    """

    weekday: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
    shards: PositiveInt

    @property
    def weekday_number(self) -> int:
        """0 for Monday."""
        return WEEKDAYS.index(self.weekday)


def _named_as_today(place: str) -> str:
    if found := hint(place.partition(":")[0]):
        msg = f"{found} Name the builder there"
        raise ValueError(msg)
    return place


class NetworkConfig(FrozenModel):
    """A Keras model: who builds it, how it is compiled, and how its training is cut.

    `builder` is "package.module:function"; it gets `arguments` and what the training rows say
    of the inputs. `optimizer`, `loss` and `outer` are what Keras serialises: a name, or class_name
    and config. Each shard does `local_steps` batches between two averages, which `outer` applies.
    With `patience` training ends after so many rounds that were no better on the lines held out,
    and the best weights count; without it all epochs are done and the last ones do. `decay` lets
    the optimiser's learning rate fall to nothing over the training, along a cosine.
    """

    builder: Annotated[str, AfterValidator(_named_as_today)]
    arguments: Mapping[str, Any] = {}
    optimizer: str | Mapping[str, Any]
    loss: str | Mapping[str, Any]
    batch_size: PositiveInt
    epochs: PositiveFloat
    local_steps: PositiveInt
    outer: Mapping[str, Any] = {"class_name": "SGD", "config": {"learning_rate": 1.0}}
    patience: PositiveInt | None = None
    decay: Literal["cosine"] | None = None


def networks_within(value: object) -> Iterator[NetworkConfig]:
    """Yield the networks of a section, wherever they stand in it."""
    if isinstance(value, NetworkConfig):
        yield value
    elif isinstance(value, FrozenModel):
        for name in type(value).model_fields:
            yield from networks_within(getattr(value, name))
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from networks_within(part)
