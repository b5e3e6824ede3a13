"""The job on a small competition in the layout of VN2's files, and on a long history."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from conftest import HOME
from lakeshop.errors import ConfigError, InputError
from lakeshop.inventory.replay.comparison import as_table, compare
from lakeshop.inventory.replay.files import read_input
from lakeshop.inventory.replay.settings import read_replay

VN2 = HOME / "conf" / "replays" / "vn2.yaml"
SERIES, WEEKS, SCORED = 25, 157, 8


def _days(first: int, last: int) -> list[str]:
    starts = np.datetime64("2021-04-12") + np.arange(first, last) * np.timedelta64(7, "D")
    return [str(day) for day in starts]


@pytest.fixture(scope="module")
def competition(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """157 weeks until 2024-04-08, then one file a week, each with all weeks up to it."""
    folder, random = tmp_path_factory.mktemp("vn2"), np.random.default_rng(1)
    keys = pd.DataFrame({"Store": np.arange(SERIES) % 4, "Product": 100 + np.arange(SERIES)})
    mean = random.gamma(1.0, 3.0, (SERIES, 1)) * np.ones(WEEKS + SCORED)
    units = random.poisson(mean * random.gamma(3, 1 / 3, mean.shape))
    in_stock = random.random((SERIES, WEEKS)) > 0.1
    units[:, :WEEKS] *= in_stock
    for week in range(SCORED + 1):
        columns = _days(0, WEEKS + week)
        table = pd.DataFrame(units[:, : WEEKS + week], columns=columns)
        name = f"Week {week} - {columns[-1]} - Sales.csv"
        pd.concat([keys, table], axis=1).to_csv(folder / name, index=False)
    stock = pd.DataFrame(in_stock, columns=_days(0, WEEKS))
    pd.concat([keys, stock], axis=1).to_csv(folder / "Week 0 - In Stock.csv", index=False)
    state = keys.assign(
        **{
            "Start Inventory": 9,
            "End Inventory": random.integers(0, 9, SERIES),
            "In Transit W+1": random.integers(0, 4, SERIES),
            "In Transit W+2": random.integers(0, 4, SERIES),
        }
    )
    # Rows in another order: they are found by name.
    state.iloc[::-1].to_csv(folder / "Week 0 - 2024-04-08 - Initial State.csv", index=False)
    return folder


def by_the_rules(folder: Path) -> list[float]:
    """The benchmark's cost of each week, series by series and rule by rule."""
    read = {path.name: pd.read_csv(path) for path in folder.glob("*.csv")}
    index = ["Store", "Product"]
    sales = {w: read[f"Week {w} - {_days(0, WEEKS + w)[-1]} - Sales.csv"] for w in range(9)}
    sales = {week: table.set_index(index) for week, table in sales.items()}
    in_stock = read["Week 0 - In Stock.csv"].set_index(index)
    state = read["Week 0 - 2024-04-08 - Initial State.csv"].set_index(index)
    state = state.loc[sales[0].index]
    held = state["End Inventory"].astype(float)
    arriving = {1: state["In Transit W+1"], 2: state["In Transit W+2"]}
    costs = []
    for week in range(1, 9):
        if week <= 6:
            known = sales[week - 1].astype(float)
            known = known.where(in_stock.reindex(columns=known.columns, fill_value=True))
            number = pd.to_datetime(known.columns).isocalendar().week.to_numpy()
            season = known.mean().groupby(number).mean()
            season /= season.mean()
            base = (known / season.loc[number].to_numpy()).iloc[:, -13:].mean(axis=1)
            days = pd.date_range(known.columns[-1], periods=5, freq="W-MON")[1:]
            target = base * season.loc[days.isocalendar().week].sum()
            position = held + arriving[week] + arriving[week + 1]
            arriving[week + 2] = (target - position).clip(lower=0).round(0)
        held = held + arriving[week]
        demand = sales[week].iloc[:, -1]
        missing = (demand - held).clip(lower=0)
        held = (held - demand).clip(lower=0)
        costs.append(0.2 * held.sum() + missing.sum())
    return costs


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(HOME / "jobs" / "replay.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _written(folder: Path, **changes: object) -> Path:
    document = yaml.safe_load(VN2.read_text()) | changes
    path = folder / "replay.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def test_the_benchmark_costs_what_the_rules_say(competition: Path, tmp_path: Path) -> None:
    few = {
        "benchmark": {"kind": "seasonal_mean", "cover": [4], "window": [13]},
        "fixed": {"kind": "fixed_rule", "cover": [2, 3], "window": [13]},
        "ours": {"kind": "predictive", "level": [0.75, 0.83], "half_lives": [[26]]},
    }
    windows = {"windows": 2, "scored": 6, "stride": 6, "warm_up": 4}
    equal = {"ours": "ours", "against": "fixed", "levels": [0.3, 0.95], "covers": [1, 6]}
    config = _written(tmp_path, policies=few, tuning=windows, equal_service=equal)
    output = tmp_path / "found.json"
    done = run("--config", config, "--data", competition, "--output", output)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(output.read_text())
    lines = {line["policy"]: line for line in found["policies"]}
    costs = by_the_rules(competition)
    assert lines["benchmark"]["cost_by_period"] == pytest.approx(costs)
    assert lines["benchmark"]["parts"]["weeks 3-8"] == pytest.approx(sum(costs[2:]))
    # What is in transit when the replay begins serves weeks 1 and 2, whatever is ordered.
    assert {round(line["parts"]["weeks 1-2"], 6) for line in lines.values()} == {
        round(sum(costs[:2]), 6)
    }
    assert lines["ours"]["parameters"].startswith("level 0.")
    assert found["at_equal_service"]["fill_rate"] == lines["fixed"]["fill_rate"]
    assert done.stdout.startswith("VN2: 25 series, 8 scored periods\npolicy ")
    assert f"{lines['ours']['cost']:,.1f}" in done.stdout
    assert "where both serve" in done.stdout


def test_one_week_of_lead_more_or_less_costs_something_else(competition: Path) -> None:
    one = {"benchmark": {"kind": "seasonal_mean", "cover": [4], "window": [13]}}
    settings = read_replay(VN2).model_copy(update={"equal_service": None, "tuning": None})
    settings = settings.model_validate(settings.model_dump() | {"policies": one})
    found = read_input(settings, competition)
    costs = by_the_rules(competition)
    for lead in (2, 3):
        changed = settings.model_copy(update={"lead_periods": lead})
        lines, _ = compare(changed, found)
        assert (lines[0].cost == pytest.approx(sum(costs))) == (lead == 2)


def test_shipped_replays_can_be_read() -> None:
    names = [read_replay(path).name for path in sorted((HOME / "conf" / "replays").glob("*.yaml"))]
    assert names == ["Simulated shop", "VN2"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"lead_perods": 3}, "lead_perods: Extra inputs are not permitted"),
        ({"lead_periods": -1}, "lead_periods: Input should be greater than or equal to 0"),
        ({"tuning": None}, "tuning should say by which windows parameters of"),
        ({"policies": {"x": {"kind": "magic"}}}, "does not match any of the expected tags"),
        (
            {"equal_service": {"ours": "x", "against": "y", "levels": [0, 1], "covers": [1, 2]}},
            "equal_service should name a predictive policy",
        ),
    ],
)
def test_a_wrong_configuration_is_told(
    tmp_path: Path, changes: dict[str, object], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        read_replay(_written(tmp_path, **changes))


def test_exit_codes_are_those_of_every_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ended(*arguments: object) -> tuple[int, str]:
        job = str(HOME / "jobs" / "replay.py")
        monkeypatch.setattr(sys, "argv", [job, *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(job, run_name="__main__")
        return int(str(end.value.code)), capsys.readouterr().err

    code, told = ended("--config", tmp_path / "none.yaml")
    assert code == 2
    assert "none.yaml should exist. Found there: nothing." in told
    code, told = ended("--config", VN2, "--data", tmp_path)
    assert code == 1
    assert "Sales.csv should exist. Found no such file" in told
    assert ended("--data", tmp_path)[0] == 2


def _long(folder: Path, suffix: str) -> pd.DataFrame:
    rows = pd.DataFrame(
        [
            ("a", "2026-01-01", 5, True),
            ("a", "2026-01-02", 1, True),
            ("a", "2026-01-05", 2, False),
            ("a", "2026-01-08", 3, True),
            ("b", "2026-01-03", 7, True),
            ("b", "2026-01-08", 4, True),
            ("c", "2026-01-08", 9, True),
            ("d", "2026-01-01", 9, True),
        ],
        columns=["sku", "day", "demanded", "was_there"],
    )
    (folder / "demand").mkdir()
    if suffix == "parquet":
        rows.to_parquet(folder / "demand" / "part.parquet")
    else:
        rows.to_csv(folder / "demand" / "part.csv", index=False)
    return rows


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_long_files_by_day(tmp_path: Path, suffix: str) -> None:
    _long(tmp_path, suffix)
    demand = {
        "layout": "long",
        "files": [f"demand/*.{suffix}"],
        "day": "day",
        "units": "demanded",
        "in_stock": "was_there",
    }
    data = {"folder": "x", "series": ["sku"], "demand": demand, "start_cover": 2}
    one = {"rule": {"kind": "fixed_rule", "cover": [1], "window": [2]}}
    base = {"data": data, "policies": one, "tuning": None, "equal_service": None, "parts": {}}
    changes = base | {"lead_periods": 1, "orders": None, "first_scored": "2026-01-07"}
    changes["last_scored"] = None
    config = _written(tmp_path, **changes, period_days=1)
    found = read_input(read_replay(config), tmp_path)
    # c was not on sale before, d no longer.
    assert found.series == ["a", "b"]
    assert found.first == 6
    assert found.history.units.tolist() == [[5, 1, 0, 0, 2, 0, 0, 3], [0, 0, 7, 0, 0, 0, 0, 4]]
    assert found.history.exposure.tolist() == [
        [1, 1, 1, 1, 0, 1, 1, 1],
        [0, 0, 1, 1, 1, 1, 1, 1],
    ]
    lines, _ = compare(read_replay(config), found)
    assert as_table(lines).splitlines()[1].startswith("rule ")

    # Periods of two days, counted from the first scored one: the 1st and 2nd, 3rd and 4th, ...
    found = read_input(read_replay(_written(tmp_path, **changes, period_days=2)), tmp_path)
    assert found.history.units.tolist() == [[6, 0, 2, 3], [0, 7, 0, 4]]
    assert found.history.exposure.tolist() == [[1, 1, 0.5, 1], [0, 1, 1, 1]]
    assert found.history.dates.astype(str).tolist() == [f"2026-01-0{d}" for d in (1, 3, 5, 7)]


def test_what_is_missing_in_files_is_told(competition: Path, tmp_path: Path) -> None:
    def refused(**changes: object) -> str:
        with pytest.raises(InputError) as error:
            read_input(read_replay(_written(tmp_path, **changes)), competition)
        return str(error.value)

    data = yaml.safe_load(VN2.read_text())["data"]
    assert "Missing: Shop" in refused(data={**data, "series": ["Shop", "Product"]})
    stock = {**data["stock"], "on_hand": "Left"}
    assert "Missing: Left" in refused(data={**data, "stock": stock})
    assert "should be the first day of a period" in refused(first_scored="2024-04-16")
    assert "headed by days" in refused(data={**data, "series": ["Store"]})
    assert "follow each other every 14 days" in refused(period_days=14)
    few = {"layout": "wide", "files": ["Week 8 - * - Sales.csv", "* - Initial State.csv"]}
    assert "headed by days" in refused(data={**data, "demand": few})
