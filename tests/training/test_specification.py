"""Ids of trainings, and the division of a run. No Spark and no TensorFlow."""

from dataclasses import replace

import numpy as np
import pytest

from lakeshop.training.specification import (
    DILOCO,
    FeatureSpec,
    ModelSpec,
    TrainingPlan,
    seed_of,
    training_id,
)

COLUMNS = FeatureSpec({"x": ("a", "b")}, ("y",), "w")
RECIPE = ModelSpec("toy:mlp", COLUMNS, {"inputs": 2})


def test_columns_are_stored_once_and_gathered_in_their_order():
    columns = FeatureSpec({"left": ("a", "b"), "right": ("b", "c")}, ("c", "a"), "w")
    assert columns.stored == ("a", "b", "c", "w")
    assert columns.known == ("c", "a", "w")
    records = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.float32)
    x, y, w = columns.arrays(records)
    assert x["left"].tolist() == [[1, 2], [5, 6]]
    assert x["right"].tolist() == [[2, 3], [6, 7]]
    assert y.tolist() == [[3, 1], [7, 5]]
    assert w.tolist() == [4, 8]


def test_one_input_is_fed_alone_and_no_weight_is_none():
    x, y = FeatureSpec({"x": ("a",)}, ("a",)).arrays(np.array([[1.0]], np.float32))
    assert (x.tolist(), y.tolist()) == ([[1.0]], [[1.0]]), "an autoencoder's target is its input"


@pytest.mark.parametrize(
    "other",
    [
        (replace(RECIPE, seed=1), TrainingPlan(), "1"),
        (replace(RECIPE, arguments={"inputs": 2, "width": 9}), TrainingPlan(), "1"),
        (replace(RECIPE, columns=replace(COLUMNS, weight=None)), TrainingPlan(), "1"),
        (replace(RECIPE, optimizer={"class_name": "SGD", "config": {}}), TrainingPlan(), "1"),
        (RECIPE, TrainingPlan(shards=2), "1"),
        (RECIPE, TrainingPlan(outer=DILOCO), "1"),
        (RECIPE, TrainingPlan(), "2"),
    ],
)
def test_all_that_weights_depend_on_is_in_the_name(other):
    assert training_id(RECIPE, TrainingPlan(), "1") == training_id(
        replace(RECIPE), TrainingPlan(), "1"
    )
    assert training_id(*other) != training_id(RECIPE, TrainingPlan(), "1")


def test_what_is_no_json_is_refused():
    with pytest.raises(TypeError, match="not JSON serializable"):
        replace(RECIPE, arguments={"inputs": object()}).digest()


def test_rounds_cover_the_epochs_after_an_optional_warm_up():
    plan = TrainingPlan(local_steps=10, epochs=2.0, warm_up_rounds=3, warm_up_steps=2)
    assert [plan.steps_before(r) for r in range(6)] == [0, 2, 4, 6, 16, 26]
    assert [plan.steps_of(r) for r in range(5)] == [2, 2, 2, 10, 10]
    assert plan.rounds_for(longest_epoch=12) == 5, "2 x 12 steps are reached after 26"
    assert TrainingPlan(rounds=7).rounds_for(1) == 7


def test_numbers_below_one_are_refused():
    with pytest.raises(ValueError, match=r"at least 1. Received shards = 0, local_steps = -1"):
        TrainingPlan(shards=0, local_steps=-1)


def test_seeds_are_functions_of_names():
    seeds = {seed_of(7, name, k) for name in ("a", "b") for k in range(100)}
    assert len(seeds) == 200
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert seed_of(7, "a", 1) == seed_of(7, "a", 1) == 264486345
