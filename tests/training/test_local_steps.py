"""Local steps and the outer step against Keras' own `fit` and against one process. No Spark."""

import numpy as np
import pytest

from lakeshop.errors import ModelError
from lakeshop.training.backend import compiled_model, configured
from lakeshop.training.batches import Schedule
from lakeshop.training.local_steps import RoundTask, do_steps
from lakeshop.training.outer import GlobalState, mean_change
from lakeshop.training.specification import PLAIN_AVERAGE, PLAIN_SGD, FeatureSpec, ModelSpec
from lakeshop.training.weights import Layout, assign, flat

FEATURES = ("a", "b", "c", "d")
COLUMNS = FeatureSpec({"x": FEATURES}, ("y",), "w")
BATCH, STEPS = 32, 12


def records(rows=300, seed=0, columns=COLUMNS):
    random = np.random.default_rng(seed)
    values = random.normal(size=(rows, len(columns.stored))).astype(np.float32)
    values[:, 4] = values[:, 0] + values[:, 1] * values[:, 2] > 0
    if columns.weight:
        values[:, 5] = random.uniform(0.5, 2, rows)
    return values


def spec(builder="mlp", optimizer="SGD", rate=0.1, columns=COLUMNS, loss=None, **arguments):
    given = {"inputs": 4, **arguments} if builder != "two_inputs" else arguments
    config = {"class_name": optimizer, "config": {"learning_rate": rate}}
    wanted = loss or "binary_crossentropy"
    return ModelSpec(f"toy_networks:{builder}", columns, given, config, wanted, batch_size=BATCH)


def schedule(rows, shard=0, shuffle=False):
    return Schedule(shard, rows, BATCH, 2, 0, shuffle)


def chunked(values):
    return {c: values[c * 2 * BATCH : (c + 1) * 2 * BATCH] for c in range(-(-len(values) // 64))}


def rounds(made, shards, steps, outer=PLAIN_AVERAGE, shuffle=False):
    """Weights after each round, and the outcomes of the last."""
    model = compiled_model(made)
    master = GlobalState.of(Layout.of(model), flat(model).astype(np.float64), outer)
    weights, first, outcomes = [], 0, []
    for number, count in enumerate(steps):
        sent = master.weights.astype(np.float32)
        work = RoundTask(made, number, first, count, evaluate=False)
        outcomes = [
            do_steps(work, schedule(len(values), shard, shuffle), sent, chunked(values), ())
            for shard, values in enumerate(shards)
        ]
        master.step(mean_change(sent, outcomes))
        weights.append(master.weights)
        first += count
    return weights, outcomes


def fitted(made, values, epochs):
    model = compiled_model(made)
    x, y, *w = made.columns.arrays(values)
    history = model.fit(
        x,
        y,
        sample_weight=w[0] if w else None,
        batch_size=BATCH,
        epochs=epochs,
        shuffle=False,
        verbose=0,
    )
    return model, history.history["loss"]


UNWEIGHTED = FeatureSpec({"x": FEATURES}, ("y",))
TWO = FeatureSpec({"left": FEATURES[:3], "right": FEATURES[2:]}, ("y",), "w")
LIKE_AN_INPUT = FeatureSpec({"x": FEATURES}, FEATURES)
DECAY = {
    "class_name": "ExponentialDecay",
    "config": {"initial_learning_rate": 0.5, "decay_steps": 5, "decay_rate": 0.7},
}


@pytest.mark.parametrize(
    ("made", "steps"),
    [
        (spec(), [7, 7, 7, 9]),
        (spec(rate=DECAY), [7, 7, 7, 9]),
        (spec(dropout=0.5), [30]),
        (spec(dropout=0.3, optimizer="Adam", rate=0.01), [30]),
        (spec("doubled", columns=UNWEIGHTED), [10, 20]),
        (spec("two_inputs", columns=TWO, left=3, right=2), [15, 15]),
        (spec("autoencoder", columns=LIKE_AN_INPUT, loss="mse"), [4, 26]),
        (spec(norm=True), [30]),
    ],
    ids=[
        "sgd",
        "schedule",
        "dropout",
        "adam",
        "train_step",
        "two_inputs",
        "autoencoder",
        "batch_norm",
    ],
)
def test_one_shard_is_plain_fit_to_the_bit(made, steps):
    values = records(columns=made.columns) if "y" in made.columns.stored else records()[:, :4]
    model, _ = fitted(made, values, epochs=3)
    weights, _ = rounds(made, [values], steps)
    assert not np.array_equal(flat(compiled_model(made)), flat(model)), "something was learned"
    np.testing.assert_array_equal(weights[-1].astype(np.float32), flat(model))


MOMENTUM = {"class_name": "SGD", "config": {"learning_rate": 0.3, "momentum": 0.9}}
NESTEROV = {"class_name": "SGD", "config": {**MOMENTUM["config"], "nesterov": True}}
ADAM = {"class_name": "Adam", "config": {"learning_rate": 0.01}}
PLAIN = {"class_name": "SGD", "config": {"learning_rate": 0.3}}


@pytest.mark.parametrize("outer", [PLAIN, MOMENTUM, NESTEROV, ADAM], ids=["sgd", "m", "n", "adam"])
def test_four_shards_of_one_step_are_one_process_on_the_joined_batch(outer):
    """Shards of unequal batches, by their rows; steps enough for momentum to build up."""
    shards = [records(rows, seed) for seed, rows in enumerate((32, 32, 20, 5))]
    made = spec(activation="sigmoid")
    inner = ModelSpec(made.builder, COLUMNS, made.arguments, PLAIN_SGD, batch_size=BATCH)
    weights, _ = rounds(inner, shards, [1] * STEPS, outer)
    joined = np.concatenate(shards)
    one = ModelSpec(made.builder, COLUMNS, made.arguments, outer, batch_size=len(joined))
    model = compiled_model(one)
    x, y, w = COLUMNS.arrays(joined)
    model.fit(x, y, sample_weight=w, batch_size=len(joined), epochs=STEPS, shuffle=False, verbose=0)
    np.testing.assert_allclose(weights[-1], flat(model), rtol=1e-5, atol=1e-6)


def test_losses_and_validation_are_those_of_fit_and_evaluate():
    made, values, held_out = spec(), records(), records(100, seed=1)
    model, losses = fitted(made, values, epochs=1)
    first = flat(compiled_model(made))
    work = RoundTask(made, 0, 0, 10, evaluate=True)
    parts = [held_out[:64], held_out[64:]]
    outcome = do_steps(work, schedule(300), first, chunked(values), parts)
    assert outcome.loss == pytest.approx(losses[0], rel=1e-6)
    assert (outcome.rows, outcome.weight, outcome.validation_rows) == (300, 300.0, 100)
    assign(model, first)
    x, y, w = COLUMNS.arrays(held_out)
    evaluated = model.evaluate(x, y, sample_weight=w, verbose=0, batch_size=BATCH)
    assert outcome.validation_loss == pytest.approx(evaluated, rel=1e-5)


def test_the_first_step_of_adam_is_no_longer_after_a_reset():
    """Were its count of steps kept while its moments are reset: 3.16 times the learning rate."""
    made = spec("linear", optimizer="Adam", rate=1e-4, loss="mse", columns=UNWEIGHTED)
    values = records(BATCH, columns=UNWEIGHTED)
    weights, _ = rounds(made, [values], [400, 1])
    assert np.abs(weights[1] - weights[0]).max() == pytest.approx(1e-4, rel=1e-3)


def test_a_round_repeated_in_a_worn_process_gives_the_same_bits():
    """Dropout goes on from a seed of round and shard, not from what the process did before."""
    made, values = spec(dropout=0.5, optimizer="Adam", norm=True), records()
    first = flat(compiled_model(made))

    def outcome(number, shard):
        work = RoundTask(made, number, number * 5, 5, evaluate=False)
        return do_steps(work, schedule(300, shard, True), first, chunked(values), ()).weights

    before = outcome(2, 1)
    others = [outcome(2, 0), outcome(3, 1)]
    np.testing.assert_array_equal(outcome(2, 1), before)
    assert not any(np.array_equal(before, other) for other in others)


def test_shards_count_by_their_rows_and_one_without_rows_not_at_all():
    made = spec(norm=True)
    shards = [records(32, 0), records(0), records(8, 2)]
    model = compiled_model(made)
    before = flat(model)
    (weights,), (a, empty, b) = rounds(made, shards, [3])
    assert [o.rows for o in (a, empty, b)] == [96, 0, 24]
    assert empty.weight == 0
    np.testing.assert_array_equal(empty.weights, before)
    expected = (4 * a.weights.astype(np.float64) + b.weights) / 5
    np.testing.assert_allclose(weights, expected, rtol=1e-6, atol=1e-9)
    statistics = ~np.repeat(Layout.of(model).is_trained, Layout.of(model).sizes)
    assert statistics.sum() == 16
    assert np.abs(a.weights - b.weights)[statistics].min() > 0, "those of BatchNorm are averaged"


def test_a_loss_divided_by_weights_counts_by_weights():
    loss = {"class_name": "BinaryCrossentropy", "config": {"reduction": "mean_with_sample_weight"}}
    made, values = spec(loss=loss), records(20)
    work = RoundTask(made, 0, 0, 2, evaluate=False)
    outcome = do_steps(work, schedule(20), flat(compiled_model(made)), chunked(values), ())
    assert outcome.weight == pytest.approx(2 * values[:, 5].sum(dtype=np.float64))


def test_no_shard_with_rows_changes_nothing():
    made = spec()
    weights, _ = rounds(made, [records(0)], [1, 1], NESTEROV)
    np.testing.assert_array_equal(weights[1], flat(compiled_model(made)))


def test_the_outer_state_is_restored_whole():
    made, layout = spec(), Layout.of(compiled_model(spec()))
    random = np.random.default_rng(1)
    changes = random.normal(size=(4, sum(layout.sizes)))
    whole = GlobalState.of(layout, changes[0], ADAM)
    whole.step(changes[1])
    again = GlobalState.of(layout, np.zeros_like(changes[0]), ADAM)
    again.restore(whole.weights, whole.slots)
    for master in (whole, again):
        master.step(changes[2])
    np.testing.assert_array_equal(whole.weights, again.weights)
    assert made.digest() == spec().digest()


@pytest.mark.parametrize(
    ("builder", "message"),
    [
        ("toy_networks:not_a_model", "should return a built, uncompiled Keras model. Received int"),
        ("toy_networks:absent", "every worker can import"),
        ("no_such_module:mlp", "every worker can import"),
    ],
)
def test_a_builder_that_gives_no_model_is_refused(builder, message):
    with pytest.raises(ModelError, match=message):
        compiled_model(ModelSpec(builder, COLUMNS))


def test_weights_of_another_model_are_refused():
    with pytest.raises(ValueError, match="belong to another model"):
        assign(compiled_model(spec()), np.zeros(3))


def test_the_backend_is_keras_with_one_thread():
    import tensorflow as tf

    assert configured().backend.backend() == "tensorflow"
    assert tf.config.get_visible_devices("GPU") == []
