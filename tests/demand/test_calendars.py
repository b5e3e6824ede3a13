"""Calendar features: known holidays, and every feature worked by hand."""

from datetime import date, timedelta

import numpy as np
import pytest

from conftest import HOME
from lakeshop.demand.calendar import NAMES, calendar_features
from lakeshop.errors import ConfigError
from lakeshop.pipeline import read_settings


def feature(name, first, last, country=None, paydays=()):
    """One feature of each day."""
    return calendar_features(first, last, country, paydays)[:, NAMES.index(name)].tolist()


@pytest.mark.parametrize(
    ("country", "day"),
    [
        ("US", date(2017, 11, 23)),  # Thanksgiving, the fourth Thursday of November
        ("DE", date(2026, 10, 3)),  # German Unity
        ("DE", date(2026, 4, 6)),  # Easter Monday: Easter is 2026-04-05
    ],
)
def test_a_holiday_its_eve_and_the_day_after(country, day):
    first, last = day - timedelta(days=8), day + timedelta(days=1)
    assert feature("is_holiday", day, day, country) == [1]
    assert feature("is_holiday", day, day, None) == [0]
    assert feature("is_eve", day - timedelta(days=1), day - timedelta(days=1), country) == [1]
    assert feature("is_after", last, last, country) == [1]
    nearness = feature("holiday_nearness", first, last, country)
    assert nearness[-2] == 1
    if country == "US":  # no other holiday is near
        assert nearness == pytest.approx([0, 0, 1 / 7, 2 / 7, 3 / 7, 4 / 7, 5 / 7, 6 / 7, 1, 0])
        assert sum(feature("is_eve", first, last, country)) == 1


def test_a_holiday_of_one_region_is_none_of_the_country():
    assert feature("is_holiday", date(2026, 8, 15), date(2026, 8, 15), "DE") == [0]  # Bavaria's


def test_paydays():
    first = date(2026, 2, 13)
    is_payday = feature("is_payday", first, date(2026, 3, 1), None, (15, 30))
    since = feature("since_payday", first, date(2026, 3, 1), None, (15, 30))
    # February has no 30th: its last day stands for it.
    expected = [0, 0, 1, *[0] * 12, 1, 0]
    assert is_payday == expected
    ago = [14, 15, *range(13), 0, 1]  # 2026-01-30 was the payday before
    assert np.allclose(np.array(since) * 31, ago)


def test_without_paydays_no_day_is_near_one():
    assert feature("since_payday", date(2026, 1, 1), date(2026, 1, 2)) == [1, 1]
    assert feature("is_payday", date(2026, 1, 1), date(2026, 1, 2)) == [0, 0]


def test_place_in_month_and_year():
    days = calendar_features(date(2026, 1, 1), date(2026, 12, 31), None, ())
    assert days.shape == (365, len(NAMES))
    assert days[30, NAMES.index("day_of_month")] == 1
    circle = days[:, [NAMES.index("year_sine"), NAMES.index("year_cosine")]]
    assert np.allclose((circle**2).sum(axis=1), 1)
    steps = np.linalg.norm(np.diff(circle, axis=0), axis=1)
    assert np.allclose(steps, steps[0])
    assert np.linalg.norm(circle[0] - circle[-1]) < 1.5 * steps[0], "the year is a circle"


def test_a_day_is_the_same_in_any_range():
    whole = calendar_features(date(2025, 11, 1), date(2026, 1, 31), "DE", (31,))
    for number, row in enumerate(whole):
        day = date(2025, 11, 1) + timedelta(days=number)
        assert np.array_equal(calendar_features(day, day, "DE", (31,))[0], row)


def test_an_unknown_country_is_refused_when_the_configuration_is_read(tmp_path):
    for path in sorted((HOME / "conf").rglob("*.yaml")):
        copy = tmp_path / path.relative_to(HOME / "conf")
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(path.read_text().replace("country: US", "country: XX"))
    with pytest.raises(ConfigError, match=r"demand\.country.*public holidays.*Received 'XX'"):
        read_settings(tmp_path, env="local", shop="complete_journey")
