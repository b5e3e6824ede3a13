"""LiteRT files of the product's networks against Keras, on usual and on odd rows."""

import sys
from dataclasses import replace
from datetime import date

import keras
import numpy as np
import pandas as pd
import pytest
from toy_trainings import labelled

from lakeshop.engine.context import BuildContext
from lakeshop.errors import ModelError
from lakeshop.fraud import network as fraud
from lakeshop.ml import layers
from lakeshop.ml.calibration import calibrated, percentiles
from lakeshop.training import inference
from lakeshop.training.inference import Network, exported, loaded, predictions, with_export
from lakeshop.training.registry import as_bytes, model_of, sha256_of
from lakeshop.training.scoring import score
from lakeshop.training.specification import FeatureSpec

draw = np.random.default_rng(7)
INPUTS = draw.normal(0, 3, (3000, 9)) ** 3
INPUTS[draw.random(INPUTS.shape) < 0.1] = np.nan
INPUTS[:, 4] = 2.0
TARGET = (np.nan_to_num(INPUTS[:, 0]) > 0).astype(float)
STATED = fraud.statistics(INPUTS)
LINES = INPUTS.astype(np.float32)
FEATURES = FeatureSpec({"features": tuple(f"x{n}" for n in range(9))}, ())
ODD = (np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-38, 0.0)
TOYS = FeatureSpec({"features": ("a", "b", "c", "d")}, ())


def odd_lines():
    lines = LINES[: 9 * len(ODD)].copy()
    for n, line in enumerate(lines):
        line[n // len(ODD)] = ODD[n % len(ODD)]
    return np.concatenate([lines, [np.full(9, value, np.float32) for value in ODD]])


def filed(model):
    payload = as_bytes(model)
    return Network(payload, sha256_of(payload))


def with_litert(network, columns, records, **options):
    litert = exported(network, columns, records, **options)
    return replace(network, litert=litert, litert_sha256=sha256_of(litert))


def fitted(model, loss):
    """Trained: calibration of first weights, whose scores are all alike, would blow up rounding."""
    keras.utils.set_random_seed(1)
    model.compile("adam", loss)
    model.fit(LINES, TARGET[:, None], batch_size=200, epochs=4, verbose=0)
    return model


def calibrated_tabm():
    model = fitted(fraud.tabm(STATED), layers.MemberCrossentropy())
    return calibrated(model, np.asarray(model(LINES))[:, 0].astype(float), TARGET).model


def autoencoder_percentiles():
    model = fitted(fraud.autoencoder(STATED), layers.OutputLoss())
    return percentiles(model, np.asarray(model(LINES))[:, 0].astype(float))


@pytest.mark.parametrize(
    "build", [calibrated_tabm, autoencoder_percentiles, lambda: fraud.baseline(STATED)]
)
def test_networks_of_fraud_give_what_keras_gives_whatever_a_line_holds(build):
    network = filed(build())
    model = model_of(network.payload, network.sha256)
    # Steeper than a calibration on a shop's lines, and so further apart.
    light = with_litert(network, FEATURES, LINES[:200], tolerance=1e-5)
    for lines in (LINES, odd_lines()):
        right = predictions(model, FEATURES, lines, 1)
        found = predictions(loaded(light), FEATURES, lines, 1)
        assert np.isfinite(right).all()
        np.testing.assert_allclose(found, right, atol=1e-5, rtol=0)
    alone = [predictions(loaded(light), FEATURES, line[None], 1)[0] for line in LINES[:5]]
    np.testing.assert_array_equal(alone, predictions(loaded(light), FEATURES, LINES, 1)[:5])


def test_the_same_network_gives_the_same_bytes():
    network = filed(fraud.baseline(STATED))
    first = exported(network, FEATURES, LINES[:10])
    assert exported(network, FEATURES, LINES[:10]) == first
    assert loaded(with_litert(network, FEATURES, LINES[:10])) is not None


def test_workers_score_without_tensorflow(spark):
    values = labelled(300)
    records = values[list("abcd")].to_numpy(np.float32)
    # It bounds its inputs: LiteRT's sigmoid of 1e30 is 1, on processors with AVX-512 it is NaN.
    network = filed(fraud.baseline(fraud.statistics(records.astype(float))))
    light = with_litert(network, TOYS, records)
    rows = spark.createDataFrame(values)
    found, right = (
        score(rows, way, TOYS, "s", modules=inference.LAYER_MODULES).orderBy("id").toPandas()["s"]
        for way in (light, network)
    )
    np.testing.assert_allclose(found, right, atol=1e-6, rtol=0)
    assert _imports(light) == (False, True)


def _imports(network):
    """Whether a fresh process that scores imports TensorFlow, and whether it scores."""
    import pickle
    import subprocess

    code = (
        "import pickle, sys; import numpy as np\n"
        "from lakeshop.training.inference import loaded\n"
        "network = pickle.loads(sys.stdin.buffer.read())\n"
        "found = loaded(network)(np.zeros((3, 4), np.float32))\n"
        "print('tensorflow' in sys.modules, found.shape == (3, 1))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(network), capture_output=True, check=True
    )
    assert not ran.stderr, ran.stderr.decode()
    return tuple(word == "True" for word in ran.stdout.decode().split())


def test_an_altered_litert_file_is_refused():
    light = with_litert(filed(fraud.baseline(STATED)), FEATURES, LINES[:10])
    with pytest.raises(ModelError, match="LiteRT file should have the SHA-256"):
        replace(light, litert=light.litert + b" ")
    row = {"model": light.payload, "sha256": light.sha256, "litert": light.litert}
    assert Network.of({**row, "litert_sha256": light.litert_sha256}) == light
    with pytest.raises(ModelError, match="it was altered"):
        Network.of({**row, "litert_sha256": "0"})
    assert Network.of({**row, "litert": None, "litert_sha256": None}).litert is None


def test_a_file_that_gives_other_numbers_is_refused(monkeypatch):
    network, other = filed(fraud.baseline(STATED)), filed(fraud.baseline(STATED))
    wrong = exported(other, FEATURES, LINES[:10])
    monkeypatch.setattr(inference, "_converted", lambda model: wrong)
    with pytest.raises(ModelError, match="LiteRT should give what Keras gives"):
        exported(network, FEATURES, LINES[:200])


def test_without_a_litert_file_tensorflow_scores_and_a_warning_says_so(monkeypatch, settings):
    def refuse(model):
        message = "Received another: tf.Odd"
        raise ModelError(message)

    monkeypatch.setattr(inference, "_converted", refuse)
    payload = as_bytes(fraud.baseline(STATED))
    row = {"name": "n", "method": "m", "model": payload, "sha256": sha256_of(payload)}
    night = BuildContext(date(2026, 3, 1), settings)
    assert with_export(row, FEATURES, LINES[:10], night) == row
    assert night.warnings == ["n m is scored by TensorFlow, slowly: Received another: tf.Odd"]


def test_a_network_of_operations_that_litert_lacks_is_refused():
    given = keras.Input((3,))
    model = keras.Model(given, keras.ops.arcsinh(given))
    columns = FeatureSpec({"x": ("a", "b", "c")}, ())
    with pytest.raises(ModelError, match="should consist of operations of LiteRT"):
        exported(filed(model), columns, pd.DataFrame(np.ones((2, 3))).to_numpy(np.float32))
