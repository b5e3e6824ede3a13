"""The demand network: what it reads, its layers and its likelihood, and its file."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from scipy import special, stats

from lakeshop.demand.forecasting.panel import Panel
from lakeshop.demand.inputs import (
    BUCKETS,
    PAST_DAYS,
    STATIC,
    bucket,
    columns,
    inputs_of,
    targets_of,
)
from lakeshop.training.backend import compiled_model, configured
from lakeshop.training.registry import as_bytes, model_of, sha256_of
from lakeshop.training.specification import FeatureSpec, ModelSpec

DAY = date(2026, 3, 7)  # a Saturday
HORIZON = 5
CALENDAR = ("is_holiday", "is_payday")
NAMES, TARGET = columns(HORIZON, CALENDAR)
WIDTHS = {part: len(names) for part, names in NAMES.items()}
PLACES = {name: i for i, name in enumerate(c for names in NAMES.values() for c in names)}
AHEAD = np.arange(2.0 * HORIZON).reshape(HORIZON, 2)


def draw(seed=0, n=12, days=150):
    """Series of all kinds: never sold, never priced, new, sold out, promoted."""
    chance = np.random.default_rng(seed)
    units = chance.poisson(np.exp(chance.uniform(-3, 3, (n, 1))), (n, days)).astype(float)
    exposure = np.where(chance.random((n, days)) < 0.9, 1.0, chance.random((n, days)))
    exposure[2, :-3] = 0
    exposure[3] = 0
    units[0] = 0
    price = np.round(chance.uniform(1, 9, (n, days)), 2)
    price[1] = np.nan
    price[4, -20:] = np.nan
    stores = chance.integers(0, 40, (2, n, days + HORIZON)) * (chance.random((2, n, 1)) < 0.5)
    return Panel(
        day=DAY,
        units=units * (exposure > 0),
        exposure=exposure,
        price=price,
        display=stores[0].astype(float),
        mailer=stores[1].astype(float),
        announced=np.full((n, days + HORIZON), 28.0),
    )


def groups(n):
    return np.tile([3.0, 5.0], (n, 1))


def inputs(panel):
    return inputs_of(panel, groups(len(panel)), AHEAD)


def split(records):
    """Records by input, as the model takes them."""
    ends = np.cumsum(list(WIDTHS.values()))
    return dict(zip(WIDTHS, np.split(records, ends[:-1], axis=1), strict=True))


def test_every_column_has_a_name_of_its_own():
    named = [name for part in NAMES.values() for name in part] + list(TARGET)
    assert len(set(named)) == len(named)
    assert FeatureSpec(NAMES, TARGET).stored == tuple(named)
    assert inputs(draw()).shape == (12, len(PLACES))
    assert len(TARGET) == 2 * HORIZON


def test_names_are_hashed_to_places_and_unknown_ones_to_the_first():
    found = {bucket(name) for name in map(str, range(5000))}
    assert min(found) == 1
    assert max(found) == BUCKETS - 1
    assert bucket(None) == bucket("") == 0


@pytest.mark.parametrize("days", [150, 30, 1])
def test_inputs_are_finite_whatever_is_known(days):
    whole = draw()
    panel = whole.until(0)
    cut = {name: getattr(panel, name)[:, -days:] for name in ("units", "exposure", "price")}
    ahead = {
        name: getattr(panel, name)[:, -days - HORIZON :]
        for name in ("display", "mailer", "announced")
    }
    assert np.isfinite(inputs(Panel(DAY, **cut, **ahead))).all()


def test_inputs_by_hand():
    # 56 days of 2 units on a display of 3 stores; 4 on the last, a Saturday, of half exposure.
    units = np.full((1, 56), 2.0)
    units[0, -1] = 4
    exposure = np.ones((1, 56))
    exposure[0, -1] = 0.5
    price = np.full((1, 56), 3.0)
    price[0, -1] = 6
    promoted, shown = np.zeros((1, 56 + HORIZON)), np.full((1, 56 + HORIZON), 3.0)
    panel = Panel(DAY, units, exposure, price, shown, promoted, np.full((1, 56 + HORIZON), 9.0))
    found = inputs(panel)[0]
    scale = (55 * 2 + 4 + 7 * 0.02) / (55.5 + 7)
    week = (6 * 2 + 4 + 7 * 0.02) / (6.5 + 7)
    displayed = (55 * 2 + 4 + 3 * scale) / (55.5 + 3) / scale
    mean_price = (55 * 3 + 6) / 56
    expected = {
        "scale": scale,
        "log_scale": np.log(scale),
        "units_before_1": np.log1p(8 / scale),
        "units_before_2": np.log1p(2 / scale),
        "exposure_before_1": 0.5,
        "display_before_56": np.log(4) / 5,
        "mailer_before_1": 0,
        "rate_7": np.log(week / scale),
        "rate_displayed": np.log(displayed),
        "rate_not_displayed": 0,
        "age": 56 / 364,
        "share_of_days_sold": 56 / 55.5,
        "price_change": np.log(6 / mean_price),
        "log_price": np.log(mean_price) / 3,
        "tomorrow_is_6": 1,  # a Sunday
        "tomorrow_is_0": 0,
        "department": 3,
        "category": 5,
        "display_on_5": np.log(4) / 5,
        "is_payday_on_2": AHEAD[1, 1],
        "is_holiday_on_5": AHEAD[4, 0],
        # Seven Saturdays of 2 and one of 4 in half a day; Sundays are as ever.
        "same_weekday_on_1": np.log((16 + 8 * scale) / 16 / scale),
    }
    assert {name: found[PLACES[name]] for name in expected} == pytest.approx(expected, rel=1e-5)


def test_of_much_sold_series_the_past_does_not_depend_on_the_unit():
    """The prior of a slow seller is the only thing that has a scale of its own."""
    panel = draw(1)
    many = replace(panel, units=panel.units * 1e5)
    more = replace(panel, units=panel.units * 1e6)
    sold = panel.units.sum(axis=1) > 20
    first, second = (split(inputs(p)[sold]) for p in (many, more))
    for part in ("past", "future", "weekday", "group"):
        np.testing.assert_allclose(first[part], second[part], rtol=1e-3, atol=1e-3)
    changed = np.abs(first["static"] - second["static"]).max(axis=0) > 1e-3
    assert [name for name, is_so in zip(STATIC, changed, strict=True) if is_so] == ["log_scale"]
    np.testing.assert_allclose(second["scale"], 10 * first["scale"], rtol=1e-4)


def test_a_series_inputs_do_not_depend_on_its_neighbours():
    panel = draw(2)
    together = inputs(panel)
    for n in range(len(panel)):
        np.testing.assert_array_equal(inputs(panel.take([n])), together[[n]])


def test_targets_are_what_came_after():
    panel = draw(3)
    found = targets_of(panel, 7, HORIZON)
    for name, half in (("units", found[:, :HORIZON]), ("exposure", found[:, HORIZON:])):
        expected = getattr(panel, name)[:, 143:148].astype(np.float32)
        np.testing.assert_array_equal(half, expected)
    late = targets_of(panel, 2, HORIZON)
    assert (late[:, 2:HORIZON] == 0).all()
    assert (late[:, HORIZON + 2 :] == 0).all(), "what is not known yet is not exposed"


@pytest.fixture(scope="module")
def network():
    """A tiny one, compiled as the trainer compiles it."""
    small = {"width": 8, "context": 4, "embedding": 2, "decoder": [8, 4], "dropout": 0.2}
    spec = ModelSpec(
        "lakeshop.demand.network:tide",
        FeatureSpec(NAMES, TARGET),
        {**small, "statistics": {**WIDTHS, "horizon": HORIZON}},
        "adam",
        {"class_name": "lakeshop>NegativeBinomial", "config": {}},
    )
    return compiled_model(spec)


def test_the_loss_is_that_of_scipy():
    configured()
    from lakeshop.ml.likelihoods import NegativeBinomial

    chance = np.random.default_rng(0)
    units = chance.poisson(4, (20, HORIZON)).astype(float)
    exposure = chance.choice([0.0, 0.5, 1.0], (20, HORIZON))
    mean, dispersion = chance.uniform(0.1, 9, (2, 20, HORIZON))
    loss = NegativeBinomial().call(
        np.hstack([units, exposure]), np.float32(np.hstack([mean, dispersion]))
    )
    size = 1 / dispersion
    log_chance = stats.nbinom.logpmf(units, size, size / (size + mean * np.maximum(exposure, 0.05)))
    days = np.where(exposure > 0, -log_chance - special.gammaln(units + 1), 0.0)
    np.testing.assert_allclose(loss.numpy(), days.mean(axis=1), rtol=1e-4, atol=1e-5)
    other = NegativeBinomial().call(
        np.hstack([np.where(exposure > 0, units, 99), exposure]),
        np.float32(np.hstack([np.where(exposure > 0, mean, 7), dispersion])),
    )
    np.testing.assert_array_equal(other.numpy(), loss.numpy())


def test_days_ahead_against_a_loop():
    configured()
    from lakeshop.ml.likelihoods import DaysAhead

    found = DaysAhead(9)(np.eye(7, dtype=np.float32)).numpy()
    for tomorrow in range(7):
        for n in range(9):
            expected = np.zeros(8)
            expected[(tomorrow + n) % 7] = 1
            expected[7] = n / 9
            assert found[tomorrow, n] == pytest.approx(expected)


def test_means_and_dispersions_are_above_zero_and_go_with_the_scale(network):
    records = inputs(draw(4))
    parts = split(records)
    found = network(parts).numpy()
    assert found.shape == (12, 2 * HORIZON)
    assert (found > 0).all()
    ten = network({**parts, "scale": 10 * parts["scale"]}).numpy()
    means = found[:, :HORIZON] - 1e-4
    np.testing.assert_allclose(ten[:, :HORIZON] - 1e-4, 10 * means, rtol=1e-3)
    np.testing.assert_array_equal(ten[:, HORIZON:], found[:, HORIZON:])
    # Before it has learned anything it says about the recent rate.
    np.testing.assert_allclose(means, np.tile(parts["scale"], HORIZON), rtol=0.3)


def test_it_learns_and_its_file_predicts_the_same(network):
    panel = draw(5, n=60)
    records = inputs(panel.until(HORIZON))
    target = targets_of(panel, HORIZON, HORIZON)
    parts = split(records)
    # A rate three times as high as before.
    target[:, :HORIZON] *= 3
    before = network.evaluate(parts, target, verbose=0)
    network.fit(parts, target, epochs=8, batch_size=20, verbose=0)
    assert network.evaluate(parts, target, verbose=0) < before - 0.05
    payload = as_bytes(network)
    again = model_of(payload, sha256_of(payload), ("lakeshop.ml.layers",))
    np.testing.assert_array_equal(again(parts).numpy(), network(parts).numpy())


def test_it_reads_the_plan_of_its_own_day_alone(network):
    parts = split(inputs(draw(6)))
    found = network(parts).numpy()
    width = WIDTHS["future"] // HORIZON
    future = parts["future"].copy()
    future[:, 2 * width : 3 * width] += 5
    other = network({**parts, "future": future}).numpy()
    is_changed = (other != found).any(axis=0)
    assert set(np.flatnonzero(is_changed)) == {2, HORIZON + 2}


def test_past_and_future_days_stand_where_their_names_say():
    panel = draw(7)
    changed = panel.mailer.copy()
    changed[:, panel.days + 1] += 1
    changed[:, panel.days - 10] += 1
    other = inputs(replace(panel, mailer=changed)) != inputs(panel)
    names = {name for name, place in PLACES.items() if other[:, place].any()}
    static = {name for name in names if name in STATIC}
    assert names - static == {"mailer_on_2", "mailer_before_10"}
    assert PAST_DAYS >= 10
    moved = replace(panel, day=DAY + timedelta(days=1))
    tomorrow = [PLACES["tomorrow_is_6"], PLACES["tomorrow_is_0"]]
    assert inputs(moved)[0, tomorrow].tolist() == [0, 1]
