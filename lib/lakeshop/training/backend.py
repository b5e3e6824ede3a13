"""TensorFlow with the same settings in every process, and models built from specifications.

TensorFlow is imported on the first call, never at the top of a module: it takes seconds and 0.7 GB
in each process, and a forked process must not inherit its threads. No Spark jobs here.
"""

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from threading import RLock
from typing import Any

from lakeshop.errors import ModelError
from lakeshop.training.specification import Config, ModelSpec

# Keras keeps seeds and names of layers per process, and the start below moves stderr: applications
# train side by side, so that one thread at a time may build, load or start.
KERAS = RLock()


def configured(threads: int = 1) -> Any:
    """Keras on TensorFlow with that many threads, no GPU, and the same result each time."""
    with KERAS:
        return _configured(threads)


@cache
def _configured(threads: int) -> Any:
    with without_greetings():
        import tensorflow as tf

        # After a first operation the thread pools can no longer be changed.
        with contextlib.suppress(RuntimeError):
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(threads)
        tf.config.experimental.enable_op_determinism()
        tf.constant(0)  # looks for graphics cards
        return importlib.import_module("keras")


@contextlib.contextmanager
def without_greetings() -> Iterator[None]:
    """Silence standard error: TensorFlow's C++ writes there at any log level.

    Exceptions still propagate.
    """
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def compiled_model(spec: ModelSpec, offset: Any = None) -> Any:
    """The specified model with its first weights, compiled: identical in every process.

    Args:
        spec: the specification.
        offset: lead of the learning rate schedule over the optimiser's steps, as a Keras variable.

    Raises:
        ModelError: the builder is not there, or returns no built Keras model.
    """
    keras = configured()
    with KERAS:
        return _compiled(keras, spec, offset)


def _compiled(keras: Any, spec: ModelSpec, offset: Any) -> Any:
    # Names of layers count on from model to model; files of the same weights would differ.
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(spec.seed)
    model = _function(spec.builder)(**spec.arguments)
    if not isinstance(model, keras.Model) or not model.built:
        msg = (
            f"Builder {spec.builder} should return a built, uncompiled Keras model. Received "
            f"{type(model).__name__}; give it an Input, or call build()."
        )
        raise ModelError(msg)
    optimizer = optimizer_of(spec.optimizer, offset)
    loss = None if spec.loss is None else keras.losses.get(_plain(spec.loss))
    model.compile(optimizer=optimizer, loss=loss, jit_compile=False)
    optimizer.build(model.trainable_variables)
    return model


def _function(name: str) -> Any:
    module, _, function = name.partition(":")
    try:
        return getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        msg = (
            f'builder should be "package.module:function" that every worker can import. Received '
            f"{name!r}: {error}. Ship the module with the job (--py-files)."
        )
        raise ModelError(msg) from None


def optimizer_of(config: Config, offset: Any = None) -> Any:
    """A Keras optimiser with its learning rate schedule shifted by `offset` steps.

    The schedule continues from round to round although the optimiser's own steps restart.
    """
    keras = configured()
    stated = _plain(config)
    rate = {} if isinstance(stated, str) else stated.get("config", {}).get("learning_rate")
    if isinstance(rate, Mapping) and rate:
        schedule = _schedule(keras, dict(rate), offset)
        stated = {**stated, "config": {**stated["config"], "learning_rate": schedule}}
    return keras.optimizers.get(stated)


def _schedule(keras: Any, config: dict[str, Any], offset: Any) -> Any:
    schedules = keras.optimizers.schedules
    schedule = schedules.deserialize(config)
    if offset is None:
        return schedule

    class Shifted(schedules.LearningRateSchedule):  # type: ignore[misc, name-defined]
        def __call__(self, step: Any) -> Any:
            return schedule(step + keras.ops.cast(offset, step.dtype))

    return Shifted()


def _plain(config: Any) -> Any:
    return config if isinstance(config, str) else dict(config)
