"""Networks of fraud and the statistics of their inputs: one score, whatever the values."""

import json
import subprocess
import sys

import numpy as np
import pytest
from fraud_rows import rows

from lakeshop.fraud import network as fraud
from lakeshop.fraud.network import checked, statistics
from lakeshop.ml.attribution import contributions
from lakeshop.ml.calibration import log_odds
from lakeshop.ml.classification import average_precision, roc_auc
from lakeshop.training.backend import compiled_model, configured
from lakeshop.training.registry import LAYER_MODULES, as_bytes, model_of, sha256_of
from lakeshop.training.specification import FeatureSpec, ModelSpec

INPUTS, TARGET = rows()
STATED = json.loads(json.dumps(statistics(INPUTS, bins=8)))
SMALL = {"members": 4, "width": 32, "embedding": 4}
LOSSES = {
    "baseline": "binary_crossentropy",
    "tabm": {"class_name": "lakeshop>MemberCrossentropy", "config": {"positive_weight": 2.0}},
    "autoencoder": {"class_name": "lakeshop>OutputLoss", "config": {}},
}
NAMES = tuple(LOSSES)
COLUMNS = FeatureSpec({"features": tuple("abcdef")}, ("is_fraud",))


def compiled(name):
    arguments = {"statistics": STATED, **(SMALL if name == "tabm" else {})}
    optimizer = {"class_name": "Adam", "config": {"learning_rate": 0.005}}
    recipe = ModelSpec(
        f"lakeshop.fraud.network:{name}", COLUMNS, arguments, optimizer, LOSSES[name]
    )
    return compiled_model(recipe)


def fitted(name, target=TARGET, epochs=10):
    model = compiled(name)
    model.fit(INPUTS, target[:, None], batch_size=128, epochs=epochs, verbose=0)
    return model


@pytest.fixture(scope="module")
def trained():
    return {name: fitted(name) for name in NAMES}


def scores(model, values=INPUTS):
    return model.predict(values, batch_size=4096, verbose=0)


@pytest.mark.parametrize("name", NAMES)
def test_each_row_gets_one_number(trained, name):
    found = scores(trained[name])
    assert found.shape == (len(INPUTS), 1)
    assert np.isfinite(found).all()
    assert (found >= 0).all()


@pytest.mark.parametrize(("name", "least"), [("baseline", 0.6), ("tabm", 0.8)])
def test_the_signal_is_learned(trained, name, least):
    """Of the average precision of the true odds; the baseline has hardly begun to learn."""
    fresh, target = rows(seed=2)
    found = scores(trained[name], fresh)[:, 0]
    odds = 3.0 * (np.log(fresh[:, 0]) > 1.5) + 2.0 * (np.log(fresh[:, 1]) > 1.2)
    best = average_precision(target, np.nan_to_num(odds))
    assert best > 3 * target.mean()
    assert average_precision(target, found) > least * best


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, -3e38])
def test_a_row_of_nothing_but_trouble_has_a_score(trained, name, value):
    found = scores(trained[name], np.full((3, 6), value, np.float32))
    assert np.isfinite(found).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_constant_input_and_one_that_was_never_there_do_not_matter(trained, name):
    strange = INPUTS.copy()
    strange[:, 3], strange[:, 4] = 1000.0, -1000.0
    np.testing.assert_array_equal(scores(trained[name], strange), scores(trained[name]))


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("name", ["baseline", "tabm"])
def test_one_class_only_trains_to_a_number(name, value):
    found = scores(fitted(name, np.full(len(INPUTS), value, np.float32), epochs=1))
    assert np.isfinite(found).all()
    assert abs(float(found.mean()) - value) < 0.5


@pytest.mark.parametrize("name", NAMES)
def test_a_file_gives_the_same_scores(trained, name):
    payload = as_bytes(trained[name])
    assert as_bytes(trained[name]) == payload
    again = model_of(payload, sha256_of(payload), LAYER_MODULES)
    np.testing.assert_array_equal(scores(again), scores(trained[name]))


def test_a_process_that_never_built_a_model_loads_it(trained, tmp_path):
    path = tmp_path / "model.keras"
    path.write_bytes(as_bytes(trained["tabm"]))
    np.save(tmp_path / "inputs.npy", INPUTS[:9])
    code = """
import sys, pathlib, numpy as np
from lakeshop.training.registry import LAYER_MODULES
from lakeshop.training.registry import model_of, sha256_of
folder = pathlib.Path(sys.argv[1])
payload = (folder / "model.keras").read_bytes()
model = model_of(payload, sha256_of(payload), LAYER_MODULES)
np.save(folder / "scores.npy", model.predict(np.load(folder / "inputs.npy"), verbose=0))
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    expected = scores(trained["tabm"], INPUTS[:9])
    np.testing.assert_allclose(np.load(tmp_path / "scores.npy"), expected, rtol=1e-6)


def test_the_baseline_is_the_plain_one(trained):
    named = [type(layer).__name__ for layer in trained["baseline"].layers]
    assert named == ["InputLayer", "RobustScaling", "Dense", "Dropout", "Dense"]
    _, _, hidden, dropout, output = trained["baseline"].layers
    assert (hidden.units, hidden.activation.__name__) == (64, "relu")
    assert dropout.rate == 0.5
    assert (output.units, output.activation.__name__) == (1, "sigmoid")


def test_members_are_apart_in_training_and_one_mean_in_use(trained):
    model = trained["tabm"]
    heads = model.get_layer("probability")
    body = configured().Model(model.input, heads.input)
    each = heads(body(INPUTS, training=False), training=True).numpy()
    assert each.shape == (len(INPUTS), SMALL["members"])
    assert np.std(each, axis=1).max() > 0.01
    np.testing.assert_allclose(each.mean(axis=1), scores(model)[:, 0], atol=1e-6)


def test_training_begins_with_the_base_rate():
    configured()
    model = fraud.tabm(STATED, **SMALL, base_rate=0.01)
    heads = model.get_layer("probability")
    assert 1 / (1 + np.exp(-heads.bias.numpy())) == pytest.approx(0.01, rel=1e-4)


def loss_by_loop(target, each, weight, gamma):
    total = []
    for y, members in zip(target, each, strict=True):
        right = [p if y else 1 - p for p in members]
        terms = [-np.log(p) * (1 - p) ** gamma * (weight if y else 1.0) for p in right]
        total.append(np.mean(terms))
    return np.mean(total)


@pytest.mark.parametrize(("weight", "gamma"), [(1.0, 0.0), (5.0, 0.0), (1.0, 2.0), (3.0, 1.0)])
def test_the_loss_is_the_mean_of_the_members_losses(weight, gamma):
    configured()
    from lakeshop.ml.layers import MemberCrossentropy

    chance = np.random.default_rng(1)
    target, each = chance.integers(0, 2, 20), chance.uniform(0.05, 0.95, (20, 4))
    loss = MemberCrossentropy(weight, gamma)
    expected = loss_by_loop(target, each, weight, gamma)
    found = loss(target[:, None].astype(np.float32), each.astype(np.float32))
    assert float(found) == pytest.approx(expected, rel=1e-4)
    again = MemberCrossentropy.from_config(loss.get_config())
    assert (again.positive_weight, again.gamma) == (weight, gamma)


def test_the_loss_of_one_member_is_that_of_keras():
    keras = configured()
    from lakeshop.ml.layers import MemberCrossentropy

    chance = np.random.default_rng(1)
    target = chance.integers(0, 2, (50, 1)).astype(np.float32)
    found = chance.uniform(0, 1, (50, 1)).astype(np.float32)
    expected = float(keras.losses.BinaryCrossentropy()(target, found))
    assert float(MemberCrossentropy()(target, found)) == pytest.approx(expected, rel=1e-4)
    certain = MemberCrossentropy(gamma=0.5)(target, 1 - target)
    assert np.isfinite(float(certain))


def test_an_autoencoder_needs_no_labels_and_finds_what_is_rare():
    chance = np.random.default_rng(1)
    size = chance.lognormal(0, 1, (3000, 1))
    values = (size * chance.lognormal(0, 0.1, (3000, 5))).astype(np.float32)
    is_odd = np.arange(3000) < 30
    values[is_odd] = chance.lognormal(0, 1, (30, 5))
    arguments = {"statistics": statistics(values), "bottleneck": 1}
    recipe = ModelSpec(
        "lakeshop.fraud.network:autoencoder", COLUMNS, arguments, "adam", LOSSES["autoencoder"]
    )
    model = compiled_model(recipe)
    before = scores(model, values)[:, 0]
    model.fit(values, np.zeros((3000, 1)), batch_size=64, epochs=15, verbose=0)
    found = scores(model, values)[:, 0]
    assert found[~is_odd].mean() < 0.2 * before[~is_odd].mean()
    assert roc_auc(is_odd, found) > 0.9


def test_missing_values_are_no_error_of_a_reconstruction():
    configured()
    from lakeshop.ml.layers import ReconstructionError

    stated = {name: value for name, value in STATED.items() if name != "edges"}
    layer = ReconstructionError(**stated)
    scaled = np.ones((2, 12), np.float32)
    values = np.array([[1, np.nan, 1, 7, np.nan, 1], [np.nan] * 6], np.float32)
    restored = np.array([[0, 9, 3, 9, 9, 1]] * 2, np.float32)
    found = layer(values, scaled, restored).numpy()
    assert found[:, 0] == pytest.approx([(1 + 4 + 0) / 3, 0.0])


def test_contributions_to_a_networks_score_are_complete(trained):
    keys = [str(i) for i in range(20)]
    usual = np.array(STATED["center"], np.float32)

    def predict(points):
        return trained["tabm"](points, training=False).numpy()

    found = contributions(predict, INPUTS[:20], usual, keys, orders=4)
    whole = log_odds(predict(INPUTS[:20])) - log_odds(predict(usual[None]))
    np.testing.assert_allclose(found.sum(axis=1), whole[:, 0], atol=1e-4)
    np.testing.assert_allclose(found[:, 3:5], 0, atol=1e-4)


PARTS = ("center", "scale", "is_sometimes_missing", "edges")


def column(values, **options):
    found = statistics(np.array(values, dtype=float)[:, None], **options)
    return tuple(found[name][0] for name in PARTS)


def test_centre_and_scale_are_median_and_half_the_distance_of_quartiles():
    values = np.random.default_rng(1).normal(5, 2, (4001, 1))
    found = statistics(values)
    assert found["center"][0] == pytest.approx(np.median(values), abs=1e-2)
    quartiles = np.quantile(values, [0.25, 0.75])
    assert found["scale"][0] == pytest.approx(np.diff(quartiles)[0] / 2, rel=1e-2)


def test_edges_are_quantiles_and_finer_ones_at_the_tails():
    values = np.random.default_rng(1).exponential(1, (20_000, 1))
    edges = statistics(values, bins=4)["edges"][0]
    assert edges == sorted(set(edges))
    assert [edges[0], edges[-1]] == pytest.approx([values.min(), values.max()])
    shares = [np.mean(values <= edge) for edge in edges]
    for level in (0.25, 0.5, 0.75, 0.99, 0.999, 0.9995, 0.001):
        assert min(abs(share - level) for share in shares) < 2e-4


def test_few_distinct_values_are_edges_themselves():
    assert column([0, 0, 0, 1] * 10) == (0.0, pytest.approx(3**0.5 / 4), False, [0.0, 1.0])
    assert column([3, 1, 2, 1, 1, np.nan], bins=4)[3] == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("value", [0.0, -7.5])
def test_a_constant_has_no_scale(value):
    assert column([value] * 5) == (value, 0.0, False, [])
    assert column([value, np.nan, value]) == (value, 0.0, True, [])


@pytest.mark.parametrize("missing", [np.nan, np.inf, -np.inf, 1e300])
def test_a_value_beyond_float32_is_missing(missing):
    assert column([missing] * 3) == (0.0, 0.0, False, [])
    assert column([1.0, missing, 2.0, 3.0]) == (2.0, 0.5, True, [1.0, 2.0, 3.0])


def test_values_equal_in_float32_are_constant():
    assert column([1.0, 1.0 + 1e-12])[1] == 0.0


def test_all_inputs_at_once_and_ready_for_json():
    chance = np.random.default_rng(1)
    values = np.c_[chance.normal(size=50), np.ones(50), np.full(50, np.nan), chance.random(50)]
    found = statistics(values)
    assert json.loads(json.dumps(found)) == found
    assert checked(found) == 4
    for place in range(4):
        alone = statistics(values[:, place : place + 1])
        assert [found[name][place] for name in PARTS] == [alone[name][0] for name in PARTS]


def test_the_order_of_rows_does_not_count():
    values = np.random.default_rng(1).normal(size=(500, 3))
    assert statistics(values) == statistics(values[::-1])


@pytest.mark.parametrize("values", [np.empty((0, 3)), np.ones(3)])
def test_without_rows_there_are_no_statistics(values):
    with pytest.raises(ValueError, match="should be a matrix with rows"):
        statistics(values)


@pytest.mark.parametrize(
    "stated",
    [
        {},
        {"center": [0.0]},
        {**statistics(np.ones((2, 2))), "scale": [1.0]},
        {name: [] for name in PARTS},
    ],
)
def test_incomplete_statistics_are_an_error(stated):
    with pytest.raises(ValueError, match="should have center, scale"):
        checked(stated)
