"""Models as bytes: the same again, refused when altered, and who becomes champion."""

import io
import json
import pickle
import zipfile
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from toy_trainings import TOY

from lakeshop.errors import ModelError
from lakeshop.training.backend import compiled_model, configured
from lakeshop.training.registry import as_bytes, champion, is_promoted, model_of, sha256_of, verify
from lakeshop.training.specification import FeatureSpec

INPUTS = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)


def test_the_same_weights_are_the_same_bytes_and_come_back():
    model = compiled_model(TOY)
    payload = as_bytes(model)
    assert as_bytes(compiled_model(TOY)) == payload
    assert as_bytes(compiled_model(replace(TOY, seed=1))) != payload
    loaded = model_of(payload, sha256_of(payload))
    np.testing.assert_array_equal(loaded(INPUTS), model(INPUTS))
    with zipfile.ZipFile(io.BytesIO(payload)) as archive:
        assert {info.date_time[0] for info in archive.infolist()} == {1980}
        assert "date_saved" not in json.loads(archive.read("metadata.json"))


def test_any_altered_byte_is_refused():
    payload = as_bytes(compiled_model(TOY))
    digest = sha256_of(payload)
    for place in (0, len(payload) // 2, len(payload) - 1):
        altered = bytearray(payload)
        altered[place] ^= 1
        with pytest.raises(ModelError, match=r"SHA-256 under which it was registered.*altered"):
            model_of(bytes(altered), digest)


def test_code_in_a_file_is_refused_and_so_is_what_is_no_model():
    keras = configured()
    given = keras.Input((4,))
    model = keras.Model(given, keras.layers.Lambda(lambda x: x * 2)(given))
    payload = as_bytes(model)
    with pytest.raises(ModelError, match="Received Python code") as refused:
        verify(payload, sha256_of(payload))
    assert refused.value.exit_code == 2
    pickled = pickle.dumps(np.ones(3))
    for other in (b"nothing", pickled, payload[:-30], b"PK\x05\x06" + bytes(18)):
        with pytest.raises(ModelError, match="should be one that Keras saved"):
            model_of(other, sha256_of(other))


def test_layers_of_ones_own_come_from_named_modules():
    columns = FeatureSpec({"x": ("a", "b", "c", "d")}, ("y",))
    spec = replace(TOY, builder="toy_networks:doubled", arguments={"inputs": 4}, columns=columns)
    payload = as_bytes(compiled_model(spec))
    loaded = model_of(payload, sha256_of(payload), ["toy_networks"])
    assert type(loaded).__name__ == "Doubled"


def test_the_champion_is_the_newest_that_was_promoted_and_refused_when_altered(spark):
    payload, pickled = as_bytes(compiled_model(TOY)), pickle.dumps(np.ones(3))
    good, days = sha256_of(payload), [date(2026, 3, day) for day in (1, 8, 15, 22)]
    rows = [
        (days[0], "fraud", True, "a", payload, good),
        (days[1], "fraud", True, "b", payload, good),
        (days[2], "fraud", False, "c", payload, good),
        (days[3], "stock", True, "d", payload + b"x", good),
        (days[3], "demand", True, "e", pickled, sha256_of(pickled)),
    ]
    kinds = (
        "business_date DATE, name STRING, is_champion BOOLEAN, method STRING, model BINARY, "
        "sha256 STRING"
    )
    models = spark.createDataFrame(rows, kinds)
    assert champion(models, "fraud")["method"] == "b"
    assert champion(models.where(models.business_date < days[1]), "fraud")["method"] == "a"
    assert champion(models, "unheard of") is None
    for name, why in [("stock", "altered"), ("demand", "should be one that Keras saved")]:
        with pytest.raises(ModelError, match=f"champion of {name}, of 2026-03-22: .*{why}"):
            champion(models, name)


@pytest.mark.parametrize(
    ("candidate", "present", "higher", "tolerance", "expected"),
    [
        (0.5, None, True, 0.0, True),
        (None, None, True, 0.0, True),
        (0.5, float("nan"), True, 0.0, True),
        (None, 0.5, True, 0.0, False),
        (float("nan"), 0.5, False, 0.0, False),
        (0.5, 0.5, True, 0.0, True),
        (0.49, 0.5, True, 0.0, False),
        (0.49, 0.5, True, 0.02, True),
        (0.49, 0.5, False, 0.0, True),
        (0.51, 0.5, False, 0.0, False),
    ],
)
def test_a_model_that_is_not_worse_is_promoted(candidate, present, higher, tolerance, expected):
    found = is_promoted(candidate, present, higher_is_better=higher, tolerance=tolerance)
    assert found is expected
